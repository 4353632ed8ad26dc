package mender

import (
	"sync"

	"github.com/couchmend/couchmend"
)

// maxGraves bounds the tombstones that are remembered, twice over: bytes, as
// far as they can be told.
const maxGraves = 16 << 20

// graves remembers tombstoned leaves. The feed names them in every row of
// their document, for ever and unmarked; a document that was often in conflict
// would be read whole again each time somebody saves it. A tombstone never
// changes, so what is remembered is never wrong.
type graves struct {
	mu         sync.Mutex
	young, old map[grave]couchmend.Revision
	size       int // of young
}

type grave struct {
	db, id string
	rev    couchmend.Rev
}

func newGraves() *graves { return &graves{young: map[grave]couchmend.Revision{}} }

func (g *graves) find(c couchmend.Conflict, rev couchmend.Rev) (couchmend.Revision, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := grave{c.DB, c.ID, rev}
	r, ok := g.young[key]
	if !ok {
		r, ok = g.old[key]
	}
	return r, ok
}

func (g *graves) keep(c couchmend.Conflict, r couchmend.Revision) {
	const revSize = 64 // a Rev in memory, with its hash
	size := len(c.ID) + len(r.Body) + revSize*len(r.Path)
	if !r.Deleted || size > maxGraves/100 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.size+size > maxGraves {
		g.old, g.young, g.size = g.young, map[grave]couchmend.Revision{}, 0
	}
	g.young[grave{c.DB, c.ID, r.Rev}] = r
	g.size += size
}

// forget drops the tombstones of a database.
func (g *graves) forget(db string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, graves := range []map[grave]couchmend.Revision{g.young, g.old} {
		for key := range graves {
			if key.db == db {
				delete(graves, key)
			}
		}
	}
}
