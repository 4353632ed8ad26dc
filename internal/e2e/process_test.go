// Package e2e runs the command as its users do, as processes that are killed,
// cut off and badly fed, and looks at what becomes of the databases.
//
// Everything runs against couchtest and, where COUCHMEND_TEST_COUCHDB names
// one, a real CouchDB, whose automatic compaction is off meanwhile. The numbers
// are small unless the environment says otherwise:
//
//	COUCHMEND_E2E_DOCS    documents in conflict      400 or so
//	COUCHMEND_E2E_KILLS   times that a run is killed 6
//	COUCHMEND_E2E_LEAVES  leaves of one document     300
//	COUCHMEND_E2E_LARGE   documents of 7 MB          2
package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary builds the command once for all tests of this package.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "couchmend-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "couchmend")
	build := exec.Command("go", "build", "-o", path, "../../cmd/couchmend")
	build.Stderr = os.Stderr
	return path, build.Run()
})

// Most of these tests wait, for a server that does not answer or for a process,
// so they run side by side. Give -parallel 1 where figures are to be compared.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := compactAgain(); err != nil {
		fmt.Fprintln(os.Stderr, "automatic compaction is still off:", err)
	}
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// site is a place where couchmend is installed: a folder with a policy and a
// state of its own.
type site struct {
	dir string
	env []string
}

// newSite makes a site; env says where CouchDB is.
func newSite(t *testing.T, policy string, env ...string) site {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "couchmend.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	return site{dir, env}
}

func (s site) state() string { return filepath.Join(s.dir, ".couchmend") }

func (s site) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// ending is how a command ended.
type ending struct {
	code     int // -1: by a signal
	out, log string
	took     time.Duration
	peak     int64 // bytes of memory, where the system tells
}

// run runs couchmend to its end.
func (s site) run(t *testing.T, args ...string) ending {
	t.Helper()
	cmd := s.command(t, args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	started := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watchMemory(cmd.Process.Pid, over) }()
	err := cmd.Wait()
	close(over)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ending{
		code: cmd.ProcessState.ExitCode(), out: out.String(), log: log.String(),
		took: time.Since(started), peak: <-peak,
	}
}

// watchMemory returns the most memory that a process had until it was over, as
// Linux tells; 0 elsewhere. What Wait tells counts the memory of this process,
// too, which the other one's was forked from.
func watchMemory(pid int, over <-chan struct{}) (peak int64) {
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
			var kilobytes int64
			_, _ = fmt.Sscan(after, &kilobytes)
			peak = max(peak, kilobytes<<10)
		}
		select {
		case <-over:
			return peak
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// summary is what `run --once --json` prints.
type summary struct {
	Seconds                       float64
	Merged, Kept, Buried, Deleted int
	Review                        map[string]int
	Requests                      map[string]int
}

// once catches up with db and returns what was done; anything but success and
// "something is in review" fails the test.
func (s site) once(t *testing.T, db string) summary {
	t.Helper()
	end := s.run(t, "run", "--once", "--json", "--db", db)
	if end.code != 0 && end.code != 2 {
		t.Fatalf("exit code %d:\n%s", end.code, tail(end.log))
	}
	var done summary
	if err := json.Unmarshal([]byte(end.out), &done); err != nil {
		t.Fatalf("%v in %s", err, end.out)
	}
	t.Logf("%s: %.1f s, %d merged, %d kept, %d buried, %d deleted, review %v, requests %v, peak %d MB",
		db, done.Seconds, done.Merged, done.Kept, done.Buried, done.Deleted, done.Review, done.Requests, end.peak>>20)
	return done
}

func tail(log string) string { return log[max(0, len(log)-4000):] }

// text is output that is read while it is being written.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *text) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *text) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a running couchmend.
type process struct {
	cmd  *exec.Cmd
	log  *text
	done chan error
}

// start runs couchmend with a policy's text and the environment env; its state
// is new. It must end well when the test does.
func start(t *testing.T, policy string, env []string, args ...string) *process {
	t.Helper()
	return newSite(t, policy, env...).start(t, args...)
}

// start runs couchmend until the test ends; it must end well then.
func (s site) start(t *testing.T, args ...string) *process {
	t.Helper()
	p := s.launch(t, args...)
	t.Cleanup(func() { p.stop(t) })
	return p
}

// holdsState waits until p holds its site's state.
func (p *process) holdsState(t *testing.T) {
	t.Helper()
	eventually(t, soon, "it holds its state", func() bool {
		text, _ := os.ReadFile(filepath.Join(p.cmd.Dir, ".couchmend", "server.json"))
		var holder struct{ PID, Port int }
		return json.Unmarshal(text, &holder) == nil && holder.PID == p.cmd.Process.Pid && holder.Port > 0
	})
}

// launch runs couchmend; whoever launches it must wait for its end.
func (s site) launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{s.command(t, args...), &text{}, make(chan error, 1)}
	p.cmd.Stderr, p.cmd.Stdout = p.log, io.Writer(p.log)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p
}

// stop asks couchmend to leave and waits; its log is shown if the test failed.
func (p *process) stop(t *testing.T) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails where it has left already
	kill := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	if err := <-p.done; err != nil {
		t.Errorf("couchmend: %v", err)
	}
	if t.Failed() {
		t.Logf("couchmend's log, its end:\n%s", tail(p.log.String()))
	}
	p.done <- nil // it may be stopped again
}
