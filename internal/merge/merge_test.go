package merge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/revtree"
)

// ruleFrom reads "tags=union rows=by_key:id lmp=latest:lmp_at **=latest".
func ruleFrom(text string) *Rule {
	rule := &Rule{Name: "test"}
	for _, field := range strings.Fields(text) {
		pattern, strategy, _ := strings.Cut(field, "=")
		kind, detail, _ := strings.Cut(strategy, ":")
		f := Field{Pattern: ParsePath(pattern), Strategy: Strategy{Kind: StrategyKind(kind)}}
		switch {
		case f.Strategy.Kind == ByKey:
			f.Strategy.Key = detail
		case detail != "":
			f.Strategy.Beside = ParsePath(detail)
		}
		rule.Fields = append(rule.Fields, f)
	}
	return rule
}

func leafRev(i int) couchmend.Rev {
	return couchmend.Rev{Gen: 3, Hash: strings.Repeat(string(rune('f'-i)), 32)}
}

var baseRev = couchmend.MustRev("2-b")

// mergeOf merges leaves, winner first, against a base; none where it is "".
func mergeOf(rule *Rule, base string, leaves ...string) (Result, *Refusal) {
	revisions := map[couchmend.Rev]couchmend.Revision{}
	fold := revtree.Fold{}
	for i, leaf := range leaves {
		revisions[leafRev(i)] = couchmend.Revision{Rev: leafRev(i), Body: json.RawMessage(leaf)}
		fold.Heads = append(fold.Heads, leafRev(i))
		step := revtree.Step{Head: leafRev(i), How: revtree.NoBase}
		if base != "" {
			revisions[baseRev] = couchmend.Revision{Rev: baseRev, Body: json.RawMessage(base)}
			step.How, step.Base = revtree.ThreeWay, revtree.Fold{Heads: []couchmend.Rev{baseRev}}
		}
		if i > 0 {
			fold.Steps = append(fold.Steps, step)
		}
	}
	return Merge(context.Background(), rule, "d", fold, revisions)
}

// told is a merge's body, or why there is none.
func told(r Result, refusal *Refusal) string {
	if refusal != nil {
		return "review: " + string(refusal.Reason)
	}
	return string(r.Body)
}

