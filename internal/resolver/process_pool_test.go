package resolver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// pidsIn waits for a file to hold n process ids.
func pidsIn(t *testing.T, path string, n int) []int {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(path)
		var pids []int
		for _, line := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		if len(pids) >= n && strings.HasSuffix(string(text), "\n") {
			return pids
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes have told their numbers, want %d", len(pids), n)
		}
	}
}

// wantGone waits until none of the processes runs. One that nobody has waited
// for is gone too: it is not always ours to wait for.
func wantGone(t *testing.T, pids []int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := 0
		for _, pid := range pids {
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if runs(pid) && !strings.Contains(string(stat), ") Z ") {
				left = pid
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", left)
		}
	}
}

func TestNoProcessIsLeftAfterClose(t *testing.T) {
	var dir string
	r := shell(t, "echo $$ >> pids\n"+readID+`printf '{"id":%s,"result":1}\n' "$id"; done; echo end >> ends`, func(o *ProcessOptions) { dir, o.Workers = o.Dir, 3 })
	if _, err := os.Stat(filepath.Join(dir, "pids")); err == nil {
		t.Error("a process runs before there is a question")
	}
	var asking sync.WaitGroup
	for range 10 {
		asking.Go(func() { _, _ = r.Resolve(t.Context(), nil, revisions("1", "2")) })
	}
	asking.Wait()
	pids := pidsIn(t, filepath.Join(dir, "pids"), 2)
	if len(pids) > 6 {
		t.Errorf("%d processes for 3 workers", len(pids))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if runs(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	if ends, _ := os.ReadFile(filepath.Join(dir, "ends")); strings.Count(string(ends), "end") != len(pids) {
		t.Errorf("%q: not each of %d processes was left to end by itself", ends, len(pids))
	}
	_, err := ask(t, r, "1", "2")
	wantFailure(t, err, couchmend.ReasonResolverCrashed, "closed")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseKillsAProcessThatDoesNotEndByItself(t *testing.T) {
	var dir string
	r := shell(t, "trap '' TERM INT HUP PIPE; echo $$ >> pids\n"+readID+`printf '{"id":%s,"result":1}\n' "$id"; done; while :; do sleep 0.1; done`, func(o *ProcessOptions) { dir = o.Dir })
	wantAnswer(t, r, "1", "1", "2")
	r.Close()
	for _, pid := range pidsIn(t, filepath.Join(dir, "pids"), 2) {
		if runs(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
}

func TestAProcessIsKilledWithItsChildren(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	p := hostilePython(t, time.Second)
	_, err := ask(t, p, fmt.Sprintf(`{"do":"spawn","pids":%q}`, pids), `{}`)
	wantFailure(t, err, couchmend.ReasonResolverTimeout)
	wantGone(t, pidsIn(t, pids, 4))
}

func TestAProcessThatForkedAnswersOnce(t *testing.T) {
	p := hostilePython(t, time.Minute)
	for range 5 {
		wantAnswer(t, p, `{"do":"fork"}`, `{"do":"fork"}`, `{}`)
	}
}

func TestAChildThatLeftTheGroupHoldsNothingUp(t *testing.T) {
	if !canLeaveGroup {
		t.Skip("SKIPPED: there is no setsid")
	}
	r := shell(t, `setsid sh -c "echo left > $$; sleep 5" & while [ ! -s $$ ]; do :; done; exit 3`)
	start := time.Now()
	_, err := ask(t, r, "1", "2")
	wantFailure(t, err, couchmend.ReasonResolverCrashed, "exit status 3")
	r.Close()
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestChildrenOfAProcessThatEndedAreKilled(t *testing.T) {
	var dir string
	r := shell(t, "sleep 60 & echo $! >> pids; exit 3", func(o *ProcessOptions) { dir = o.Dir })
	_, err := ask(t, r, "1", "2")
	wantFailure(t, err, couchmend.ReasonResolverCrashed, "exit status 3")
	wantGone(t, pidsIn(t, filepath.Join(dir, "pids"), 2))
}

func TestAStormOfCrashesHoldsNobodyUp(t *testing.T) {
	r := shell(t, readID+`case $question in *crash*) exit 1;; esac; printf '{"id":%s,"result":1}\n' "$id"; done`, func(o *ProcessOptions) { o.Workers = 2 })
	start := time.Now()
	var asking sync.WaitGroup
	for i := range 60 {
		asking.Go(func() {
			if i%2 == 0 {
				if _, err := r.Resolve(t.Context(), nil, revisions(`"crash"`, "2")); reasonOf(err) != couchmend.ReasonResolverCrashed {
					t.Error(err)
				}
			} else if got, err := r.Resolve(t.Context(), nil, revisions("1", "2")); err != nil || string(got) != "1" {
				t.Error(string(got), err)
			}
		})
	}
	asking.Wait()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("30 crashes and 30 answers take %s", took)
	}
}

func TestWhatProcessesWriteToStandardErrorIsLoggedWithinBounds(t *testing.T) {
	log := &lines{}
	r := shell(t, `printf 'part' >&2; awk 'BEGIN { for (i = 0; i < 20000; i++) print "line " i > "/dev/stderr" }'; echo the last words >&2; exit 1`, func(o *ProcessOptions) { o.Log = log.logger() })
	_, err := ask(t, r, "1", "2")
	wantFailure(t, err, couchmend.ReasonResolverCrashed, "the last words", "line 19999")
	if n := log.count("line "); n < lineLimit || n > 2*lineLimit+2 || log.count("left out") != 2 {
		t.Errorf("%d lines of two processes were logged", n)
	}
	if len(err.Error()) > 2*tailSize {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}
