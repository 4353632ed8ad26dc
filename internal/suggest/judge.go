package suggest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/couchmend/couchmend/internal/merge"
)

const (
	// minChanges is how many changes since a base must be known before they
	// speak for a strategy: of 20 without a counterexample, fewer than one in
	// seven changes are one (with 95 % certainty).
	minChanges = 20
	// minContests is in how many conflicts both sides must have changed it.
	minContests = 5
	// minToggles is how often a document must have been deleted softly on one
	// side before that is taken for its way of deletion.
	minToggles = 3
)

// standing is how evidence stands to a strategy.
type standing int

const (
	unknown standing = iota // no strategy fits
	thin                    // one fits, and too few conflicts show it
	refuted                 // one fits, and too many conflicts show otherwise
	settled
)

// opinion is what the values at one place look like.
type opinion struct {
	strategy merge.Strategy // zero: none fits
	why      string
	refuted  bool
	maybe    []merge.Strategy // what may fit besides
}

// judge says what is proposed for a place. Name is the last of its path.
func (e *evidence) judge(name string) (Field, standing) {
	o := e.opinion(name)
	f := Field{
		Strategy:  merge.Strategy{Kind: merge.ReviewIt},
		Contested: e.contested, Alike: e.alike, Blind: e.blind,
		Why: o.why, Maybe: o.maybe, Example: e.example.Example,
	}
	switch {
	case o.strategy.Kind == "":
		return f, unknown
	case o.refuted:
		f.Maybe = append([]merge.Strategy{o.strategy}, o.maybe...)
		return f, refuted
	case !e.enough(o.strategy.Kind):
		f.Maybe = append([]merge.Strategy{o.strategy}, o.maybe...)
		f.Why += " " + e.tooFew()
		return f, thin
	}
	f.Strategy, f.Maybe = o.strategy, nil
	return f, settled
}

func (e *evidence) enough(kind merge.StrategyKind) bool {
	contests := e.contested
	if kind == merge.Sum { // what looks alike may be two changes
		contests += e.alike
	}
	return e.changes >= minChanges && contests >= minContests
}

func (e *evidence) tooFew() string {
	if e.changes == 0 {
		return "No conflict with a base shows how it changes."
	}
	return fmt.Sprintf("Too few conflicts with a base show it: %s, %s in which both sides did.", plural(e.changes, "change"), count(e.contested))
}

// opinion looks at the values first and at clocks beside them after that.
func (e *evidence) opinion(name string) opinion {
	present := 0
	for kind := boolean; kind < kindsOfValue; kind++ {
		present += e.kinds[kind]
	}
	var o opinion
	switch {
	case present == 0:
		o.why = "Removed, or null."
	case nearly(e.kinds[array], present):
		o = e.ofList()
	case nearly(e.kinds[number], present) || nearly(e.kinds[text], present):
		o = e.ofScale(name)
		if o.strategy.Kind == "" && nearly(e.kinds[text], present) {
			o = e.ofText(o)
		}
	case nearly(e.kinds[boolean], present):
		o.why = "True or false: nothing in the document says who is right."
	case e.kinds[object] > 0:
		o.why = "An object on one side only, or objects that are nested too deep."
	default:
		o.why = "Values of several types."
	}
	if o.strategy.Kind == "" || o.refuted {
		if clock, n := e.clock(); clock != "" {
			return opinion{
				strategy: merge.Strategy{Kind: merge.Latest, Beside: merge.Path{clock}},
				why:      fmt.Sprintf("%s rose with it in %s: the clock of this value alone. A device whose clock is wrong wins or loses wrongly.", quoted(clock), of(n.pro, n.pro+n.con, "change")),
			}
		}
	}
	return o
}

// clock returns the member that nearly always rose with the value.
func (e *evidence) clock() (string, against) {
	for _, name := range slices.Sorted(maps.Keys(e.beside)) {
		if n := e.beside[name]; nearly(n.pro, n.pro+n.con) {
			return name, n
		}
	}
	return "", against{}
}

