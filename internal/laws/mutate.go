package laws

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// editor changes documents as users would, each field as its strategy expects:
// sets grow, counters count, clocks are counted up with what they speak for.
type editor struct {
	rnd  *rand.Rand
	rule *merge.Rule
	full jsondoc.Value // a document with every field: where fields are added from
}

func (e *editor) chance(p float64) bool { return e.rnd.Float64() < p }

// leaf is a document after a user's edit: one to three fields are other, and
// the clocks that speak for them. actor names the user's device.
func (e *editor) leaf(base jsondoc.Value, actor int) jsondoc.Value {
	places := e.places(nil, base, e.full)
	if len(places) == 0 {
		return base
	}
	now := base
	for range 1 + e.rnd.IntN(3) {
		path := places[e.rnd.IntN(len(places))]
		changed := set(now, path, e.value(path, now.At(path...)))
		if jsondoc.Equal(changed, now) {
			continue
		}
		now = changed
		if s, _ := e.rule.StrategyAt(path); s.Kind == merge.Latest && len(s.Beside) > 0 {
			clock := base.At(s.Beside...)
			if !jsondoc.Equal(now.At(path...), base.At(path...)) {
				clock = e.ticked(now.At(s.Beside...), clock)
			}
			now = set(now, s.Beside, clock)
		}
	}
	if soft := e.rule.SoftDelete; soft != nil && e.chance(0.15) {
		now = set(now, soft.Field, jsondoc.Value("true"))
	}
	if !jsondoc.Equal(now, base) {
		now = e.clocked(now, base, actor)
	}
	return now
}

// clocked counts the document's clock up.
func (e *editor) clocked(now, base jsondoc.Value, actor int) jsondoc.Value {
	clock := e.rule.Clock
	switch clock.Kind {
	case merge.NoClock:
		return now
	case merge.Vector:
		mine := append(slices.Clone(clock.Path), fmt.Sprint("device-", actor))
		return set(now, mine, counted(base.At(mine...), 1))
	}
	return set(now, clock.Path, e.ticked(now.At(clock.Path...), base.At(clock.Path...)))
}

// ticked is a later reading of a clock: a number, or an instant.
func (e *editor) ticked(now, base jsondoc.Value) jsondoc.Value {
	if at, err := time.Parse(time.RFC3339, base.Text()); err == nil && base.Kind() == '"' {
		return jsondoc.String(at.Add(time.Duration(1+e.rnd.IntN(90)) * time.Minute).UTC().Format(time.RFC3339))
	}
	if base.Kind() == '0' || base == nil && (now == nil || now.Kind() == '0') {
		return counted(base, 1+e.rnd.IntN(6))
	}
	if base.Kind() == '"' || now.Kind() == '"' { // text that is no instant sorts by its bytes
		return jsondoc.String(base.Text() + string(rune('a'+e.rnd.IntN(26))))
	}
	return now
}

func counted(v jsondoc.Value, by int) jsondoc.Value {
	n, ok := jsondoc.Number(v)
	if !ok {
		n = new(big.Rat)
	}
	return jsondoc.FromNumber(new(big.Rat).Add(n, big.NewRat(int64(by), 1)), jsondoc.IsFloat(v))
}

// places are where a document may be edited: the values that merge meets, in it
// or in the full one; clocks are not, they follow.
func (e *editor) places(path merge.Path, v, full jsondoc.Value) []merge.Path {
	var all []merge.Path
	for _, name := range memberNames(v, full) {
		at := append(slices.Clone(path), name)
		_, opens := e.rule.StrategyAt(at)
		here := v.Get(name)
		if here == nil {
			here = full.Get(name)
		}
		switch {
		case e.isClock(at):
		case opens && here.Kind() == '{' && len(here.Members()) > 0:
			all = append(all, e.places(at, v.Get(name), full.Get(name))...)
		default:
			all = append(all, at)
		}
	}
	return all
}

func (e *editor) isClock(path merge.Path) bool {
	if e.rule.Clock.Kind != merge.NoClock && slices.Equal(e.rule.Clock.Path, path) {
		return true
	}
	return slices.ContainsFunc(e.rule.Fields, func(f merge.Field) bool {
		return f.Strategy.Kind == merge.Latest && slices.Equal(f.Strategy.Beside, path)
	})
}

// value is another value for a place.
func (e *editor) value(path merge.Path, v jsondoc.Value) jsondoc.Value {
	s, _ := e.rule.StrategyAt(path)
	if v == nil {
		return e.added(path)
	}
	if s.Kind != merge.Union && e.chance(0.04) {
		return nil
	}
	switch v.Kind() {
	case '0':
		return e.number(v)
	case '"':
		return e.text(v.Text(), s.Kind == merge.Text)
	case 't':
		return jsondoc.Value("false")
	case 'f':
		return jsondoc.Value("true")
	case '[':
		return e.array(path, v, s)
	case '{':
		return e.member(path, v)
	}
	return jsondoc.String(words[e.rnd.IntN(len(words))])
}

// added brings a field back that the document lacks.
func (e *editor) added(path merge.Path) jsondoc.Value {
	v := e.full.At(path...)
	if v == nil || e.chance(0.5) {
		return v
	}
	return e.value(path, v)
}

func (e *editor) number(v jsondoc.Value) jsondoc.Value {
	by := 1 + e.rnd.IntN(9)
	if e.chance(0.25) {
		by = -by
	}
	return counted(v, by)
}

