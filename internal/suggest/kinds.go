package suggest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// idPrefix stands for the beginning of a document's id among fields that may
// say what kind a document is.
const idPrefix = "_id"

const (
	// maxKinds is how many kinds of document are told apart; maxSubkinds, how
	// many within one kind.
	maxKinds    = 100
	maxSubkinds = 50
	// maxFields bounds the members that are tried for a kind, maxKindText the
	// bytes of a kind's name.
	maxFields   = 500
	maxKindText = 64
	maxPrefix   = 32
)

// kindNames are members that say what kind a document is, the surest first.
// Letters' case, dashes and underscores do not matter.
var kindNames = []string{
	"type", "doctype", "documenttype", "kind", "entity", "entitytype", "objecttype", "recordtype",
	"table", "collection", "model", "class", "schema", "resource", "resourcetype", "form", "category",
}

// subkindNames are members that may tell kinds apart once more, such as a
// report's form.
var subkindNames = []string{"form", "contact_type", "subtype", "sub_type", "category", "event_type", "template"}

// census counts, member by member, which values documents have in it. Its
// memory is bounded by maxFields and maxKinds.
type census struct {
	documents int
	members   map[string]*values
	prefixes  values // of ids
}

// values are the texts that documents have in one member.
type values struct {
	steady   int // documents of which all leaves have the same text
	unsteady int // documents whose leaves differ
	counts   map[string]int
	many     bool // more than maxKinds, or too long: no kind
}

func (v *values) add(text string) {
	v.steady++
	if v.many {
		return
	}
	if v.counts == nil {
		v.counts = map[string]int{}
	}
	v.counts[text]++
	if len(text) > maxKindText || len(v.counts) > maxKinds {
		v.many = true
	}
	if v.many {
		v.counts = nil
	}
}

func newCensus() *census { return &census{members: map[string]*values{}} }

// add counts one conflict.
func (n *census) add(c couchmend.Conflict) {
	if len(c.Leaves) == 0 {
		return
	}
	n.documents++
	if prefix := prefixOf(c.ID); prefix != "" {
		n.prefixes.add(prefix)
	}
	var others []map[string]jsondoc.Value
	for _, leaf := range c.Leaves[1:] {
		members := map[string]jsondoc.Value{}
		for _, m := range jsondoc.Value(leaf.Body).Members() {
			members[m.Name] = m.Value
		}
		others = append(others, members)
	}
	for _, m := range jsondoc.Value(c.Leaves[0].Body).Members() {
		if m.Value.Kind() == '"' && len(m.Value) > len(`""`) {
			n.member(m, !slices.ContainsFunc(others, func(o map[string]jsondoc.Value) bool { return !bytes.Equal(o[m.Name], m.Value) }))
		}
	}
}

// member counts what a document has in one member, and whether all its leaves
// have it alike.
func (n *census) member(m jsondoc.Member, steady bool) {
	v := n.members[m.Name]
	if v == nil {
		if len(n.members) == maxFields && !slices.Contains(kindNames, plainName(m.Name)) {
			return
		}
		v = &values{}
		n.members[m.Name] = v
	}
	if steady {
		v.add(m.Value.Text())
	} else {
		v.unsteady++
	}
}

// kindText is the text that the winner has in a member, and whether all other
// leaves have it too.
func kindText(c couchmend.Conflict, name string) (text string, steady bool) {
	text = jsondoc.Value(c.Leaves[0].Body).Get(name).Text()
	for _, leaf := range c.Leaves[1:] {
		if jsondoc.Value(leaf.Body).Get(name).Text() != text {
			return text, false
		}
	}
	return text, true
}

// prefixOf is the beginning of an id up to its first separator, such as
// "person:"; "" where it has none that begins like a word.
func prefixOf(id string) string {
	i := strings.IndexAny(id, ":/_-")
	if i < 1 || i > maxPrefix || strings.ContainsFunc(id[:i], func(r rune) bool { return !isWordRune(r) }) {
		return ""
	}
	return id[:i+1]
}

func isWordRune(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '.' }

func plainName(name string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
}

