package collision

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// those returns the versions for which means holds. One whose body is not known
// can't be told from the rest by it.
func (a *assigner) those(means func(Version) bool) []bool {
	set := make([]bool, len(a.plan.Versions))
	for i, v := range a.plan.Versions {
		set[i] = len(v.Body) == 0 || means(v)
	}
	return set
}

// byRule asks the rules of the document that refers and of the versions what an
// id at this place means. They must agree.
func (a *assigner) byRule(f Found) *sign {
	if a.rules == nil {
		return nil
	}
	rules := []*merge.Rule{a.rules(f.DB, f.Doc, jsondoc.Value(f.Body))}
	for _, v := range a.plan.Versions {
		if len(v.Body) > 0 {
			rules = append(rules, a.rules(a.plan.DB, a.plan.ID, jsondoc.Value(v.Body)))
		}
	}
	var all *sign
	for i, rule := range rules {
		if rule == nil || slices.Contains(rules[:i], rule) {
			continue
		}
		target := targetOf(rule, f.Place)
		if target == nil {
			continue
		}
		set := a.those(func(v Version) bool { return target.Match(a.plan.ID, jsondoc.Value(v.Body)) })
		says := fmt.Sprintf("rule %s says that %s names %s", rule.Name, target.At, target.Means)
		if all == nil {
			all = &sign{set, weightRule, says}
			continue
		}
		for i := range set {
			all.means[i] = all.means[i] && set[i]
		}
		all.says += "; " + says
	}
	return all
}

// targetOf returns what a rule says of a place, with elements of arrays by
// their index, or else without them: "seen" speaks of "seen.0", too.
func targetOf(rule *merge.Rule, place Place) *merge.Target {
	var whole, plain merge.Path
	for _, s := range place {
		whole = append(whole, s.String())
		if !s.Element {
			plain = append(plain, s.Name)
		}
	}
	if t := rule.TargetAt(whole); t != nil {
		return t
	}
	return rule.TargetAt(plain)
}

// A census of manySampled ids tells for sure, of fewSampled hardly anything.
const (
	manySampled = 10
	fewSampled  = 3
)

// byCensus looks at what the ids at this place name in other documents.
func (a *assigner) byCensus(f Found) *sign {
	if !f.countable() {
		return nil
	}
	spot := f.spot()
	types := a.census[spot]
	total := 0
	for _, n := range types {
		total += n
	}
	if total < fewSampled {
		return nil
	}
	set := a.those(func(v Version) bool { return v.Type == "" || types[v.Type]*10 >= total })
	known, named := 0, map[string]bool{}
	for i, v := range a.plan.Versions {
		if set[i] && v.Type != "" {
			named[v.Type] = true
		}
	}
	for t := range named {
		known += types[t]
	}
	if known*10 < total*9 {
		return nil
	}
	weight := weightSome
	if total >= manySampled && known*20 >= total*19 {
		weight = weightSure
	}
	at := spot.At
	if spot.Type != "" {
		at += " of " + spot.Type
	}
	return &sign{set, weight, fmt.Sprintf("at %s in other documents %d of %d ids name a %s", at, known, total, orNames(named))}
}

func orNames(names map[string]bool) string {
	var all []string
	for n := range names {
		all = append(all, n)
	}
	slices.Sort(all)
	return strings.Join(all, " or a ")
}

// idNames are the members in which an object keeps the id of what it describes.
var idNames = []string{"_id", "id", "uuid", "_uuid", "doc_id", "docId"}

// idEnds are how members end that name another document, as patient_id does.
var idEnds = []string{"_uuid", "_id", "Uuid", "UUID", "Id", "ID"}

// byNeighbours compares what stands beside a reference, and describes the same
// thing, with the versions: name and phone in {"_id": …, "name": …, "phone": …},
// patient_name beside patient_id.
func (a *assigner) byNeighbours(f Found) *sign {
	beside := neighbours(f)
	var set []bool
	var equal []string
	for _, m := range beside {
		if !telling(m.Value) {
			continue
		}
		has := make([]bool, len(a.plan.Versions))
		for i, v := range a.plan.Versions {
			has[i] = len(v.Body) > 0 && jsondoc.Equal(jsondoc.Value(v.Body).Get(m.Name), m.Value)
		}
		if n := count(has); n == 0 || n == len(has) {
			continue
		}
		for i := range has {
			has[i] = has[i] && (set == nil || set[i])
		}
		set, equal = has, append(equal, m.Name)
	}
	if set == nil || count(set) == 0 {
		return nil
	}
	weight := weightSome
	if len(equal) > 1 {
		weight = weightSure
	}
	return &sign{set, weight, fmt.Sprintf("beside it stands the %s of %s", strings.Join(equal, ", "), a.list(set))}
}

// telling reports whether a value is one that few documents share: not null, no
// flag, no single digit or letter, nothing empty.
func telling(v jsondoc.Value) bool {
	switch v.Kind() {
	case '0':
		return len(v) > 1
	case '"':
		return len(v) > 3
	case '{', '[':
		return len(v) > 2
	}
	return false
}