func (e *evidence) ofList() opinion {
	l := e.list
	full := l.values - l.empty
	grown := fmt.Sprintf("of %s %s only added to it", plural(l.changes, "change"), count(l.grew))
	if l.changes == 0 {
		grown = "how it changes is not known"
	}
	shrinks := !nearly(l.grew, l.changes) && l.changes > 0
	switch key := l.bestKey(); {
	case full == 0:
		return opinion{why: "Arrays without elements."}
	case nearly(l.objects, full) && key != "":
		n := l.keys[key]
		return opinion{
			strategy: merge.Strategy{Kind: merge.ByKey, Key: key},
			why:      fmt.Sprintf("Objects that %s tells apart in %s. Elements are merged one by one.", quoted(key), of(n.fits, l.looks, "pair")),
		}
	case nearly(l.scalars, full) && nearly(l.unique, full):
		o := opinion{
			strategy: merge.Strategy{Kind: merge.Union}, refuted: shrinks,
			why: fmt.Sprintf("A set: %s, and no element stands twice. union sorts them: if their order means something, take append, which needs a base.", grown),
		}
		if shrinks {
			o.why = fmt.Sprintf("A set from which elements are taken out, too: %s. union would bring these back.", grown)
		}
		return o
	case nearly(l.prefix, l.changes):
		return opinion{
			strategy: merge.Strategy{Kind: merge.Append},
			why:      fmt.Sprintf("A log: in %s something was added at the end, and nothing else. append is exact given the base, and never used without one.", of(l.prefix, l.changes, "change")),
		}
	case nearly(l.unique, full) && shrinks:
		return opinion{why: fmt.Sprintf("An array whose elements change or are taken out: %s, and no member of them is a key.", grown)}
	case nearly(l.unique, full):
		return opinion{
			strategy: merge.Strategy{Kind: merge.Union},
			why:      fmt.Sprintf("A set: %s, and no element stands twice. union sorts them.", grown),
		}
	}
	return opinion{why: fmt.Sprintf("An array that is neither a set nor a log: %s.", grown)}
}

// ofScale is about numbers, moments and dates.
func (e *evidence) ofScale(name string) opinion {
	s := e.scale
	values := e.kinds[number] + e.kinds[text]
	moments := nearly(s.moments+s.dates, values)
	numbers := nearly(e.kinds[number], values)
	if e.added > 0 && s.begun == e.added && namesCounter(name) { // counted up from nothing
		s.rose, s.whole, s.small = s.rose+s.begun, s.whole+s.begun, s.small+s.begun
	}
	compared := s.rose + s.fell
	rises, falls := nearly(s.rose, compared), nearly(s.fell, compared)
	way := fmt.Sprintf("of %s %s rose", plural(compared, "change"), count(s.rose))
	switch {
	case moments:
		return e.ofMoments(name, rises, falls, way)
	case !numbers:
		return opinion{}
	case compared == 0:
		o := opinion{why: "A number. No change with a base on both ends shows its way."}
		switch {
		case namesHigh(name):
			o.maybe = []merge.Strategy{{Kind: merge.Max}}
		case namesLow(name):
			o.maybe = []merge.Strategy{{Kind: merge.Min}}
		}
		return o
	case rises && namesHigh(name):
		return opinion{strategy: merge.Strategy{Kind: merge.Max}, why: fmt.Sprintf("A number that only rises (%s), and whose name says that the greatest counts.", way)}
	case falls && namesLow(name):
		return opinion{strategy: merge.Strategy{Kind: merge.Min}, why: fmt.Sprintf("A number that only falls (of %s %s), and whose name says that the least counts.", plural(compared, "change"), count(s.fell))}
	case nearly(s.whole, compared) && nearly(s.small, compared) && (rises || namesStock(name)):
		return e.ofCounter(name, way)
	case rises:
		return opinion{why: fmt.Sprintf("A number that only rises (%s): a counter (sum), or the greatest counts (max)?", way), maybe: []merge.Strategy{{Kind: merge.Sum}, {Kind: merge.Max}}}
	case falls:
		return opinion{why: fmt.Sprintf("A number that only falls (of %s %s): a counter (sum), or the least counts (min)?", plural(compared, "change"), count(s.fell)), maybe: []merge.Strategy{{Kind: merge.Sum}, {Kind: merge.Min}}}
	}
	return opinion{why: fmt.Sprintf("A number that rises and falls (%s).", way)}
}

