package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
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

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is a running couchmend.
type process struct {
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan error
}

// start runs couchmend with a policy's text and the environment env; its state
// is new. It must end well when the test does.
func start(t *testing.T, policy string, env []string, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "couchmend.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{exec.Command(path, args...), &bytes.Buffer{}, make(chan error, 1)}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { p.stop(t) })
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
		log := p.log.Bytes()
		t.Logf("couchmend's log, its end:\n%s", log[max(0, len(log)-8000):])
	}
}
