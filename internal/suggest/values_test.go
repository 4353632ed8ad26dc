package suggest_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/suggest"
	"pgregory.net/rapid"
)

// pairs makes conflicts of one kind whose bodies are base, a and b.
func pairs(n int, make func(i int) (base, a, b string)) iter.Seq[couchmend.Conflict] {
	return func(yield func(couchmend.Conflict) bool) {
		for i := range n {
			base, a, b := make(i)
			if !yield(conflict(i, base, a, b)) {
				return
			}
		}
	}
}

// conflict is a document that grew from base, which is gone where it is "",
// into two leaves.
func conflict(i int, base, a, b string) couchmend.Conflict {
	rev := func(gen int, digit string) couchmend.Rev {
		return couchmend.Rev{Gen: gen, Hash: strings.Repeat(digit, 32)}
	}
	root := rev(1, "0")
	leaf := func(digit, body string) couchmend.Revision {
		return couchmend.Revision{Rev: rev(2, digit), Path: []couchmend.Rev{rev(2, digit), root}, Body: json.RawMessage(body)}
	}
	c := couchmend.Conflict{DB: "medic", ID: fmt.Sprintf("doc-%04d", i), RevsLimit: 1000, Leaves: []couchmend.Revision{leaf("b", a), leaf("a", b)}}
	if base != "" {
		c.Bases = map[couchmend.Rev]couchmend.Revision{root: {Rev: root, Path: []couchmend.Rev{root}, Body: json.RawMessage(base)}}
	}
	return c
}

// one proposes for conflicts of one kind and returns the rule's lines.
func one(t *testing.T, n int, make func(i int) (base, a, b string)) []string {
	t.Helper()
	p := propose(t, pairs(n, make), suggest.Options{})
	all := read(t, p).Policies["medic"].Rules
	if len(all) == 0 {
		t.Fatalf("no rules\n%s", p.Text)
	}
	return lines(&all[0].Rule)
}

