//go:build unix

package resolver

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// runs reports whether a process is there, a zombie included.
func runs(pid int) bool { return syscall.Kill(pid, 0) == nil }

var canLeaveGroup = func() bool { _, err := exec.LookPath("setsid"); return err == nil }()

// asksIn tells a copy of this test that it is the couchmend to be killed, and
// names the policy's folder.
const asksIn = "COUCHMEND_TEST_ASKS_IN"

func TestNoProcessSurvivesAKilledCouchmend(t *testing.T) {
	if dir := os.Getenv(asksIn); dir != "" {
		r, err := NewExec(ExecOptions{ProcessOptions: ProcessOptions{Dir: dir, Workers: 1}, Command: []string{"sh", "resolve.sh"}})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = ask(t, r, "1", "2")
		return
	}
	dir := folder(t, map[string]string{"resolve.sh": "echo $$ >> pids; exec sleep 60"})
	couchmend := exec.Command(os.Args[0], "-test.run=^TestNoProcessSurvivesAKilledCouchmend$")
	couchmend.Env = append(os.Environ(), asksIn+"="+dir)
	if err := couchmend.Start(); err != nil {
		t.Fatal(err)
	}
	pids := pidsIn(t, filepath.Join(dir, "pids"), 2)
	if err := couchmend.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = couchmend.Wait()
	wantGone(t, pids)
}
