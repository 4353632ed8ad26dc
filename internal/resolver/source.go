package resolver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// readSource reads a regular file of at most so many bytes. A link is followed
// as long as it stays below root.
func readSource(root *os.Root, name string, most int) ([]byte, error) {
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return nil, inWords(name, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, inWords(name, err)
	}
	defer f.Close()
	source, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(source) > most {
		err = fmt.Errorf("%s has over %d KiB", name, most>>10)
	}
	return source, err
}

// inWords leaves the system's call out of an error, which says little to people.
func inWords(name string, err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", name, failed.Err)
	}
	return err
}
