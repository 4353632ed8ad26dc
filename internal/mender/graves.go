package mender

import (
	"sync"

	"github.com/couchmend/couchmend"
)

const (
	// maxGraves bounds the tombstones that are remembered, twice over.
	maxGraves = 20_000
	// maxGraveBody is the largest tombstone's body that is, in bytes.
	maxGraveBody = 1 << 10
)

// graves remembers tombstoned leaves. The feed names them in every row of
// their document, for ever and unmarked; a document that was often in conflict
// would be read whole again each time somebody saves it. A tombstone never
// changes, so what is remembered is never wrong.
type graves struct {
	mu         sync.Mutex
	young, old map[grave]couchmend.Revision
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
	if !r.Deleted || len(r.Body) > maxGraveBody {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.young) >= maxGraves {
		g.old, g.young = g.young, map[grave]couchmend.Revision{}
	}
	g.young[grave{c.DB, c.ID, r.Rev}] = r
}
