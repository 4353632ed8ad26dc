// Package pouchserver starts express-pouchdb, an independent server that speaks
// CouchDB's HTTP, for tests. Its sources are in test/pouch.
package pouchserver

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// RequireEnv names the environment variable that turns a missing Node or a
// missing test/pouch/node_modules from a skipped test into a failed one.
const RequireEnv = "COUCHMEND_REQUIRE_POUCH"

// startLimit bounds how long the server may take to listen. It takes 0.4 s on
// an idle machine.
const startLimit = 60 * time.Second

// stopLimit is how long a script may take to end after its input did, before
// it is killed.
const stopLimit = 10 * time.Second

// Start runs a server of its own for tb, all databases in memory, and returns
// its URL without a trailing slash. Everybody is admin there. The server ends
// with tb, or with this process if that is killed. Where Node or its packages
// are missing, tb is skipped, or fails if RequireEnv is set.
func Start(tb testing.TB) string {
	tb.Helper()
	_, out := Script(tb, "server.js")
	var hello struct{ URL string }
	if err := json.Unmarshal(firstLine(tb, out), &hello); err != nil || hello.URL == "" {
		tb.Fatalf("server.js did not say its URL: %v", err)
	}
	return hello.URL
}

// Script runs a script of test/pouch in Node and returns its standard input
// and output; its standard error is the test's. When tb ends, the input is
// closed and the script's end awaited. It skips or fails as Start does.
func Script(tb testing.TB, name string, args ...string) (io.WriteCloser, *bufio.Reader) {
	tb.Helper()
	dir := scripts(tb)
	node, err := exec.LookPath("node")
	if err != nil {
		missing(tb, "node is not installed")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		missing(tb, "test/pouch/node_modules is missing: run `make tools`")
	}

	cmd := exec.Command(node, append([]string{filepath.Join(dir, name)}, args...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { stop(tb, cmd, in, out) })
	return in, bufio.NewReader(out)
}

// stop closes the script's input, which is its order to leave, reads the rest
// of its output so that it cannot block on it, and waits.
func stop(tb testing.TB, cmd *exec.Cmd, in io.Closer, out io.Reader) {
	_ = in.Close() // it fails where the script has ended already
	kill := time.AfterFunc(stopLimit, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	_, _ = io.Copy(io.Discard, out) // Wait tells what went wrong
	if err := cmd.Wait(); err != nil {
		tb.Errorf("%s: %v", filepath.Base(cmd.Args[1]), err)
	}
}

// firstLine reads one line, within startLimit.
func firstLine(tb testing.TB, out *bufio.Reader) []byte {
	tb.Helper()
	type read struct {
		line []byte
		err  error
	}
	done := make(chan read, 1)
	go func() {
		line, err := out.ReadBytes('\n')
		done <- read{line, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			tb.Fatalf("the script ended before it was ready: %v", r.err)
		}
		return r.line
	case <-time.After(startLimit):
		tb.Fatalf("the script was not ready after %v", startLimit)
	}
	return nil
}

// scripts finds test/pouch, upwards from the test's working directory.
func scripts(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		pouch := filepath.Join(dir, "test", "pouch")
		if _, err := os.Stat(filepath.Join(pouch, "server.js")); err == nil {
			return pouch
		} else if !errors.Is(err, os.ErrNotExist) {
			tb.Fatal(err)
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("no test/pouch above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

func missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv(RequireEnv) != "" {
		tb.Fatalf("%s is set, but %s", RequireEnv, what)
	}
	tb.Skip(what)
}
