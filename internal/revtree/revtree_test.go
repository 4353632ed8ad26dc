package revtree

import (
	"testing"

	"github.com/couchmend/couchmend"
)

func TestTombstone(t *testing.T) {
	for _, c := range [][2]string{} {
		if got := Tombstone(couchmend.MustRev(c[0])).String(); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
}
