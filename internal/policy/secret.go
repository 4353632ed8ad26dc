package policy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/couchmend/couchmend"
)

// maxSecret bounds a secret's file, in bytes: a JWT with many claims has room.
const maxSecret = 64 << 10

// ReadSecret returns what a file such as Server.PasswordFile holds, without
// the line ends after it. It is a *couchmend.Error of KindUsage, and never
// quotes the content, where the file can't be read, is empty, is larger than
// 64 KiB or holds more than one line.
func ReadSecret(path string) (string, error) {
	secret, err := readSecret(path)
	if err != nil {
		return "", &couchmend.Error{Op: "read secret", Kind: couchmend.KindUsage, Err: err}
	}
	return secret, nil
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxSecret {
		return "", fmt.Errorf("%s is larger than %d bytes: not a secret", path, maxSecret)
	}
	secret, err := oneLine(string(content))
	if err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	return secret, nil
}

var (
	errEmptySecret = errors.New("is empty")
	errManyLines   = errors.New("holds more than one line: want the secret alone")
)

// oneLine returns a secret without the line ends after it.
func oneLine(content string) (string, error) {
	secret := strings.TrimRight(content, "\r\n")
	switch {
	case secret == "":
		return "", errEmptySecret
	case strings.ContainsAny(secret, "\r\n"):
		return "", errManyLines
	}
	return secret, nil
}
