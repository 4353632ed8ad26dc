package merge

// wildcard names in a Field's pattern.
const (
	anyName = "*"
	anyRest = "**"
)

// opens reports whether a pattern ends in "**": objects that it matches are
// opened, and the strategy meets their leaves.
func (p Path) opens() bool { return len(p) > 0 && p[len(p)-1] == anyRest }

// matches reports whether a pattern speaks of the value at path.
func (p Path) matches(path Path) bool {
	if p.opens() {
		p = p[:len(p)-1]
		if len(path) < len(p) {
			return false
		}
		path = path[:len(p)]
	}
	if len(p) != len(path) {
		return false
	}
	for i, name := range p {
		if name != anyName && name != path[i] {
			return false
		}
	}
	return true
}

// moreSpecific reports whether p says more about a place than q, both
// matching it: the first name in which they differ decides, a plain name over
// "*", and either over "**" or the pattern's end.
func (p Path) moreSpecific(q Path) bool {
	rank := func(pattern Path, i int) int {
		switch {
		case i >= len(pattern):
			return 1 // ended exactly where the other goes on with "**"
		case pattern[i] == anyRest:
			return 0
		case pattern[i] == anyName:
			return 2
		default:
			return 3
		}
	}
	for i := range max(len(p), len(q)) {
		if a, b := rank(p, i), rank(q, i); a != b {
			return a > b
		}
	}
	return false
}

// StrategyAt returns what the rule says of a value that differs at path, and
// whether an object there is opened.
func (r *Rule) StrategyAt(path Path) (Strategy, bool) {
	best := -1
	for i, f := range r.Fields {
		if f.Pattern.matches(path) && (best < 0 || f.Pattern.moreSpecific(r.Fields[best].Pattern)) {
			best = i
		}
	}
	if best >= 0 && (!r.Fields[best].Pattern.opens() || !r.isClock(path)) {
		return r.Fields[best].Strategy, r.Fields[best].Pattern.opens()
	}
	if r.isClock(path) {
		return Strategy{Kind: clockJoin}, false
	}
	return Strategy{Kind: ReviewIt}, true
}

// isClock reports whether a clock stands at path: the document's own, or one
// beside a value. Clocks merge by their own join.
func (r *Rule) isClock(path Path) bool {
	if r.Clock.Kind != NoClock && equalPath(r.Clock.Path, path) {
		return true
	}
	for _, f := range r.Fields {
		if f.Strategy.Kind == Latest && len(f.Strategy.Beside) > 0 && equalPath(f.Strategy.Beside, path) {
			return true
		}
	}
	return false
}

func equalPath(a, b Path) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// addsUp reports whether some field of the rule counts changes rather than
// values: then two sides that look alike may still be two changes.
func (r *Rule) addsUp() bool {
	for _, f := range r.Fields {
		if f.Strategy.addsUp() {
			return true
		}
	}
	return false
}

// clockWithoutBase reports whether a document's clock may decide where there
// is no base. Then it matters which leaves say the same.
func (r *Rule) clockWithoutBase() bool {
	return r.Clock.Kind != NoClock && r.NoBase == NoBaseStrategies
}

func (s Strategy) addsUp() bool { return s.Kind == Sum || s.Kind == Append }

// isJoin reports whether a strategy needs the two values alone.
func (s Strategy) isJoin() bool {
	switch s.Kind {
	case Union, Max, Min, clockJoin:
		return true
	case Latest:
		return len(s.Beside) > 0
	}
	return false
}

// usableWithoutBase reports whether a strategy may be used where no exact base
// could be had.
func (s Strategy) usableWithoutBase(choice NoBase) bool {
	if s.isJoin() || s.Kind == Custom {
		return true
	}
	return choice == NoBaseStrategies && (s.Kind == ByKey || s.Kind == Winner || s.Kind == Latest)
}
