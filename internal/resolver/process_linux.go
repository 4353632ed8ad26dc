package resolver

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup makes a process the leader of a group, so that it can be ended with
// all its children, and ends it when the thread that started it does: not even
// kill -9 of couchmend leaves it behind.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) } // ESRCH: it has ended

// limitMemory bounds a process's data: heap, stacks and private mappings. The
// address space is left alone, since V8 and others reserve far more of it than
// they use. There are no core dumps: they would hold documents.
func limitMemory(p *os.Process, bytes int64) error {
	data := unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := unix.Prlimit(p.Pid, unix.RLIMIT_DATA, &data, nil); err != nil {
		return err
	}
	return unix.Prlimit(p.Pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
}

// peakMemory is how many bytes an ended process had in memory at most; 0 where
// that can't be told. Linux counts what couchmend held itself when it started
// the process: a peak that is no higher than ours says nothing.
func peakMemory(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	var ours syscall.Rusage
	if !ok || syscall.Getrusage(syscall.RUSAGE_SELF, &ours) != nil || usage.Maxrss <= ours.Maxrss {
		return 0
	}
	return usage.Maxrss << 10 // from KiB
}
