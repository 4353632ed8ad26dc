package merge

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"pgregory.net/rapid"
)

// joins are the strategies that need no base. Merging with them must be
// associative, commutative and idempotent, byte for byte: then any number of
// sites come to one document, whoever merges first.
var joins = []struct {
	rule string
	body func(t *rapid.T) string
}{
	{"v=union", func(t *rapid.T) string {
		return fmt.Sprintf(`{"v":[%s]}`, strings.Join(rapid.SliceOfN(rapid.SampledFrom(scalars), 0, 4).Draw(t, "set"), ","))
	}},
	{"v=max", func(t *rapid.T) string { return fmt.Sprintf(`{"v":%s}`, rapid.SampledFrom(numbers).Draw(t, "number")) }},
	{"v=min", func(t *rapid.T) string { return fmt.Sprintf(`{"v":%s}`, rapid.SampledFrom(numbers).Draw(t, "number")) }},
	{"v=max", func(t *rapid.T) string { return fmt.Sprintf(`{"v":%s}`, rapid.SampledFrom(texts).Draw(t, "text")) }},
	{"v=latest:at", func(t *rapid.T) string {
		return fmt.Sprintf(`{"v":%s,"at":%s}`, rapid.SampledFrom(scalars).Draw(t, "value"), rapid.SampledFrom(numbers).Draw(t, "clock"))
	}},
	{"v=latest:at", func(t *rapid.T) string {
		return fmt.Sprintf(`{"v":%s,"at":%s}`, rapid.SampledFrom(scalars).Draw(t, "value"), rapid.SampledFrom(times).Draw(t, "clock"))
	}},
}

var (
	numbers = []string{"1", "1.0", "2", "-3", "0.1", "12345678901234567891", "12345678901234567000", "12345678901234567892", "9007199254740993", "9007199254740992"}
	texts   = []string{`"a"`, `"b"`, `""`, `"é"`, `"ab"`}
	times   = []string{`"2026-01-01T10:00:00+02:00"`, `"2026-01-01T08:00:00Z"`, `"2026-01-01T08:30:00.5Z"`, `"2026-01-01T09"`, `"yesterday"`}
	scalars = slices.Concat(numbers, texts, []string{"null", "true", `{"k":1,"j":[]}`, "[1]"})
)

func TestJoinsAreAssociativeCommutativeIdempotent(t *testing.T) {
	for i, join := range joins {
		t.Run(fmt.Sprint(i, " ", join.rule), func(t *testing.T) {
			rule := ruleFrom(join.rule)
			merged := func(leaves ...string) string { return told(mergeOf(rule, "", leaves...)) }
			rapid.Check(t, func(t *rapid.T) {
				a, b, c := join.body(t), join.body(t), join.body(t)
				if got := merged(a, b); got != merged(b, a) {
					t.Fatalf("%s and %s: %s in one order, %s in the other", a, b, got, merged(b, a))
				}
				if got := merged(a, a); got != a {
					t.Fatalf("%s with itself: %s", a, got)
				}
				ab, bc := merged(a, b), merged(b, c)
				if left, right := merged(ab, c), merged(a, bc); left != right {
					t.Fatalf("(%s · %s) · %s is %s, the other way %s", a, b, c, left, right)
				}
				if got := merged(ab, b); got != ab {
					t.Fatalf("%s with %s, which it contains: %s", ab, b, got)
				}
				if together := merged(a, b, c); together != merged(ab, c) {
					t.Fatalf("three at once are %s, one after the other %s", together, merged(ab, c))
				}
			})
		})
	}
}

func TestSumIsExactWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom(numbers).Draw(t, "base")
		want, _ := jsondoc.Number(jsondoc.Value(base))
		start := new(big.Rat).Set(want)
		var leaves []string
		for range rapid.IntRange(2, 5).Draw(t, "leaves") {
			change := big.NewRat(rapid.Int64Range(-1e15, 1e15).Draw(t, "change"), 1000)
			want = new(big.Rat).Add(want, change)
			float := !change.IsInt() || strings.Contains(base, ".")
			leaves = append(leaves, fmt.Sprintf(`{"n":%s}`, jsondoc.FromNumber(new(big.Rat).Add(start, change), float)))
		}
		rule := ruleFrom("n=sum")
		for range 2 {
			r, refusal := mergeOf(rule, fmt.Sprintf(`{"n":%s}`, base), leaves...)
			if refusal != nil {
				t.Fatal(refusal)
			}
			if got, _ := jsondoc.Number(r.Body.Get("n")); got.Cmp(want) != 0 {
				t.Fatalf("%s + %v = %s, want %s", base, leaves, r.Body, want.RatString())
			}
			slices.Reverse(leaves)
		}
	})
}

