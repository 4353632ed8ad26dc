package telemetry

import "sync"

// other is what all databases are called together that have no label of their
// own. No database can have this name.
const other = "(other)"

// names gives a few databases a label of their own.
type names struct {
	mu    sync.Mutex
	max   int
	known map[string]bool
}

func newNames(max int, first []string) *names {
	n := &names{max: max, known: map[string]bool{}}
	for _, db := range first {
		n.of(db)
	}
	return n
}

// of returns a database's label.
func (n *names) of(db string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.known[db] {
		if len(n.known) >= n.max {
			return other
		}
		n.known[db] = true
	}
	return db
}