func TestOneValueDecidesWhatIsProposedForIt(t *testing.T) {
	type edit = func(i int) (base, a, b string)
	field := func(base, a, b string) edit {
		return func(i int) (string, string, string) {
			at := func(v string) string {
				if v == "" {
					return `{"type":"t"}`
				}
				return fmt.Sprintf(`{"type":"t","f":%s}`, strings.ReplaceAll(v, "N", fmt.Sprint(i)))
			}
			return at(base), at(a), at(b)
		}
	}
	named := func(name string, e edit) edit {
		return func(i int) (string, string, string) {
			base, a, b := e(i)
			as := func(s string) string { return strings.Replace(s, `"f":`, `"`+name+`":`, 1) }
			return as(base), as(a), as(b)
		}
	}
	for _, c := range []struct {
		what string
		edit edit
		want string
	}{
		{"a set of numbers", field(`[N]`, `[N,-1]`, `[-2,N]`), "f: union"},
		{"a set that was not there", field(``, `["a"]`, `["b"]`), "f: union"},
		{"a set that loses an element now and then", func(i int) (string, string, string) {
			if i%30 == 0 {
				return field(`[1,2]`, `[1]`, `[1,2,3]`)(i)
			}
			return field(`[1,2]`, `[1,2,4]`, `[1,2,3]`)(i)
		}, ""},
		{"a list with repetitions", field(`[1,1]`, `[1,1,2]`, `[1,1,1]`), "f: append"},
		{"objects with a key that are changed", field(`[{"id":"x","n":0},{"id":"y"}]`, `[{"id":"x","n":1},{"id":"y"}]`, `[{"id":"x","n":0},{"id":"y","m":N}]`), "f: by_key id"},
		{"objects whose key is not always there", func(i int) (string, string, string) {
			if i%10 == 0 {
				return field(`[{"n":0}]`, `[{"n":1}]`, `[{"n":2}]`)(i)
			}
			return field(`[{"id":1,"n":0}]`, `[{"id":1,"n":1}]`, `[{"id":1,"n":2}]`)(i)
		}, ""},
		{"a counter", named("visits", field(`3`, `4`, `5`)), "visits: sum"},
		{"a counter that both count up alike", named("visits", field(`3`, `4`, `4`)), "visits: sum"},
		{"a counter that is set back", named("visits", field(`9`, `0`, `10`)), ""},
		{"a stock", named("stock", field(`9`, `7`, `10`)), "stock: sum"},
		{"a level", named("level", field(`3`, `4`, `5`)), ""},
		{"a peak", named("peak_flow", field(`300`, `410.5`, `320`)), "peak_flow: max"},
		{"a lowest", named("lowest", field(`30`, `20`, `10`)), "lowest: min"},
		{"a moment", field(`"2026-01-01T00:00:00Z"`, `"2026-01-02T00:00:00Z"`, `"2026-01-03T00:00:00Z"`), "f: max"},
		{"a moment with offsets", field(`"2026-01-01T00:00:00+02:00"`, `"2026-01-02T00:00:00Z"`, `"2026-01-03T00:00:00+02:00"`), "f: latest f"},
		{"milliseconds", field(`1767254400000`, `1767254500000`, `1767254600000`), "f: max"},
		{"a moment that is moved", func(i int) (string, string, string) {
			if i%2 == 0 {
				return field(`"2026-01-05T00:00:00Z"`, `"2026-01-02T00:00:00Z"`, `"2026-01-03T00:00:00Z"`)(i)
			}
			return field(`"2026-01-01T00:00:00Z"`, `"2026-01-02T00:00:00Z"`, `"2026-01-03T00:00:00Z"`)(i)
		}, ""},
		{"a day that is only moved on", field(`"2026-01-01"`, `"2026-01-02"`, `"2026-01-03"`), ""},
		{"the last day", named("last_visit", field(`"2026-01-01"`, `"2026-01-02"`, `"2026-01-03"`)), "last_visit: max"},
		{"text in different lines", field(`"a\nb\nc\n"`, `"A\nb\nc\n"`, `"a\nb\nC\n"`), "f: text"},
		{"text in the same lines", field(`"a\nb\n"`, `"A\nb\n"`, `"Z\nb\n"`), ""},
		{"a word", field(`"a"`, `"b"`, `"c"`), ""},
		{"a boolean", field(``, `true`, `false`), ""},
		{"values of several types", field(`1`, `"2"`, `[3]`), ""},
		{"a value with its clock beside it", func(i int) (string, string, string) {
			at := func(v string, minute int) string {
				return fmt.Sprintf(`{"type":"t","f":"%s","f_at":"2026-01-01T00:%02d:00Z"}`, v, minute)
			}
			return at("a", 0), at("b", 1+i%50), at("c", 2+i%20)
		}, "f: latest f_at"},
		{"a number that each edit counts up", func(i int) (string, string, string) {
			return fmt.Sprintf(`{"type":"t","n":%d}`, i), fmt.Sprintf(`{"type":"t","n":%d,"a":1}`, i+1), fmt.Sprintf(`{"type":"t","n":%d,"b":1}`, i+1)
		}, "clock lamport: n"},
		{"a sequence", func(i int) (string, string, string) {
			return fmt.Sprintf(`{"type":"t","seq":%d}`, i), fmt.Sprintf(`{"type":"t","seq":%d}`, i+5), fmt.Sprintf(`{"type":"t","seq":%d}`, i+9)
		}, "clock sequence: seq"},
		{"a vector", func(i int) (string, string, string) {
			return `{"type":"t","vv":{}}`, fmt.Sprintf(`{"type":"t","vv":{"p%d":1},"a":1}`, i), `{"type":"t","vv":{"s":1},"b":2}`
		}, "clock vector: vv"},
		{"a vector that lies", func(i int) (string, string, string) {
			return `{"type":"t","vv":{"s":1}}`, `{"type":"t","vv":{"s":2},"a":1}`, `{"type":"t","vv":{"s":3},"b":2}`
		}, ""},
		{"a counter of all devices, that each counts up", func(i int) (string, string, string) {
			return `{"type":"t","vv":{"n":1}}`, fmt.Sprintf(`{"type":"t","vv":{"n":2},"a":%d}`, i), `{"type":"t","vv":{"n":2},"b":2}`
		}, "clock lamport: vv.n"},
		{"a soft deletion", func(i int) (string, string, string) {
			return `{"type":"t","x":1}`, `{"type":"t","x":1,"deleted_at":"2026-01-01T00:00:00Z"}`, `{"type":"t","x":2}`
		}, "soft_delete deleted_at: review"},
		{"no base at all", func(i int) (string, string, string) {
			_, a, b := field(``, `[1]`, `[2]`)(i)
			return "", a, b
		}, ""},
		{"names that a pattern can't hold", func(i int) (string, string, string) {
			return `{"type":"t","a*.b":[1]}`, `{"type":"t","a*.b":[1,2]}`, `{"type":"t","a*.b":[1,3]}`
		}, `a*\.b: union`},
	} {
		want := []string{c.want}
		if c.want == "" {
			want = nil
		}
		if got := one(t, 60, c.edit); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.what, got, want)
		}
		if got := one(t, 6, c.edit); len(got) > 0 && !strings.HasPrefix(got[0], "soft_delete") {
			t.Errorf("%s: on thin evidence %q", c.what, got)
		}
	}
}

