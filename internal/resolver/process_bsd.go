//go:build unix && !linux

package resolver

import (
	"os"
	"syscall"
)

// ownGroup makes a process the leader of a group, so that it can be ended with
// all its children. When couchmend itself is killed, the process finds its
// standard input at an end.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// limitMemory does nothing: only Linux can limit a process that has started.
func limitMemory(*os.Process, int64) error { return nil }

// peakMemory is not known: its unit differs between systems.
func peakMemory(*os.ProcessState) int64 { return 0 }