func (e *evidence) ofCounter(name, way string) opinion {
	sum := merge.Strategy{Kind: merge.Sum}
	if !namesCounter(name) && !namesStock(name) {
		return opinion{
			why:   fmt.Sprintf("A whole number that only rises, in small steps (%s): a counter, whose steps add up (sum), or a level, of which the greatest counts (max)? Its name does not say.", way),
			maybe: []merge.Strategy{sum, {Kind: merge.Max}},
		}
	}
	why := fmt.Sprintf("A counter: %s by a whole number, each step at most %d.", way, smallStep)
	if namesStock(name) {
		why = fmt.Sprintf("A counter by its name, that may go down: %s; nearly each step is a whole number of at most %d.", way, smallStep)
	}
	if e.alike > 0 {
		why += fmt.Sprintf(" In %s both sides made the same step: without sum it would count once.", plural(e.alike, "conflict"))
	}
	return opinion{strategy: sum, why: why + " sum needs the base: without one a person looks."}
}

func (e *evidence) ofMoments(name string, rises, falls bool, way string) opinion {
	s := e.scale
	what := "A moment"
	if s.dates > s.moments {
		what = "A date"
	}
	known := s.dates <= s.moments // that it was set again says that it is a stamp
	switch {
	case s.rose+s.fell == 0 && e.added > 0:
		return opinion{why: what + " that was not there before."}
	case s.rose+s.fell == 0 && (known || namesHigh(name)):
		return opinion{why: what + ". No change with a base shows its way.", maybe: []merge.Strategy{e.extreme(merge.Max)}}
	case s.rose+s.fell == 0:
		return opinion{why: what + ". No change with a base shows its way."}
	case rises && (known || namesHigh(name)):
		return opinion{strategy: e.extreme(merge.Max), why: fmt.Sprintf("%s that only rises: %s. The latest stands, also one of a device whose clock is wrong.", what, way)}
	case falls && namesLow(name) && s.layout.sortable():
		return opinion{strategy: e.extreme(merge.Min), why: fmt.Sprintf("%s that only falls: of %s %s did.", what, plural(s.rose+s.fell, "change"), count(s.fell))}
	case rises:
		return opinion{why: fmt.Sprintf("%s that only rises (%s): does the latest count, or what was meant?", what, way), maybe: []merge.Strategy{e.extreme(merge.Max)}}
	case falls && s.layout.sortable():
		return opinion{why: fmt.Sprintf("%s that only falls: does the earliest count, or what was meant?", what), maybe: []merge.Strategy{e.extreme(merge.Min)}}
	}
	return opinion{why: fmt.Sprintf("%s that rises and falls: %s.", what, way)}
}

// itself stands for the path of a place in the strategy that is proposed for
// it.
var itself = merge.Path{""}

// extreme is max or min; where moments are written in several ways, so that
// their bytes are not in their order, the latest by the value itself.
func (e *evidence) extreme(kind merge.StrategyKind) merge.Strategy {
	if kind == merge.Max && !e.scale.layout.sortable() {
		return merge.Strategy{Kind: merge.Latest, Beside: itself}
	}
	return merge.Strategy{Kind: kind}
}

func (e *evidence) ofText(o opinion) opinion {
	byLine := merge.Strategy{Kind: merge.Text}
	switch several := e.lines*2 >= e.kinds[text]; {
	case o.why != "":
		return o
	case several && e.tried == 0:
		return opinion{strategy: byLine, why: "Text of several lines."}
	case several && e.mergeable*2 < e.tried:
		return opinion{why: fmt.Sprintf("Text of several lines, mostly the same ones changed on both sides: text would merge %s.", of(e.mergeable, e.tried, "contest")), maybe: []merge.Strategy{byLine}}
	case several:
		return opinion{
			strategy: byLine,
			why:      fmt.Sprintf("Text of several lines: in %s the sides changed different ones. Where they changed the same, and without a base, a person looks.", of(e.mergeable, e.tried, "contest")),
		}
	case e.few():
		return opinion{why: fmt.Sprintf("One of %s: nothing in the document says which is right.", plural(len(e.words), "different text"))}
	}
	return opinion{why: "Text of one line: nothing in the document says which is right."}
}

// count writes a number with commas: 1,640.
func count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// plural counts things: "1 conflict", "1,640 conflicts".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// of writes how many of how many: "3 of 4 changes".
func of(n, all int, thing string) string {
	return count(n) + " of " + plural(all, thing)
}
