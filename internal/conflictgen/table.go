package conflictgen

import (
	"cmp"
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// row is an object in an array, named by its key. Its members are fields with
// histories of their own.
type row struct {
	key   string
	born  *node // nil: from the start
	first bool  // put in front of the others
	gone  []*node
	cells []slot
}

func (r *row) object(value func(slot) jsondoc.Value) jsondoc.Value {
	members := []jsondoc.Member{{Name: "id", Value: jsondoc.String(r.key)}}
	for _, c := range r.cells {
		if v := value(c); v != nil {
			members = append(members, jsondoc.Member{Name: c.path[0], Value: v})
		}
	}
	return jsondoc.Object(members)
}

func (r *row) goneAt(n *node) bool { return slices.ContainsFunc(r.gone, n.follows) }

// table is an array of rows.
type table struct {
	rows    []*row
	editors []*node // where anything in it was edited
}

func (t *table) rowsAt(n *node) []*row {
	var rows []*row
	for _, r := range t.rows {
		switch {
		case r.born != nil && !n.follows(r.born) || r.goneAt(n):
		case r.first:
			rows = slices.Insert(rows, 0, r)
		default:
			rows = append(rows, r)
		}
	}
	return rows
}

func (t *table) at(n *node) jsondoc.Value {
	objects := []jsondoc.Value{}
	for _, r := range t.rowsAt(n) {
		objects = append(objects, r.object(func(c slot) jsondoc.Value { return c.field.at(n) }))
	}
	return jsondoc.Array(objects)
}

// truth holds the rows that nobody removed: in the order of the first leaf
// that edited the table, then those that it lacks, by key.
func (t *table) truth(d *draft) jsondoc.Value {
	order := d.base
	for _, leaf := range slices.Backward(d.live()) {
		if slices.ContainsFunc(t.editors, func(n *node) bool { return leaf.follows(n) && !d.base.follows(n) }) {
			order = leaf
		}
	}
	rows := t.rowsAt(order)
	var others []*row
	for _, r := range t.rows {
		if !slices.Contains(rows, r) {
			others = append(others, r)
		}
	}
	slices.SortFunc(others, func(a, b *row) int { return cmp.Compare(a.key, b.key) })
	objects := []jsondoc.Value{}
	for _, r := range append(rows, others...) {
		if len(r.gone) == 0 {
			objects = append(objects, r.object(func(c slot) jsondoc.Value { return c.field.truth(d) }))
		}
	}
	return jsondoc.Array(objects)
}

// lineEdit replaces one line by none, one or two others.
type lineEdit struct {
	at   *node
	line int
	by   []string
}

// prose is a text of many lines; edits keep away from each other.
type prose struct {
	lines []string
	edits []lineEdit
}

func (p *prose) text(seen func(*node) bool) jsondoc.Value {
	var b strings.Builder
	for i, line := range p.lines {
		now := []string{line}
		for _, e := range p.edits {
			if e.line == i && seen(e.at) {
				now = e.by
			}
		}
		for _, l := range now {
			b.WriteString(l + "\n")
		}
	}
	return jsondoc.String(b.String())
}

func (p *prose) at(n *node) jsondoc.Value { return p.text(n.follows) }

func (p *prose) truth(*draft) jsondoc.Value { return p.text(func(*node) bool { return true }) }
