// Package deploy_test checks what stands in this directory against the command
// itself: flags, environment, ports and paths that a manifest names must exist.
// No container engine is needed, and none is trusted to have looked.
package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// couchmend is the command, built as the image builds it.
var couchmend string

// stamp is the version that it was built as.
const stamp = "1.2.3-test"

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "couchmend-deploy-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	couchmend = filepath.Join(dir, "couchmend")
	if err := build(couchmend); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build runs the command by which the Dockerfile builds couchmend.
func build(to string) error {
	command, err := buildCommand()
	if err != nil {
		return err
	}
	command = strings.NewReplacer("/out/couchmend", to, "${VERSION}", stamp).Replace(command)
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return nil
}

func buildCommand() (string, error) {
	file, err := readDockerfile("Dockerfile")
	if err != nil {
		return "", err
	}
	for _, i := range file {
		if i.word == "RUN" && strings.Contains(i.rest, "go build") {
			return i.rest, nil
		}
	}
	return "", fmt.Errorf("the Dockerfile builds nothing")
}

// help is what a verb's help names.
type help struct{ flags, env []string }

var (
	flagWord = regexp.MustCompile(`--([a-z][a-z-]*)`)
	envWord  = regexp.MustCompile(`\$([A-Z][A-Z_]*)`)
)

func helpOf(t *testing.T, verb string) help {
	t.Helper()
	text, err := exec.Command(couchmend, verb, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%s --help: %v\n%s", verb, err, text)
	}
	var h help
	for _, m := range flagWord.FindAllSubmatch(text, -1) {
		h.flags = append(h.flags, string(m[1]))
	}
	for _, m := range envWord.FindAllSubmatch(text, -1) {
		h.env = append(h.env, string(m[1]))
	}
	return h
}

// wantCommand checks that a command line's verb and flags are couchmend's.
func wantCommand(t *testing.T, args []string) {
	t.Helper()
	if len(args) == 0 {
		t.Fatal("no verb is given")
	}
	h := helpOf(t, args[0])
	for _, arg := range args[1:] {
		name, ok := strings.CutPrefix(arg, "--")
		if name, _, _ = strings.Cut(name, "="); ok && !slices.Contains(h.flags, name) {
			t.Errorf("couchmend %s has no flag --%s", args[0], name)
		}
	}
}

// notCouchmends are variables that the Go runtime reads.
var notCouchmends = []string{"GOMEMLIMIT"}

// wantEnv checks that a variable means something to `couchmend run`.
func wantEnv(t *testing.T, name string) {
	t.Helper()
	if !slices.Contains(notCouchmends, name) && !slices.Contains(helpOf(t, "run").env, name) {
		t.Errorf("couchmend run reads no variable %s", name)
	}
}

// pinned is an image with a version of at least two numbers, or a digest.
var pinned = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]*(:v?\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$`)

func TestAnImageWithoutAVersionIsNotPinned(t *testing.T) {
	for image, want := range map[string]bool{
		"couchdb:3.5.2": true, "nats:2.15.2-alpine": true, "registry.example/couchmend:0.1.0": true,
		"a@sha256:" + strings.Repeat("0", 64): true,
		"couchdb":                             false, "couchdb:latest": false, "nats:alpine": false, "couchdb:3": false,
	} {
		if got := pinned.MatchString(image); got != want {
			t.Errorf("%s: pinned is %v", image, got)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// served are the paths that probes and Prometheus may ask for.
var served = []string{"/healthz", "/readyz", "/metrics"}
