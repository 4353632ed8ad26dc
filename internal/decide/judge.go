package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Verdict says what documents with different first revisions are.
type Verdict string

// The verdicts.
const (
	Collision    Verdict = "collision"     // two things that drew one id
	CreatedTwice Verdict = "created_twice" // one thing that was created twice
	Unclear      Verdict = "unclear"
)

// Sign is one piece of evidence of whether two documents are two things.
type Sign struct {
	Says   string  `json:"says"` // a sentence
	For    Verdict `json:"for"`  // Unclear: it is told for people's sake
	Weight int     `json:"weight"`
}

// Decisive is the weight of a sign that no others outweigh.
const Decisive = 100

// clear is by how much one verdict must outweigh the other.
const clear = 4

// Judgement is whether documents under one id are two things, by the signs.
type Judgement struct {
	Verdict Verdict `json:"verdict"`
	Signs   []Sign  `json:"signs"`
}

// Judged weighs signs. A decisive one, where there is one, decides.
func Judged(signs []Sign) Judgement {
	if said, ok := (Judgement{Signs: signs}).identified(); ok {
		return Judgement{said, signs}
	}
	two, one := 0, 0
	for _, s := range signs {
		switch s.For {
		case Collision:
			two += s.Weight
		case CreatedTwice:
			one += s.Weight
		}
	}
	j := Judgement{Verdict: Unclear, Signs: signs}
	switch {
	case two-one >= clear:
		j.Verdict = Collision
	case one-two >= clear:
		j.Verdict = CreatedTwice
	}
	return j
}

// Evidence is the judgement for people: its signs, and what they suggest.
func (j Judgement) Evidence() []string {
	var says []string
	for _, s := range j.Signs {
		says = append(says, s.Says)
	}
	return append(says, j.Suggestion())
}

// Suggestion says in a sentence what the verdict suggests doing.
func (j Judgement) Suggestion() string {
	switch j.Verdict {
	case Collision:
		return "these look like different things that drew one id: split them"
	case CreatedTwice:
		return "these look like one thing that was created twice: merge them"
	}
	return "nothing tells for sure whether these are different things or one that was created twice: look at them side by side"
}

// identified is what the rules' identity fields say; false where they say
// nothing.
func (j Judgement) identified() (Verdict, bool) {
	for _, s := range j.Signs {
		if s.Weight >= Decisive {
			return s.For, true
		}
	}
	return Unclear, false
}

// Side is one of the documents that share an id.
type Side struct {
	Rev  couchmend.Rev // the revision that shows it
	Rule *merge.Rule   // nil: none selects it
	Body jsondoc.Value
}

// Judge compares the documents that share an id; each with the first, so that
// thousands of them take no longer than they must (I11). It is pure: creation
// times are read from fields, not from a clock (I4).
func Judge(sides []Side) Judgement {
	var signs []Sign
	if len(sides) < 2 {
		return Judged(signs)
	}
	for _, look := range []func([]Side) *Sign{identity, kinds, names, values, times} {
		if sign := look(sides); sign != nil {
			signs = append(signs, *sign)
		}
	}
	return Judged(signs)
}

// identity compares the fields that say who a thing is.
func identity(sides []Side) *Sign {
	paths := identityPaths(sides[0].Rule)
	if len(paths) == 0 || slices.ContainsFunc(sides, func(s Side) bool { return !slices.Equal(identityPaths(s.Rule), paths) }) {
		return nil
	}
	list := strings.Join(paths, ", ")
	who := map[string]int{}
	for _, s := range sides {
		var values []jsondoc.Value
		for _, path := range s.Rule.Identity {
			v := s.Body.At(path...)
			if v.Kind() == 0 || v.Kind() == 'n' {
				return &Sign{fmt.Sprintf("%s has no %s, one of the fields that say who it is", s.Rev, path), Unclear, 0}
			}
			values = append(values, v)
		}
		who[string(jsondoc.Canonical(jsondoc.Array(values)))]++
	}
	switch len(who) {
	case 1:
		return &Sign{fmt.Sprintf("the fields that say who it is are equal: %s", list), CreatedTwice, Decisive}
	case len(sides):
		return &Sign{fmt.Sprintf("the fields that say who it is differ: %s", list), Collision, Decisive}
	}
	return &Sign{fmt.Sprintf("by the fields that say who it is (%s) they are %d things in %d versions", list, len(who), len(sides)), Unclear, Decisive}
}

