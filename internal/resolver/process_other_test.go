//go:build !unix

package resolver

import "os"

func runs(pid int) bool { p, err := os.FindProcess(pid); return err == nil && p.Signal(os.Kill) == nil }

const canLeaveGroup = false
