//go:build !unix

package resolver

import (
	"os"
	"syscall"
)

// ownGroup does nothing: only the process itself is ended here, not its
// children.
func ownGroup() *syscall.SysProcAttr { return nil }

func killGroup(p *os.Process) { _ = p.Kill() }

// limitMemory does nothing: only Linux can limit a process that has started.
func limitMemory(*os.Process, int64) error { return nil }

// peakMemory is not known.
func peakMemory(*os.ProcessState) int64 { return 0 }