func identityPaths(rule *merge.Rule) []string {
	if rule == nil {
		return nil
	}
	var paths []string
	for _, p := range rule.Identity {
		paths = append(paths, p.String())
	}
	return paths
}

// kinds compares the documents' types, or the rules that select them.
func kinds(sides []Side) *Sign {
	first := sides[0]
	for _, s := range sides[1:] {
		a, b := TypeOf(first.Body), TypeOf(s.Body)
		switch {
		case a != "" && b != "" && a != b:
			return &Sign{fmt.Sprintf("their types differ: %s is %q, %s is %q", first.Rev, a, s.Rev, b), Collision, 8}
		case s.Rule != first.Rule:
			return &Sign{fmt.Sprintf("%s selects rule %s, %s selects %s", first.Rev, name(first.Rule), s.Rev, name(s.Rule)), Collision, 6}
		}
	}
	return nil
}

// typeFields are the members by which databases tell kinds of documents apart,
// the more telling first.
var typeFields = []string{"contact_type", "type", "doc_type", "docType", "kind"}

// TypeOf returns the type that a document says it has, "" where it says none.
func TypeOf(body jsondoc.Value) string {
	found := map[string]string{}
	for _, m := range body.Members() {
		if slices.Contains(typeFields, m.Name) {
			found[m.Name] = m.Value.Text()
		}
	}
	for _, field := range typeFields {
		if found[field] != "" {
			return found[field]
		}
	}
	return ""
}

// names compares which fields the documents have.
func names(sides []Side) *Sign {
	first := memberMap(sides[0].Body)
	for _, s := range sides[1:] {
		other := memberMap(s.Body)
		shared := 0
		for name := range other {
			if first[name] != nil {
				shared++
			}
		}
		if all := len(first) + len(other) - shared; min(len(first), len(other)) > 1 && shared*4 <= all {
			return &Sign{fmt.Sprintf("%s and %s share %d of %d fields", sides[0].Rev, s.Rev, shared, all), Collision, 3}
		}
	}
	return nil
}

// values compares what stands in the fields that all documents have.
func values(sides []Side) *Sign {
	first := memberMap(sides[0].Body)
	least, of := -1, 0
	for _, s := range sides[1:] {
		equal, shared := 0, 0
		for name, v := range memberMap(s.Body) {
			if slices.Contains(typeFields, name) || first[name] == nil {
				continue
			}
			shared++
			if jsondoc.Equal(first[name], v) {
				equal++
			}
		}
		if least < 0 || equal*of < least*shared {
			least, of = equal, shared
		}
	}
	switch {
	case of < 2:
		return nil
	case least*2 >= of:
		return &Sign{fmt.Sprintf("%d of the %d fields that they share are equal", least, of), CreatedTwice, 3}
	case least == 0:
		return &Sign{fmt.Sprintf("none of the %d fields that they share is equal", of), Collision, 3}
	}
	return &Sign{fmt.Sprintf("%d of the %d fields that they share are equal", least, of), Unclear, 0}
}

func memberMap(body jsondoc.Value) map[string]jsondoc.Value {
	members := body.Members()
	m := make(map[string]jsondoc.Value, len(members))
	for _, member := range members {
		m[member.Name] = member.Value
	}
	return m
}

// Within near, two creations look like one that was tried twice; with more
// than far between them, they hardly do.
const (
	near = 5 * time.Minute
	far  = 24 * time.Hour
)

// times compares when the documents say that they were created.
func times(sides []Side) *Sign {
	var first, last time.Time
	for i, s := range sides {
		at, ok := CreatedAt(s.Rule, s.Body)
		if !ok {
			return nil
		}
		if i == 0 || at.Before(first) {
			first = at
		}
		if i == 0 || at.After(last) {
			last = at
		}
	}
	apart := last.Sub(first)
	switch {
	case apart <= near:
		return &Sign{fmt.Sprintf("they were created within %s", apart), CreatedTwice, 2}
	case apart > far:
		return &Sign{fmt.Sprintf("%d days lie between their creations", int(apart/(24*time.Hour))), Collision, 2}
	}
	return nil
}