// neighbours returns the members that describe what a reference names, by the
// names that they have in the document itself.
func neighbours(f Found) []jsondoc.Member {
	last := f.Place[len(f.Place)-1]
	if last.Element || len(f.Place) == 1 && slices.Contains(idNames, last.Name) {
		return nil
	}
	holder := at(jsondoc.Value(f.Body), f.Place[:len(f.Place)-1])
	if f.Kind == Key {
		return holder.Get(last.Name).Members()
	}
	if slices.Contains(idNames, last.Name) {
		return slices.DeleteFunc(holder.Members(), func(m jsondoc.Member) bool { return m.Name == last.Name })
	}
	var beside []jsondoc.Member
	stem, ok := stemOf(last.Name)
	if !ok {
		return nil
	}
	for _, m := range holder.Members() {
		rest, found := strings.CutPrefix(m.Name, stem)
		switch {
		case !found || m.Name == last.Name:
		case rest == "":
			beside = append(beside, m.Value.Members()...)
		case strings.HasPrefix(rest, "_"):
			beside = append(beside, jsondoc.Member{Name: rest[1:], Value: m.Value})
		case rest[0] >= 'A' && rest[0] <= 'Z':
			beside = append(beside, jsondoc.Member{Name: strings.ToLower(rest[:1]) + rest[1:], Value: m.Value})
		}
	}
	return beside
}

// stemOf cuts off what says that a member holds an id: patient of patient_id.
func stemOf(name string) (string, bool) {
	for _, end := range idEnds {
		if stem, ok := strings.CutSuffix(name, end); ok && stem != "" {
			return stem, true
		}
	}
	return "", false
}

// at follows a place down; nil where it leads nowhere.
func at(v jsondoc.Value, place Place) jsondoc.Value {
	for _, s := range place {
		if !s.Element {
			v = v.Get(s.Name)
			continue
		}
		elements := v.Elements()
		if s.Index >= len(elements) {
			return nil
		}
		v = elements[s.Index]
	}
	return v
}

// byOwner judges what a version says of its own id: a field such as id repeats
// it, and nothing is its own parent.
func (a *assigner) byOwner(f Found) *sign {
	owner := slices.IndexFunc(a.plan.Versions, func(v Version) bool { return v.NewID == f.Doc })
	if !f.Self || owner < 0 || f.DB != a.plan.DB {
		return nil
	}
	name := a.plan.Versions[owner].Name
	set := make([]bool, len(a.plan.Versions))
	if len(f.Place) == 1 && slices.Contains(idNames, f.Place[0].Name) {
		set[owner] = true
		return &sign{set, weightSure, fmt.Sprintf("%s repeats its own id there", name)}
	}
	if slices.ContainsFunc(f.Place, func(s Step) bool { return strings.Contains(strings.ToLower(s.Name), "parent") }) {
		for i := range set {
			set[i] = i != owner
		}
		return &sign{set, weightSome, fmt.Sprintf("%s is not its own parent", name)}
	}
	return nil
}

// clockSkew is how far apart the clocks of two phones are taken to be at most.
const clockSkew = 24 * time.Hour

// byTime leaves out the versions that were created after the document that
// refers: it is a hint and no more, since documents are edited.
func (a *assigner) byTime(f Found) *sign {
	created := func(id string, body jsondoc.Value) (time.Time, bool) {
		var rule *merge.Rule
		if a.rules != nil {
			rule = a.rules(f.DB, id, body)
		}
		return decide.CreatedAt(rule, body)
	}
	when, ok := created(f.Doc, jsondoc.Value(f.Body))
	if !ok {
		return nil
	}
	var later []string
	set := a.those(func(v Version) bool {
		made, ok := created(a.plan.ID, jsondoc.Value(v.Body))
		if ok && made.Sub(when) > clockSkew {
			later = append(later, v.Name)
			return false
		}
		return true
	})
	if len(later) == 0 || len(later) == len(set) {
		return nil
	}
	return &sign{set, weightHint, fmt.Sprintf("it is older than %s", strings.Join(later, ", "))}
}

// standsAt returns the string or name at which a reference stands.
func standsAt(f Found) string {
	switch {
	case f.Kind == DocID:
		return f.Doc
	case f.Kind == Key:
		return f.Place[len(f.Place)-1].Name
	case f.Part:
		return at(jsondoc.Value(f.Body), f.Place).Text()
	}
	return f.ID
}

// replaceWord puts another id in place of one in a longer string, wherever it
// is a word of its own.
func replaceWord(text, id, with string) string {
	var b strings.Builder
	from := 0
	for {
		i := strings.Index(text[from:], id)
		if i < 0 || id == "" {
			return b.String() + text[from:]
		}
		begin, end := from+i, from+i+len(id)
		b.WriteString(text[from:begin])
		if isEdge([]byte(text), begin) && isEdge([]byte(text), end) {
			b.WriteString(with)
		} else {
			b.WriteString(id)
		}
		from = end
	}
}
