package document

import (
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/revtree"
)

// leaf is a leaf with a path in text, newest first; "!" marks a tombstone.
func leaf(path string) couchmend.Revision {
	path, deleted := strings.CutPrefix(path, "!")
	r := couchmend.Revision{Deleted: deleted, Body: []byte("{}")}
	for _, text := range strings.Fields(path) {
		r.Path = append(r.Path, couchmend.MustRev(text))
	}
	r.Rev = r.Path[0]
	return r
}

func conflict(paths ...string) couchmend.Conflict {
	c := couchmend.Conflict{DB: "db", ID: "d", RevsLimit: 1000}
	for _, path := range paths {
		if r := leaf(path); r.Deleted {
			c.Dead = append(c.Dead, r)
		} else {
			c.Leaves = append(c.Leaves, r)
		}
	}
	return c
}

// marked puts marks between a merge and its winner's path.
func marked(hash, winner string, marks ...revtree.Mark) string {
	w := leaf(winner)
	path := revtree.MergePath(hash, revtree.Placed(w.Rev, marks...), w.Path, 1000)
	texts := make([]string, len(path))
	for i, r := range path {
		texts[i] = r.String()
	}
	return strings.Join(texts, " ")
}

// sideOf is a side of a comparison with a body.
func sideOf(name Kind, rev, body string) Side {
	var r couchmend.Rev
	if rev != "" {
		r = couchmend.MustRev(rev)
	}
	return Side{name, r, couchmend.Revision{Rev: r, Body: []byte(body)}}
}
