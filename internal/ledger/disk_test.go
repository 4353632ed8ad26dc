//go:build linux

package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// smallDisk is a directory on a disk of its own.
func smallDisk(t *testing.T, size string) (dir string, resize func(string)) {
	t.Helper()
	dir = t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("needs to mount a disk: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir, func(size string) {
		t.Helper()
		if out, err := exec.Command("mount", "-o", "remount,size="+size, dir).CombinedOutput(); err != nil {
			t.Fatalf("remount: %s", out)
		}
	}
}

func noise(size int) []byte {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte('0' + rand.IntN(10))
	}
	body[0] = '1'
	return body
}

func TestAFullDiskSaysSoAndWorkGoesOnWhenThereIsRoom(t *testing.T) {
	dir, resize := smallDisk(t, "40m")
	l := open(t, ledger.Config{Dir: dir})
	kept := 0
	var err error
	for err == nil && kept < 1000 {
		leaf := couchmend.Revision{Rev: couchmend.MustRev("1-a"), Body: noise(100 << 10)}
		if kept%10 == 9 {
			leaf.Body = noise(400 << 10) // into the object store
		}
		if err = l.Append(t.Context(), ledger.Entry{DB: "db", ID: fmt.Sprint(kept), Leaves: []couchmend.Revision{leaf}}); err == nil {
			kept++
		}
	}
	wantKind(t, err, couchmend.KindFull)
	t.Logf("full after %d entries: %v", kept, err)
	check(t, os.WriteFile(filepath.Join(dir, "somebody else's"), noise(4<<20), 0o600))
	_, err = l.Put(t.Context(), item("db", "d", 1))
	wantKind(t, err, couchmend.KindFull)
	wantKind(t, l.PutCases(t.Context(), ledger.Case{DB: "db", ID: "d"}), couchmend.KindFull)
	resize("100m")
	put(t, l, item("db", "d", 1))
	check(t, l.Append(t.Context(), ledger.Entry{DB: "db", ID: "after"}))
	found := 0
	check(t, l.Each(t.Context(), "", time.Time{}, func(ledger.Entry) error { found++; return nil }))
	if found != kept+1 || kept == 0 {
		t.Errorf("%d entries, want %d", found, kept+1)
	}
}

func TestADiskWithoutAnyRoomRefusesToOpen(t *testing.T) {
	dir, _ := smallDisk(t, "4k")
	_, err := ledger.Open(t.Context(), ledger.Config{Dir: dir})
	wantKind(t, err, couchmend.KindFull)
}
