package collision

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/policy"
	"pgregory.net/rapid"
)

// seed is the plan of the example that everybody tells: a person and a report
// under one id, to which a third document refers twice.
func seed(t testing.TB) Plan {
	body := `{"type":"data_record","fields":{"patient_id":"` + old + `","inputs":{"contact":{"_id":"` + old + `","name":"Amina","phone":"+254700"}}}}`
	p := plan(t, plain, conflict(version(person, "1-e4da"), version(report, "1-ce40")), Wish{})
	return p.Assign([]Found{found("1B7922A6", body, "fields", "inputs", "contact", "_id"), found("1B7922A6", body, "fields", "patient_id")}, Knowledge{})
}

func TestAPlansFileIsReadBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Wish
		c := drawn(t)
		if rapid.Bool().Draw(t, "keep") {
			w.Keep = rapid.SampledFrom(c.Leaves).Draw(t, "kept").Rev
		}
		p, err := Make(t.Context(), plain, c, w)
		if err != nil {
			t.Fatal(err)
		}
		var all []Found
		for i := range rapid.IntRange(0, 5).Draw(t, "references") {
			name := rapid.SampledFrom([]string{"a", "1", "yes", "a.b", "x\ny", "é: #", ""}).Draw(t, "name")
			f := found(rapid.SampledFrom([]string{"d", "d@1-x", "@", "null", "_design/d"}).Draw(t, "doc"), `{"k1":0}`, name, i, name)
			f.Design = strings.HasPrefix(f.Doc, "_design/")
			f.Losing = rapid.Bool().Draw(t, "losing")
			f.Rev = couchmend.Rev{Gen: i + 1, Hash: "x"}
			if f.Kind = rapid.SampledFrom([]Kind{Value, Key}).Draw(t, "kind"); f.Kind == Key {
				f.Place[2].Name = old
			}
			all = append(all, f)
		}
		p = p.Assign(all, Knowledge{})
		text, err := p.File()
		if err != nil {
			t.Fatal(err)
		}
		head, err := ReadHead("plan.yaml", text)
		if err != nil || head.DB != p.DB || head.ID != p.ID || (head.Keep != couchmend.Rev{}) != (w.Keep != couchmend.Rev{}) {
			t.Fatalf("%+v %v\n%s", head, err, text)
		}
		if w.Keep = head.Keep; w.Keep != (couchmend.Rev{}) {
			if again, err := Make(t.Context(), plain, c, w); err != nil || !slices.EqualFunc(again.Versions, p.Versions, func(a, b Version) bool { return a.Keep == b.Keep && a.Root == b.Root }) {
				t.Fatalf("another version is kept: %v", err)
			}
		}
		empty := p
		empty.References = nil
		back, err := empty.Read("plan.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		x, _ := json.Marshal(p)
		y, _ := json.Marshal(back)
		if string(x) != string(y) {
			t.Fatalf("%s\n%s\n%s", x, y, text)
		}
	})
}

func TestAPersonAnswersInTheFile(t *testing.T) {
	p := seed(t)
	if open := p.Open(); len(open) != 1 || open[0].Place.String() != "fields.patient_id" {
		t.Fatalf("%+v", p.References)
	}
	text, err := p.File()
	if err != nil {
		t.Fatal(err)
	}
	back, err := p.Read("plan.yaml", []byte(strings.Replace(string(text), "to: ask", "to: data_record", 1)))
	if err != nil || len(back.Open()) != 0 {
		t.Fatalf("%v\n%s", err, text)
	}
	r := back.References[1]
	if r.To != "data_record" || r.New != back.Versions[1].NewID && r.New != back.Versions[0].NewID || r.Confidence != Sure || r.Reason != "decided by a person" {
		t.Errorf("%+v", r)
	}
	if r := back.References[0]; r.To != "person" || r.Reason == "decided by a person" {
		t.Errorf("%+v", r)
	}
}

func TestMistakesInAPlansFileAreToldWithTheirPlace(t *testing.T) {
	p := seed(t)
	text, err := p.File()
	if err != nil {
		t.Fatal(err)
	}
	line := func(part string) int {
		return 1 + strings.Count(string(text)[:strings.Index(string(text), part)], "\n")
	}
	for _, c := range []struct{ from, to, want string }{
		{"to: ask", "to: persn", fmt.Sprintf(`plan.yaml:%d:9: no version is called "persn": want "person", "data_record", or "leave"`, line("to: ask"))},
		{"to: ask", "too: ask", fmt.Sprintf(`plan.yaml:%d:5: unknown key "too"`, line("to: ask"))},
		{"confidence: unclear", "confidence: maybe", fmt.Sprintf(`plan.yaml:%d:17: confidence is "maybe": want sure, likely or unclear`, line("confidence: unclear"))},
		{"at: [fields, patient_id]", "at: []", fmt.Sprintf("plan.yaml:%d:9: at is an empty list", line("at: [fields, patient_id]"))},
		{"1B7922A6@1-1B7922A6", "1B7922A6", fmt.Sprintf(`plan.yaml:%d:9: "1B7922A6" is no document`, line("1B7922A6@1-1B7922A6"))},
		{"db: medic", "db: other", fmt.Sprintf(`plan.yaml:%d:5: db is "other", and the plan is of "medic"`, line("db: medic"))},
		{"[fields, patient_id]", "[fields, inputs, contact, _id]", "stands there twice"},
		{"db: medic", "db: [", "not YAML"},
		{string(text), "", "plan.yaml:1:1: the file is empty"},
		{string(text), "- a", "plan.yaml:1:1: this is no plan"},
		{string(text), "db: medic", "leaves is missing"},
	} {
		_, err := p.Read("plan.yaml", []byte(strings.Replace(string(text), c.from, c.to, 1)))
		var problems policy.Problems
		if !errors.As(err, &problems) || couchmend.KindOf(err) != couchmend.KindUsage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.to, err, c.want)
		}
	}
}

func TestAPlansFileIsForTheLeavesAndDocumentsThatItWasMadeOf(t *testing.T) {
	p := seed(t)
	text, err := p.File()
	if err != nil {
		t.Fatal(err)
	}
	newer := plan(t, plain, conflict(version(person, "2-more 1-e4da"), version(report, "1-ce40")), Wish{})
	if _, err := newer.Read("plan.yaml", text); couchmend.KindOf(err) != couchmend.KindConflict || !strings.Contains(err.Error(), "new leaves (2-more)") {
		t.Error(err)
	}
	kept := plan(t, plain, conflict(version(person, "1-e4da"), version(report, "1-ce40")), Wish{Keep: couchmend.MustRev("1-e4da")})
	if _, err := kept.Read("plan.yaml", text); couchmend.KindOf(err) != couchmend.KindConflict || !strings.Contains(err.Error(), "make the plan anew") {
		t.Error(err)
	}
}

func FuzzReadPlan(f *testing.F) {
	p := seed(f)
	text, err := p.File()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("db: &a [*a]\nversions: *a")
	f.Add("versions: [a, {fate: 1}]\nreferences: [{docs: [[]], at: [{}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = ReadHead("f", []byte(text))
		read, err := p.Read("f", []byte(text))
		if err != nil && couchmend.KindOf(err) != couchmend.KindUsage && couchmend.KindOf(err) != couchmend.KindConflict {
			t.Fatal(err)
		}
		for _, r := range read.References {
			if _, ok := read.Version(r.To); !ok && r.To != Leave && r.To != "" {
				t.Fatalf("%+v", r)
			}
		}
	})
}
