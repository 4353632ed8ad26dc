package e2e

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestAFullDiskStopsMendingBeforeAnythingIsBuriedAndRoomLetsItGoOn(t *testing.T) {
	t.Parallel()
	const conflicts, size = 20, 1 << 20
	s := newServer(t)
	db, p := s.newDB(t), through(t, s, silent)
	at := p.site(t, records)
	disk(t, at.state(), 52)
	big := make([]byte, size)
	for i := range conflicts {
		for j := range big {
			big[j] = byte('a' + (i+j*j%251+j/251*7)%26) // nothing for compression
		}
		s.conflict(t, db, fmt.Sprint("big", i), string(big))
	}
	fails(t, at, "MB free", "Make room")
	whole := 0
	for i := range conflicts {
		if s.merged(t, db, fmt.Sprint("big", i)) {
			whole++
		}
	}
	live := 0
	for _, leaves := range s.leaves(t, db) {
		live += len(leaves)
	}
	if whole == conflicts || live != 2*conflicts {
		t.Errorf("%d of %d merged, %d leaves", whole, conflicts, live)
	}
	if err := syscall.Mount("tmpfs", at.state(), "tmpfs", syscall.MS_REMOUNT, "size=400m"); err != nil {
		t.Fatal(err)
	}
	at.once(t, db)
	for i := range conflicts {
		if !s.merged(t, db, fmt.Sprint("big", i)) {
			t.Errorf("big%d is not merged", i)
		}
	}
}

// disk mounts a file system of so many megabytes at dir.
func disk(t *testing.T, dir string, megabytes int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Skipf("no small disk can be mounted here (that takes root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}
