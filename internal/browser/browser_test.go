// Package browser has Chromium live through what a person does in the console:
// each file test/browser/*.test.js is one story, told to the real command, which
// follows couchtest or the CouchDB that COUCHMEND_TEST_COUCHDB names.
//
//	CHROMIUM                   the browser, if other than the chromium found first
//	COUCHMEND_REQUIRE_BROWSER  fail, and don't skip, where there is none
//	COUCHMEND_STORY            only the stories whose names contain this
//	COUCHMEND_SHOTS            a folder for screenshots of all pages
package browser

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stories is where the stories are, and what they need.
const stories = "../../test/browser"

// storyLimit bounds one file of stories.
const storyLimit = 3 * time.Minute

func TestStoriesThatPeopleLiveThroughInTheConsole(t *testing.T) {
	node, chromium := tools(t)
	files, err := filepath.Glob(filepath.Join(stories, "*.test.js"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories in %s: %v", stories, err)
	}
	binary := build(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".test.js")
		if only := os.Getenv("COUCHMEND_STORY"); !strings.Contains(name, only) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, binary)
			tell(t, node, file, append(w.env(), "CHROMIUM="+chromium))
		})
	}
}

// tools finds Node, its packages and Chromium.
func tools(t *testing.T) (node, chromium string) {
	t.Helper()
	missing := t.Skip
	if os.Getenv("COUCHMEND_REQUIRE_BROWSER") != "" {
		missing = t.Fatal
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("Node is not installed")
	}
	if _, err := os.Stat(filepath.Join(stories, "node_modules")); err != nil {
		missing("test/browser/node_modules is missing: run `make tools`")
	}
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if chromium, err = exec.LookPath(name); err == nil {
			return node, chromium
		}
	}
	missing("Chromium is not installed")
	return node, ""
}

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "couchmend")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/couchmend").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// tell runs one file of stories in Node.
func tell(t *testing.T, node, file string, env []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=spec", file)
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // so that it closes its browser
	cmd.WaitDelay = 5 * time.Second
	limit := time.AfterFunc(storyLimit, func() { _ = cmd.Cancel() })
	defer limit.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
		return
	}
	t.Logf("%s", out)
}

// daemon starts a verb of couchmend's that serves the console, and returns its
// address once it answers. It ends with the test.
func daemon(t *testing.T, binary, dir string, env []string, args ...string) string {
	t.Helper()
	address := freeAddress(t)
	cmd := exec.Command(binary, append(args, "--listen", address)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			t.Errorf("couchmend %s did not end", args[0])
			<-ended
		}
		if t.Failed() {
			t.Logf("couchmend %s said:\n%s", args[0], log.String())
		}
	})
	url := "http://" + address
	for range 200 {
		if resp, err := http.Get(url + "/healthz"); err == nil {
			resp.Body.Close()
			return url
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("couchmend %s ended: %v\n%s", args[0], err, log.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("couchmend %s does not answer at %s", args[0], url)
	return ""
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