var words = []string{"ada", "bo", "cy", "di", "eve", "flo"}

// text is another text: of several lines one is other, an instant is another
// instant, all else another word.
func (e *editor) text(was string, lines bool) jsondoc.Value {
	if at, err := time.Parse(time.RFC3339, was); err == nil {
		return jsondoc.String(at.Add(time.Duration(e.rnd.IntN(200)-60) * time.Minute).UTC().Format(time.RFC3339))
	}
	if at, err := time.Parse(time.DateOnly, was); err == nil {
		return jsondoc.String(at.AddDate(0, 0, e.rnd.IntN(20)-6).Format(time.DateOnly))
	}
	word := words[e.rnd.IntN(len(words))]
	if !lines && !strings.Contains(was, "\n") {
		return jsondoc.String(word)
	}
	all := slices.Collect(strings.Lines(was))
	at := e.rnd.IntN(len(all) + 1)
	if at < len(all) && e.chance(0.6) {
		all[at] = word + "\n"
	} else {
		all = slices.Insert(all, at, word+"\n")
	}
	return jsondoc.String(strings.Join(all, ""))
}

// array is another array: mostly with one more element, or with one that is
// other; sometimes with one less.
func (e *editor) array(path merge.Path, v jsondoc.Value, s merge.Strategy) jsondoc.Value {
	elements := v.Elements()
	removes := s.Kind != merge.Union && (s.Kind != merge.Append && e.chance(0.2) || e.chance(0.03)) // sets only grow
	switch {
	case len(elements) > 0 && removes:
		i := e.rnd.IntN(len(elements))
		return jsondoc.Array(slices.Delete(elements, i, i+1))
	case len(elements) > 0 && s.Kind == merge.ByKey && e.chance(0.6):
		i := e.rnd.IntN(len(elements))
		elements[i] = e.keyed(path, elements[i], s.Key)
		return jsondoc.Array(elements)
	}
	model := jsondoc.Value(`"a"`)
	if len(elements) > 0 {
		model = elements[e.rnd.IntN(len(elements))]
	} else if full := e.full.At(path...).Elements(); len(full) > 0 {
		model = full[0]
	} else if s.Kind == merge.ByKey {
		model = jsondoc.Object([]jsondoc.Member{{Name: s.Key, Value: jsondoc.Value(`"a"`)}, {Name: "v", Value: jsondoc.Value("1")}})
	}
	fresh := e.element(path, model, s.Key)
	same := func(old jsondoc.Value) bool {
		return s.Kind == merge.ByKey && jsondoc.Equal(old.Get(s.Key), fresh.Get(s.Key))
	}
	if slices.ContainsFunc(elements, same) {
		return v
	}
	return jsondoc.Array(append(elements, fresh))
}

// element is a new element that looks like another one.
func (e *editor) element(path merge.Path, model jsondoc.Value, key string) jsondoc.Value {
	switch model.Kind() {
	case '{':
		if key == "" {
			return e.member(append(slices.Clone(path), "*"), model)
		}
		return set(e.keyed(path, model, key), merge.Path{key}, e.scalar(model.Get(key)))
	case '[':
		return model
	}
	return e.scalar(model)
}

// scalar is another number or word, from few enough that two users may well
// choose the same.
func (e *editor) scalar(like jsondoc.Value) jsondoc.Value {
	if like.Kind() == '0' {
		return jsondoc.Value(fmt.Sprint(e.rnd.IntN(20)))
	}
	return jsondoc.String(words[e.rnd.IntN(len(words))])
}

// keyed changes a member of an array's element, its key apart.
func (e *editor) keyed(path merge.Path, v jsondoc.Value, key string) jsondoc.Value {
	names := slices.DeleteFunc(memberNames(v), func(name string) bool { return name == key })
	if len(names) == 0 {
		return v
	}
	name := names[e.rnd.IntN(len(names))]
	id := v.Get(key).Text()
	if id == "" {
		id = string(v.Get(key))
	}
	at := append(slices.Clone(path), id, name)
	return set(v, merge.Path{name}, e.value(at, v.Get(name)))
}

// member changes one member of an object that is one value.
func (e *editor) member(path merge.Path, v jsondoc.Value) jsondoc.Value {
	names := memberNames(v)
	if len(names) == 0 {
		return set(v, merge.Path{"v"}, e.scalar(jsondoc.Value("1")))
	}
	name := names[e.rnd.IntN(len(names))]
	return set(v, merge.Path{name}, e.value(append(slices.Clone(path), name), v.Get(name)))
}

// set returns a document with another value at a path; nil removes it. Objects
// on the way are made where they are missing.
func set(doc jsondoc.Value, path merge.Path, v jsondoc.Value) jsondoc.Value {
	if len(path) == 0 {
		return v
	}
	members := doc.Members()
	i := slices.IndexFunc(members, func(m jsondoc.Member) bool { return m.Name == path[0] })
	var below jsondoc.Value
	if i >= 0 {
		below = members[i].Value
	}
	if len(path) > 1 && below.Kind() != '{' && v == nil {
		return doc
	}
	if v = set(below, path[1:], v); v == nil {
		if i >= 0 {
			members = slices.Delete(members, i, i+1)
		}
		return jsondoc.Object(members)
	}
	if i >= 0 {
		members[i].Value = v
	} else {
		members = append(members, jsondoc.Member{Name: path[0], Value: v})
	}
	return jsondoc.Object(members)
}
