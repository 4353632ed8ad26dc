package triage

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/merge"
)

const (
	// shownDeep is how many deep documents, and wrong clocks, a report has.
	shownDeep = 50
	// maxCompared is how many leaves of one document are compared field by
	// field.
	maxCompared = 32
)

// survey gathers what conflicts have in common.
type survey struct {
	writerPaths, clockPaths []merge.Path

	types, fields, writers, pairs tally
	writerFields, clockFields     map[string]int
	deeps                         []Deep
	clocks                        []Clock
	seen                          map[string]bool // deep documents, by database and id
}

func newSurvey(writers, clocks []string) *survey {
	s := &survey{
		types: tally{}, fields: tally{}, writers: tally{}, pairs: tally{},
		writerFields: map[string]int{}, clockFields: map[string]int{}, seen: map[string]bool{},
	}
	for _, name := range writers {
		s.writerPaths = append(s.writerPaths, merge.ParsePath(name))
	}
	for _, name := range clocks {
		s.clockPaths = append(s.clockPaths, merge.ParsePath(name))
	}
	return s
}

// add takes a conflict in.
func (s *survey) add(o observation) {
	if len(o.leaves) < 2 {
		return
	}
	o.depth = document.Depth(o.leaves)
	s.types.add(groupKey{o.db, typeOf(o.leaves[0])}, &o)
	compared := o
	compared.leaves = o.leaves[:min(len(o.leaves), maxCompared)]
	for _, path := range compared.fields() {
		s.fields.add(groupKey{o.db, path}, &o)
	}
	field, writers := o.writers(s.writerPaths)
	s.addWriters(&o, field, writers)
	clock, wrong := o.wrongClocks(s.clockPaths, writers)
	if clock != nil {
		s.clockFields[clock.String()] += len(o.leaves)
	}
	s.clocks = append(s.clocks, wrong...)
	if len(o.leaves) >= manyLeaves && !s.seen[o.db+"\x00"+o.id] {
		s.seen[o.db+"\x00"+o.id] = true
		s.deeps = append(s.deeps, o.deep(writers, len(wrong) > 0))
	}
	s.trim(10 * shownDeep)
}

func (s *survey) addWriters(o *observation, field merge.Path, writers []string) {
	if field == nil {
		return
	}
	names := slices.Compact(slices.Sorted(slices.Values(writers)))
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	for _, w := range writers {
		if w != "" {
			s.writerFields[field.String()]++
		}
	}
	for _, name := range names {
		s.writers.add(groupKey{o.db, name}, o)
	}
	if len(names) > 1 && len(names) <= 3 {
		s.pairs.add(groupKey{o.db, strings.Join(names, pairSign)}, o)
	}
}

// pairSign stands between the writers of a pair.
const pairSign = " × "

// trim keeps the worst of what is listed one by one.
func (s *survey) trim(most int) {
	if len(s.deeps) > most {
		slices.SortFunc(s.deeps, func(a, b Deep) int {
			return cmp.Or(cmp.Compare(b.Leaves, a.Leaves), cmp.Compare(b.Depth, a.Depth), cmp.Compare(a.DB, b.DB), cmp.Compare(a.ID, b.ID))
		})
		s.deeps = slices.Clip(s.deeps[:min(len(s.deeps), shownDeep)])
	}
	if len(s.clocks) > most {
		slices.SortFunc(s.clocks, func(a, b Clock) int {
			return cmp.Or(cmp.Compare(math.Abs(b.Ahead), math.Abs(a.Ahead)), cmp.Compare(a.DB, b.DB), cmp.Compare(a.ID, b.ID), a.Rev.Compare(b.Rev))
		})
		s.clocks = slices.Clip(s.clocks[:min(len(s.clocks), shownDeep)])
	}
}

// report puts the survey into a report.
func (s *survey) report(r *Report, window time.Duration) {
	r.Conflicts = Conflicts{
		Types: s.types.groups(window), Fields: s.fields.groups(window), Writers: s.writers.groups(window), Pairs: s.pairs.groups(window),
		WriterFields: s.writerFields, ClockFields: s.clockFields,
	}
	s.trim(0)
	r.Deep, r.Clocks = append([]Deep{}, s.deeps...), append([]Clock{}, s.clocks...)
}