func TestFieldsMergeAgainstTheirBase(t *testing.T) {
	for _, c := range []struct{ name, rule, base, winner, loser, want string }{
		{"changed on one side", "", `{"a":1,"b":2}`, `{"a":1,"b":3}`, `{"a":9,"b":2}`, `{"a":9,"b":3}`},
		{"changed alike", "", `{"a":1}`, `{"a":2}`, `{"a":2}`, `{"a":2}`},
		{"changed differently", "", `{"a":1}`, `{"a":2}`, `{"a":3}`, "review: overlap"},
		{"changed differently inside an object", "", `{"o":{"x":1,"y":1}}`, `{"o":{"x":2,"y":1}}`, `{"o":{"x":1,"y":2}}`, `{"o":{"x":2,"y":2}}`},
		{"removed on one side", "", `{"a":1,"b":1}`, `{"b":1}`, `{"a":1,"b":2}`, `{"b":2}`},
		{"removed on one side, changed on the other", "", `{"a":1}`, `{}`, `{"a":2}`, "review: overlap"},
		{"removed on both sides", "", `{"a":1,"b":1}`, `{"b":2}`, `{"b":1}`, `{"b":2}`},
		{"absent is not null", "", `{}`, `{"a":null}`, `{"b":1}`, `{"a":null,"b":1}`},
		{"null beside removed", "", `{"a":1}`, `{"a":null}`, `{}`, "review: overlap"},
		{"added on both sides, keys sorted after the winner's", "", `{"z":1}`, `{"z":1,"m":1}`, `{"z":1,"k":1,"b":1}`, `{"z":1,"m":1,"b":1,"k":1}`},
		{"an array is one value", "", `{"a":[1,2]}`, `{"a":[1,2,3]}`, `{"a":[0,1,2]}`, "review: overlap"},
		{"an object became a number", "", `{"a":{"x":1}}`, `{"a":5}`, `{"a":{"x":2}}`, "review: overlap"},
		{"an explicit pattern makes an object one value", "a=winner", `{"a":{"x":1,"y":1}}`, `{"a":{"x":2,"y":1}}`, `{"a":{"x":1,"y":2}}`, `{"a":{"x":2,"y":1}}`},
		{"the most specific pattern decides", "**=winner o.**=max o.*.n=min", `{"o":{"p":{"n":5,"m":5}},"a":0}`, `{"o":{"p":{"n":4,"m":4}},"a":1}`, `{"o":{"p":{"n":3,"m":6}},"a":2}`, `{"o":{"p":{"n":3,"m":6}},"a":1}`},

		{"union", "t=union", `{"t":[1]}`, `{"t":[1,"b",3]}`, `{"t":[{"k":1},1,2]}`, `{"t":[1,2,3,"b",{"k":1}]}`},
		{"union changed on one side keeps its order", "t=union", `{"t":[2]}`, `{"t":[2,1]}`, `{"t":[2],"x":1}`, `{"t":[2,1],"x":1}`},
		{"union of an absent side", "t=union", `{"t":[1]}`, `{}`, `{"t":[2]}`, `{"t":[2]}`},
		{"union of what is no array", "t=union", `{}`, `{"t":[1]}`, `{"t":"x"}`, "review: strategy"},
		{"max", "n=max", `{"n":1}`, `{"n":9007199254740993}`, `{"n":9007199254740992.0}`, `{"n":9007199254740993}`},
		{"min of texts", "n=min", `{"n":"m"}`, `{"n":"b"}`, `{"n":"aa"}`, `{"n":"aa"}`},
		{"max of a number and a text", "n=max", `{"n":1}`, `{"n":2}`, `{"n":"3"}`, "review: strategy"},
		{"sum", "n=sum", `{"n":10}`, `{"n":13}`, `{"n":8}`, `{"n":11}`},
		{"sum of the same change twice", "n=sum", `{"n":10}`, `{"n":11}`, `{"n":11}`, `{"n":12}`},
		{"sum is exact in decimal", "n=sum", `{"n":0.1}`, `{"n":0.3}`, `{"n":12345678901234567890.1}`, `{"n":12345678901234567890.3}`},
		{"sum beyond what a float64 tells apart", "n=sum", `{"n":20000000000000000000}`, `{"n":20000000000000000001}`, `{"n":20000000000000000002}`, `{"n":20000000000000000003}`},
		{"sum from nothing", "n=sum", `{}`, `{"n":2}`, `{"n":3}`, `{"n":5}`},
		{"sum of a float and integers is a float", "n=sum", `{"n":1.0}`, `{"n":2}`, `{"n":3}`, `{"n":4.0}`},
		{"sum beside a removal", "n=sum", `{"n":1}`, `{}`, `{"n":3}`, "review: overlap"},
		{"sum of texts", "n=sum", `{"n":"1"}`, `{"n":"2"}`, `{"n":"3"}`, "review: strategy"},
		{"append", "l=append", `{"l":[1,2]}`, `{"l":[1,2,"w"]}`, `{"l":[1,2,"x","w"]}`, `{"l":[1,2,"w","x","w"]}`},
		{"append where an entry was removed", "l=append", `{"l":[1,2]}`, `{"l":[2,3]}`, `{"l":[1,2,4]}`, "review: overlap"},
		{"latest by the clock beside", "v=latest:at", `{"v":"o","at":1}`, `{"v":"w","at":2}`, `{"v":"l","at":3}`, `{"v":"l","at":3}`},
		{"latest of times in two zones", "v=latest:at", `{"v":0}`, `{"v":1,"at":"2026-01-01T10:00:00+02:00"}`, `{"v":2,"at":"2026-01-01T08:30:00Z"}`, `{"v":2,"at":"2026-01-01T08:30:00Z"}`},
		{"latest at one instant: the greater value", "v=latest:at", `{"v":0,"at":0}`, `{"v":"a","at":2}`, `{"v":"b","at":2}`, `{"v":"b","at":2}`},
		{"latest without a clock", "v=latest:at", `{"v":0}`, `{"v":1}`, `{"v":2}`, "review: strategy"},
		{"winner", "v=winner", `{"v":0}`, `{"v":1}`, `{"v":2}`, `{"v":1}`},
		{"text", "v=text", `{"v":"a\nb\nc\nd\n"}`, `{"v":"A\nb\nc\nd\n"}`, `{"v":"a\nb\nc\nD\ne\n"}`, `{"v":"A\nb\nc\nD\ne\n"}`},
		{"text with the same lines changed", "v=text", `{"v":"a\nb\n"}`, `{"v":"x\nb\n"}`, `{"v":"y\nb\n"}`, "review: overlap"},
		{"text removed on one side", "v=text", `{"v":"a"}`, `{}`, `{"v":"b"}`, "review: overlap"},
		{"by_key", "r=by_key:id", `{"r":[{"id":1,"s":"a"},{"id":2,"s":"b"}]}`, `{"r":[{"id":2,"s":"B"},{"id":1,"s":"a"}]}`, `{"r":[{"id":1,"s":"A"},{"id":2,"s":"b"},{"id":"c"}]}`, `{"r":[{"id":2,"s":"B"},{"id":1,"s":"A"},{"id":"c"}]}`},
		{"by_key removes what one side removed", "r=by_key:id", `{"r":[{"id":1},{"id":2}]}`, `{"r":[{"id":2}]}`, `{"r":[{"id":1},{"id":2},{"id":3}]}`, `{"r":[{"id":2},{"id":3}]}`},
		{"by_key: removed on one side, changed on the other", "r=by_key:id", `{"r":[{"id":1,"s":1},{"id":2}]}`, `{"r":[{"id":2}]}`, `{"r":[{"id":1,"s":2},{"id":2}]}`, "review: overlap"},
		{"by_key with strategies inside", "r=by_key:id r.*.n=sum", `{"r":[{"id":1,"n":1}]}`, `{"r":[{"id":1,"n":2}]}`, `{"r":[{"id":1,"n":2}]}`, `{"r":[{"id":1,"n":3}]}`},
		{"by_key without keys", "r=by_key:id", `{"r":[]}`, `{"r":[{"x":1}]}`, `{"r":[{"id":1}]}`, "review: strategy"},
		{"by_key with one key twice", "r=by_key:id", `{"r":[]}`, `{"r":[{"id":1},{"id":1.0}]}`, `{"r":[{"id":2}]}`, "review: strategy"},

		{"a JavaScript client changed nothing", "", `{"id":12345678901234567891,"f":1.0,"n":1}`, `{"id":12345678901234567000,"f":1,"n":2}`, `{"id":12345678901234567891,"f":1.0,"n":1,"x":1}`, `{"id":12345678901234567891,"f":1.0,"n":2,"x":1}`},
		{"a JavaScript client changed one element", "", `{"a":[12345678901234567891,1]}`, `{"a":[12345678901234567000,2]}`, `{"a":[12345678901234567891,1],"x":1}`, `{"a":[12345678901234567891,2],"x":1}`},
		{"a literal put back by an earlier merge is no edit", "n=max", `{"n":98765432109876540000}`, `{"n":98765432109876543211}`, `{"n":5}`, `{"n":5}`},
		{"nor is it lost", "n=max", `{"n":98765432109876540000}`, `{"n":98765432109876543211,"x":1}`, `{"n":98765432109876540000}`, `{"n":98765432109876543211,"x":1}`},
		{"two literals that round alike are two edits", "", `{"n":98765432109876540000}`, `{"n":98765432109876543211}`, `{"n":98765432109876543212}`, "review: overlap"},
		{"a set whose base was rounded", "t=union", `{"t":[98765432109876540000]}`, `{"t":[98765432109876543211,1]}`, `{"t":[98765432109876540000,2]}`, `{"t":[1,2,98765432109876543211]}`},
		{"1 became 1.0", "", `{"a":1}`, `{"a":1,"x":1}`, `{"a":1.0}`, `{"a":1.0,"x":1}`},
		{"white space is no change", "", `{"a":[1,2]}`, `{"a":[1, 2],"x":1}`, `{"a":[1,2],"y":1}`, `{"a":[1,2],"x":1,"y":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(mergeOf(ruleFrom(c.rule), c.base, c.winner, c.loser)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestWithoutABaseOnlyJoinsDecide(t *testing.T) {
	for _, c := range []struct {
		name, rule    string
		noBase        NoBase
		winner, loser string
		want          string
	}{
		{"alike", "", "", `{"a":1,"o":{"x":[1]}}`, `{"a":1,"o":{"x":[1]}}`, `{"a":1,"o":{"x":[1]}}`},
		{"alike but for a client's rounding", "", "", `{"a":12345678901234567000}`, `{"a":12345678901234567891}`, `{"a":12345678901234567891}`},
		{"a field differs", "", "", `{"a":1}`, `{"a":2}`, "review: no_base"},
		{"a field on one side only: added or removed, who knows", "", "", `{"a":1}`, `{}`, "review: no_base"},
		{"union", "t=union", "", `{"t":[3,1]}`, `{"t":[2]}`, `{"t":[1,2,3]}`},
		{"max of one side", "n=max", "", `{}`, `{"n":2}`, `{"n":2}`},
		{"latest beside", "v=latest:at", "", `{"v":1,"at":5}`, `{"v":2,"at":4}`, `{"v":1,"at":5}`},
		{"sum, though both look alike", "n=sum", "strategies", `{"n":1}`, `{"n":1}`, "review: no_base"},
		{"append", "l=append", "strategies", `{"l":[1]}`, `{"l":[2]}`, "review: no_base"},
		{"text", "v=text", "strategies", `{"v":"a"}`, `{"v":"b"}`, "review: no_base"},
		{"winner is no join", "v=winner", "", `{"v":1}`, `{"v":2}`, "review: no_base"},
		{"winner, if the policy says so", "v=winner", "strategies", `{"v":1}`, `{"v":2}`, `{"v":1}`},
		{"by_key, if the policy says so", "r=by_key:id r.**=winner", "strategies", `{"r":[{"id":1,"s":1}]}`, `{"r":[{"id":1,"s":2}]}`, `{"r":[{"id":1,"s":1}]}`},
		{"by_key keeps an element of one side", "r=by_key:id", "strategies", `{"r":[{"id":2}]}`, `{"r":[{"id":1},{"id":2}]}`, `{"r":[{"id":2},{"id":1}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := ruleFrom(c.rule)
			rule.NoBase = c.noBase
			if got := told(mergeOf(rule, "", c.winner, c.loser)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestClocksOrderWhatOverlaps(t *testing.T) {
	lamport := &Rule{Clock: Clock{Kind: Lamport, Path: Path{"n"}}, Fields: []Field{{Pattern: Path{"**"}, Strategy: Strategy{Kind: Latest}}}}
	vector := &Rule{Clock: Clock{Kind: Vector, Path: Path{"vc"}}}
	for _, c := range []struct {
		name   string
		rule   *Rule
		base   string
		leaves []string
		want   string
	}{
		{"the later side stands, the clock is the maximum", lamport, `{"v":0,"n":1}`, []string{`{"v":1,"n":5}`, `{"v":2,"n":9}`}, `{"v":2,"n":9}`},
		{"a tie goes to the winner's side", lamport, `{"v":0,"n":1}`, []string{`{"v":1,"n":5}`, `{"v":2,"n":5}`}, `{"v":1,"n":5}`},
		{"each field by the clock of the leaf that it came from", lamport, `{"v":0,"u":0,"n":1}`,
			[]string{`{"v":0,"u":1,"n":9}`, `{"v":2,"u":0,"n":3}`, `{"v":3,"u":0,"n":5}`}, `{"v":3,"u":1,"n":9}`},
		{"a vector that has seen the other fast-forwards", vector, `{"v":0,"vc":{}}`, []string{`{"v":1,"x":1,"vc":{"a":1}}`, `{"v":2,"vc":{"a":1,"b":1}}`}, `{"v":2,"vc":{"a":1,"b":1}}`},
		{"concurrent vectors are joined, pointwise", vector, `{"v":0,"vc":{}}`, []string{`{"v":0,"x":1,"vc":{"a":2}}`, `{"v":2,"vc":{"a":1,"b":1}}`}, `{"v":2,"vc":{"a":2,"b":1},"x":1}`},
		{"concurrent vectors order nothing", vector, `{"v":0,"vc":{}}`, []string{`{"v":1,"vc":{"a":1}}`, `{"v":2,"vc":{"b":1}}`}, "review: overlap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(mergeOf(c.rule, c.base, c.leaves...)); !sameBody(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// sameBody compares whatever the order of keys.
func sameBody(a, b string) bool {
	return a == b || a[0] == '{' && b[0] == '{' && jsondoc.Equal(jsondoc.Value(a), jsondoc.Value(b))
}

func TestASoftDeletionFollowsTheRule(t *testing.T) {
	const base, gone, edited = `{"n":1}`, `{"n":1,"deleted":true}`, `{"n":2}`
	for _, c := range []struct {
		name                string
		wins                SoftDeleteWins
		base, winner, loser string
		want                string
	}{
		{"it stands over an edit", SoftDeleteStands, base, edited, gone, gone},
		{"the edit stands over it", SoftEditStands, base, gone, edited, edited},
		{"a person decides", SoftReview, base, gone, edited, "review: soft_deleted"},
		{"beside no edit it is an ordinary change", SoftReview, base, base, gone, gone},
		{"on both sides it is an ordinary change", SoftReview, base, `{"n":2,"deleted":true}`, gone, `{"n":2,"deleted":true}`},
		{"taken back on one side", SoftDeleteStands, gone, `{"n":1}`, `{"n":3,"deleted":true}`, `{"n":3}`},
		{"without a base, one of the two may have been restored", SoftDeleteStands, "", edited, gone, "review: no_base"},
		{"without a base an edit does not stand either", SoftEditStands, "", gone, edited, "review: no_base"},
		{"false and empty are not deleted", SoftReview, base, `{"n":1,"deleted":false}`, edited, `{"n":2,"deleted":false}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := &Rule{SoftDelete: &SoftDelete{Field: Path{"deleted"}, Wins: c.wins}}
			if got := told(mergeOf(rule, c.base, c.winner, c.loser)); !sameBody(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestEachFieldRemembersWhereItCameFrom(t *testing.T) {
	rule := ruleFrom("n=sum t=union")
	r, refusal := mergeOf(rule, `{"n":1,"t":[],"a.b":1,"r":1,"s":1}`,
		`{"n":2,"t":[1],"a.b":1,"r":1,"s":1}`, `{"n":3,"t":[2],"a.b":2,"r":1,"s":1}`, `{"n":1,"t":[],"a.b":1,"s":1}`)
	if refusal != nil {
		t.Fatal(refusal)
	}
	var got []string
	for _, o := range r.Fields {
		line := fmt.Sprintf("%s %s", o.Path, o.Why)
		for _, from := range o.From {
			line += " " + from.Hash[:1]
		}
		if o.Removed {
			line += " removed"
		}
		got = append(got, line)
	}
	want := []string{`a\.b changed on one side e`, "n sum f e", "r changed on one side d removed", "t union f e"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", got)
	}
}

func TestEvidenceStaysShort(t *testing.T) {
	var fields []string
	for i := range 100 {
		fields = append(fields, fmt.Sprintf(`"f%d":1`, i))
	}
	one := "{" + strings.Join(fields, ",") + "}"
	_, refusal := mergeOf(&Rule{}, `{}`, one, strings.ReplaceAll(one, ":1", ":2"))
	if n := len(refusal.Evidence); n != maxEvidence+1 || !strings.Contains(refusal.Evidence[n-1], "80 more") {
		t.Errorf("%d sentences, the last: %s", n, refusal.Evidence[n-1])
	}
}

// A clock may count other edits, too. What one side alone changed stands,
// however late the other one's clock.
func TestAClockThatCountsAnotherEditTakesNoEditBack(t *testing.T) {
	for _, rule := range []string{"name=latest:at", "name=latest:at phone=latest:at", "**=latest:at"} {
		const base, renamed, called = `{"name":"Ann","phone":"1","at":1}`, `{"name":"Anna","phone":"1","at":2}`, `{"name":"Ann","phone":"2","at":5}`
		want := `{"name":"Anna","phone":"2","at":5}`
		if got := told(mergeOf(ruleFrom(rule), base, renamed, called)); got != want {
			t.Errorf("%s: %s", rule, got)
		}
		if got := told(mergeOf(ruleFrom(rule), base, called, renamed)); got != want {
			t.Errorf("%s: %s", rule, got)
		}
	}
}