// best returns the member that says what kind documents are: the surest by its
// name, else one that at least is called a type or a kind, else the prefix of
// ids; "" where there is none.
func (n *census) best() string {
	for _, known := range kindNames {
		for _, name := range slices.Sorted(maps.Keys(n.members)) {
			if plainName(name) == known && n.members[name].tell(n.documents/2, mostly) {
				return name
			}
		}
	}
	most := n.documents - n.documents/20
	for _, name := range slices.Sorted(maps.Keys(n.members)) {
		plain := plainName(name)
		if (strings.Contains(plain, "type") || strings.Contains(plain, "kind")) && n.members[name].tell(most, nearly) {
			return name
		}
	}
	if n.prefixes.tell(most, nearly) {
		return idPrefix
	}
	return ""
}

// check refuses a member by which documents can't be told apart.
func (n *census) check(by string) error {
	v := n.members[by]
	if by == idPrefix {
		v = &n.prefixes
	}
	fault := ""
	switch {
	case n.documents == 0:
	case v == nil || v.steady == 0:
		fault = "no document in conflict has it as text, alike in all its leaves"
	case v.many:
		fault = fmt.Sprintf("it has more than %d values, or values of more than %d bytes", maxKinds, maxKindText)
	}
	if fault == "" {
		return nil
	}
	return &couchmend.Error{Op: "suggest", Kind: couchmend.KindUsage, Err: fmt.Errorf("%q does not tell kinds of documents apart: %s", by, fault)}
}

// tell reports whether values tell kinds apart: at least so many documents have
// one, their leaves agree in it as often as enough wants, and it is no name of
// each document's own.
func (v *values) tell(least int, enough func(n, of int) bool) bool {
	return !v.many && v.steady >= max(least, 1) && enough(v.steady, v.steady+v.unsteady) && len(v.counts) <= max(10, v.steady/3)
}

// kinder says of what kind a document is.
type kinder struct {
	by    string   // a member, idPrefix, or "": all are of one kind
	subs  []string // members that may divide kinds
	kinds map[string]bool
}

// kinder returns what divides the documents that were counted by a member.
// subs are tried in order to divide kinds further.
func (n *census) kinder(by string, subs []string) *kinder {
	k := &kinder{by: by, kinds: map[string]bool{}}
	for _, sub := range subs {
		if sub != by {
			k.subs = append(k.subs, sub)
		}
	}
	var counts map[string]int
	switch v := n.members[by]; {
	case by == idPrefix:
		counts = n.prefixes.counts
	case v != nil:
		counts = v.counts
	}
	kinds := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	for _, kind := range kinds[:min(len(kinds), maxKinds)] {
		k.kinds[kind] = true
	}
	return k
}

// subkind is what divides a kind: a member and its value; the zero subkind is
// documents without one.
type subkind struct{ field, value string }

// of returns a document's kind, and within it the member and value of its
// subkind, empty where it has none. ok is false where it is of no known kind,
// or its leaves are of several.
func (k *kinder) of(c couchmend.Conflict) (kind string, sub subkind, ok bool) {
	if len(c.Leaves) == 0 {
		return "", sub, false
	}
	steady := true
	switch k.by {
	case "":
	case idPrefix:
		kind = prefixOf(c.ID)
	default:
		kind, steady = kindText(c, k.by)
	}
	if !steady || k.by != "" && !k.kinds[kind] {
		return "", sub, false
	}
	for _, name := range k.subs {
		text, steady := kindText(c, name)
		if text != "" && len(text) <= maxKindText {
			if steady {
				sub = subkind{name, text}
			}
			break
		}
	}
	return kind, sub, true
}

// condition is what selects a kind.
func (k *kinder) condition(kind string) []Condition {
	if k.by == "" {
		return nil
	}
	return []Condition{{Field: k.by, Value: kind}}
}

// mostly reports whether n is most of so many: 9 of 10.
func mostly(n, of int) bool { return of > 0 && of-n <= of/10 }

// nearly reports whether n is nearly all of so many: 99 of 100.
func nearly(n, of int) bool { return of > 0 && of-n <= of/100 }