// drawBody draws a document of a few fields, some of them objects.
func drawBody(t *rapid.T, depth int) jsondoc.Value {
	var members []jsondoc.Member
	for _, name := range []string{"c", "a", "b", "e", "d"} {
		switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
		case kind == 0:
		case kind == 1 && depth > 0:
			members = append(members, jsondoc.Member{Name: name, Value: drawBody(t, depth-1)})
		default:
			members = append(members, jsondoc.Member{Name: name, Value: jsondoc.Value(rapid.SampledFrom(scalars).Draw(t, "value"))})
		}
	}
	return jsondoc.Object(members)
}

func TestWhatNobodyTouchedIsWrittenBackAsItWasRead(t *testing.T) {
	for _, rule := range []string{"", "**=winner", "**=max", "a=union", "**=latest"} {
		rapid.Check(t, func(t *rapid.T) {
			base, a, b := drawBody(t, 2), drawBody(t, 2), drawBody(t, 2)
			r, refusal := mergeOf(ruleFrom(rule), string(base), string(a), string(b))
			if refusal != nil {
				return
			}
			var check func(path []string, base, a, b jsondoc.Value)
			check = func(path []string, base, a, b jsondoc.Value) {
				for _, m := range base.Members() {
					inA, inB, at := a.Get(m.Name), b.Get(m.Name), append(slices.Clone(path), m.Name)
					switch {
					case string(m.Value) == string(inA) && string(m.Value) == string(inB):
						if got := r.Body.At(at...); string(got) != string(m.Value) {
							t.Fatalf("%v was %s, became %s", at, m.Value, got)
						}
					case m.Value.Kind() == '{' && inA.Kind() == '{' && inB.Kind() == '{':
						check(at, m.Value, inA, inB)
					}
				}
			}
			check(nil, base, a, b)
		})
	}
}

func TestASideThatChangedNothingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := drawBody(t, 2)
		a := jsondoc.Restored(base, drawBody(t, 2))
		if got := told(mergeOf(&Rule{}, string(base), string(a), string(base))); !jsondoc.Equal(jsondoc.Value(got), a) {
			t.Fatalf("base %s, changed to %s: %s", base, a, got)
		}
		if got := told(mergeOf(&Rule{}, string(base), string(base), string(a))); !jsondoc.Equal(jsondoc.Value(got), a) {
			t.Fatalf("base %s, changed to %s by the loser: %s", base, a, got)
		}
	})
}

func TestAClientThatRoundsNumbersChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, a := drawBody(t, 2), drawBody(t, 2)
		var rounded any
		if err := json.Unmarshal(base, &rounded); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(rounded)
		r, refusal := mergeOf(&Rule{}, string(base), string(text), string(base))
		if refusal != nil || !jsondoc.Equal(r.Body, base) {
			t.Fatalf("%s, rounded to %s, became %s (%v)", base, text, r.Body, refusal)
		}
		_, plain := mergeOf(&Rule{}, string(base), string(base), string(a))
		_, beside := mergeOf(&Rule{}, string(base), string(text), string(a))
		if (plain == nil) != (beside == nil) {
			t.Fatalf("%s beside %s, rounded to %s: %v, else %v", base, a, text, beside, plain)
		}
	})
}

func TestOneMergeIsTheSameBytesAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := ruleFrom("a=union b=max c=sum d=latest:e **=winner")
		base, a, b, c := string(drawBody(t, 1)), string(drawBody(t, 1)), string(drawBody(t, 1)), string(drawBody(t, 1))
		r, refusal := mergeOf(rule, base, a, b, c)
		again, refusedAgain := mergeOf(rule, base, a, b, c)
		if fmt.Sprint(r, refusal) != fmt.Sprint(again, refusedAgain) {
			t.Fatalf("%v %v, then %v %v", r, refusal, again, refusedAgain)
		}
		for _, o := range r.Fields {
			if slices.ContainsFunc(o.From, func(r couchmend.Rev) bool { return r == baseRev }) {
				t.Fatalf("%s came from the base: %v", o.Path, o)
			}
		}
	})
}