func TestKindsAreToldApart(t *testing.T) {
	for _, c := range []struct {
		what, member string
		ids          string
		by           []string
		want         string
	}{
		{"by type", `"type":"%s"`, "%d", nil, "type"},
		{"by a member that is called so", `"doc_type":"%s"`, "%d", nil, "doc_type"},
		{"by a member whose name says so", `"documentKind":"%s"`, "%d", nil, "documentKind"},
		{"by the surer of two", `"form":"%s","type":"x"`, "%d", nil, "type"},
		{"by the beginning of ids", `"status":"%s"`, "report:%d", nil, "_id"},
		{"by nothing", `"status":"%s"`, "%d", nil, ""},
		{"by what was said", `"status":"%s"`, "%d", []string{"status"}, "status"},
		{"not by what each document has for itself", `"type":"%[2]d"`, "%d", nil, ""},
	} {
		all := func(yield func(couchmend.Conflict) bool) {
			for i := range 120 {
				body := func(n int) string {
					return fmt.Sprintf(`{`+c.member+`,"n":%[3]d}`, []string{"a", "b"}[i%2], i, n)
				}
				if strings.Count(c.member, "%") == 1 && !strings.Contains(c.member, "[") {
					body = func(n int) string {
						return fmt.Sprintf(`{`+c.member+`,"n":%[2]d}`, []string{"a", "b"}[i%2], n)
					}
				}
				k := conflict(i, body(0), body(1), body(2))
				k.ID = fmt.Sprintf(c.ids, i)
				if !yield(k) {
					return
				}
			}
		}
		p := propose(t, all, suggest.Options{By: c.by})
		if got := strings.Join(p.By, " "); got != c.want {
			t.Errorf("%s: by %q, want %q", c.what, got, c.want)
		}
		read(t, p)
		if p.Total.Open != 120 {
			t.Errorf("%s: %d conflicts were measured", c.what, p.Total.Open)
		}
	}
}

func TestWhateverDocumentsHoldAValidPolicyIsProposed(t *testing.T) {
	name := rapid.SampledFrom([]string{"type", "a", "b", "visits", "seq", "deleted", "a_at", "versions", "*", "**", "", "x.y", "_z", "日本", "no"})
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		scalar := rapid.SampledFrom([]string{
			`1`, `2`, `-3`, `4.5`, `1e3`, `"x"`, `"a\nb\n"`, `"2026-01-01T00:00:00Z"`, `"2026-01-02"`, `1767254400000`, `true`, `false`, `null`, `[]`, `{}`, `""`,
			`12345678901234567890`, `1.0`,
		})
		if depth == 0 {
			return scalar
		}
		return rapid.OneOf(scalar, rapid.Map(rapid.SliceOfN(value(depth-1), 0, 3), func(v []string) string { return "[" + strings.Join(v, ",") + "]" }),
			rapid.Custom(func(t *rapid.T) string { return object(t, name, value(depth-1)) }))
	}
	rapid.Check(t, func(t *rapid.T) {
		var all []couchmend.Conflict
		shapes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return object(t, name, value(2)) }), 1, 6).Draw(t, "bodies")
		pick := func(i int) string { return shapes[i%len(shapes)] }
		for i := range 40 {
			base := pick(i)
			if i%7 == 0 {
				base = ""
			}
			all = append(all, conflict(i, base, pick(i+1+i/3), pick(i+2+i/5)))
		}
		p, err := suggest.Propose(t.Context(), source(slices.Values(all)), suggest.Options{DB: "medic"})
		if err != nil {
			t.Fatal(err)
		}
		read(t, p)
		if p.Total.Open != len(all) {
			t.Errorf("%d of %d conflicts were measured", p.Total.Open, len(all))
		}
	})
}

func object(t *rapid.T, name, value *rapid.Generator[string]) string {
	names := rapid.SliceOfNDistinct(name, 0, 5, rapid.ID[string]).Draw(t, "names")
	members := make([]string, len(names))
	for i, n := range names {
		members[i] = fmt.Sprintf("%q:%s", n, value.Draw(t, "value"))
	}
	return "{" + strings.Join(members, ",") + "}"
}
