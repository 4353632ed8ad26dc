package collision

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"pgregory.net/rapid"
)

// place is the way down: names, and elements as numbers.
func place(steps ...any) Place {
	var p Place
	for _, s := range steps {
		if i, ok := s.(int); ok {
			p = append(p, Step{Index: i, Element: true})
		} else {
			p = append(p, Step{Name: s.(string)})
		}
	}
	return p
}

// found is a reference to the old id in a document.
func found(doc, body string, steps ...any) Found {
	return Found{Reference{DB: "medic", Doc: doc, Rev: couchmend.MustRev("1-" + doc), ID: old, Kind: Value, Place: place(steps...)}, json.RawMessage(body)}
}

func TestAReferenceMeansWhatRulesTypesAndNeighboursSay(t *testing.T) {
	target := func(at, kind string) merge.Target {
		return merge.Target{At: merge.ParsePath(at), Means: kind, Match: func(_ string, body jsondoc.Value) bool { return body.Get("type").Text() == kind }}
	}
	byType := func(typ, at string, counts map[string]int) Census {
		return Census{{"medic", typ, at, Value}: counts}
	}
	ref := `"` + old + `"`
	for _, c := range []struct {
		name   string
		f      Found
		rules  []merge.Target
		census Census
		want   string // to, confidence, and part of the reason
	}{
		{"a rule", found("d", `{"patient":`+ref+`}`, "patient"), []merge.Target{target("patient", "person")}, nil, "person sure rule x says that patient names person"},
		{"a rule for elements", found("d", `{"seen":[1,`+ref+`]}`, "seen", 1), []merge.Target{target("seen", "data_record")}, nil, "data_record sure "},
		{"a rule that no version fits", found("d", `{"a":`+ref+`}`, "a"), []merge.Target{target("a", "clinic")}, nil, " unclear no version is what the rules ask for"},
		{"a rule over the census", found("d", `{"a":`+ref+`}`, "a"), []merge.Target{target("a", "person")}, byType("", "a", map[string]int{"data_record": 50}), "person sure "},
		{"many others", found("d", `{"type":"v","a":{"_id":`+ref+`}}`, "a", "_id"), nil, byType("v", "a._id", map[string]int{"person": 40}), "person sure at a._id of v in other documents 40 of 40 ids name a person"},
		{"few others", found("d", `{"a":`+ref+`}`, "a"), nil, byType("", "a", map[string]int{"person": 4}), "person likely "},
		{"others of both types", found("d", `{"a":`+ref+`}`, "a"), nil, byType("", "a", map[string]int{"person": 30, "data_record": 20}), " unclear it may mean "},
		{"others of another type", found("d", `{"a":`+ref+`}`, "a"), nil, byType("", "a", map[string]int{"clinic": 30}), " unclear nothing tells"},
		{"an array's others", found("d", `{"a":[{"_id":`+ref+`}]}`, "a", 0, "_id"), nil, byType("", "a.*._id", map[string]int{"person": 40}), "person sure "},
		{"one neighbour", found("d", `{"contact":{"_id":`+ref+`,"name":"Amina"}}`, "contact", "_id"), nil, nil, "person likely beside it stands the name of person"},
		{"two neighbours", found("d", `{"contact":{"_id":`+ref+`,"name":"Amina","phone":"+254700"}}`, "contact", "_id"), nil, nil, "person sure beside it stands the name, phone"},
		{"a neighbour of many digits", found("d", `{"contact":{"_id":`+ref+`,"born":12345678901234567892}}`, "contact", "_id"), nil, nil, " unclear "},
		{"a neighbour by its stem", found("d", `{"patient_id":`+ref+`,"patient_name":"Amina"}`, "patient_id"), nil, nil, "person likely beside it stands the name of person"},
		{"a neighbour beside the stem", found("d", `{"patientId":`+ref+`,"patientName":"Amina","patient":{"phone":"+254700"}}`, "patientId"), nil, nil, "person sure "},
		{"the type of the document that refers is no neighbour", found("d", `{"type":"data_record","patient_id":`+ref+`}`, "patient_id"), nil, nil, " unclear "},
		{"a neighbour against the census", found("d", `{"c":{"id":`+ref+`,"name":"Amina"}}`, "c", "id"), nil, byType("", "c.id", map[string]int{"data_record": 40}), " unclear what tells what it means does not agree"},
		{"older than one", found("d", `{"reported_date":1650000000000,"a":`+ref+`}`, "a"), nil, nil, " unclear too little tells what it means: it is older than person"},
		{"nothing", found("d", `{"a":`+ref+`}`, "a"), nil, nil, " unclear nothing tells"},
		{"a design document", design(found("_design/x", `{"views":{"a":{"map":`+ref+`}}}`, "views", "a", "map")), nil, nil, "leave unclear a design document"},
		{"a part", part(found("d", `{"key":"read:report:`+old+`"}`, "key")), []merge.Target{target("key", "data_record")}, nil, "data_record likely "},
		{"another document's id", Found{Reference{DB: "medic", Doc: old + "-info", ID: old, Kind: DocID, Part: true, Place: place("_id")}, json.RawMessage(`{}`)}, nil, nil, "leave unclear it is part of a document's own id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := &merge.Rule{Name: "x", References: c.rules}
			p := plan(t, plain, conflict(version(person, "1-b"), version(report, "1-a")), Wish{})
			p = p.Assign([]Found{c.f}, Knowledge{Rules: func(string, string, jsondoc.Value) *merge.Rule { return rule }, Census: c.census})
			if len(p.References) != 1 {
				t.Fatalf("%+v", p.References)
			}
			r := p.References[0]
			if got := r.To + " " + string(r.Confidence) + " " + r.Reason; !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s", got)
			}
			if v, ok := p.Version(r.To); ok && !strings.Contains(r.New, v.NewID) || !ok && r.New != "" {
				t.Errorf("it is to become %q", r.New)
			}
		})
	}
}

func design(f Found) Found { f.Design = true; return f }
func part(f Found) Found   { f.Part = true; return f }

func TestReferencesThatMeanBothVersionsSpeakForACollision(t *testing.T) {
	alike := `{"type":"person","name":"A","x":%}`
	a, b := strings.Replace(alike, "%", "1", 1), strings.Replace(strings.Replace(alike, "%", "2", 1), `"A"`, `"B"`, 1)
	p := plan(t, plain, conflict(version(a, "1-a"), version(b, "1-b")), Wish{})
	if p.Judgement.Verdict == decide.Collision {
		t.Fatalf("already: %q", p.Judgement.Evidence())
	}
	means := func(doc, name string) Found {
		return found(doc, `{"c":{"_id":"`+old+`","name":"`+name+`"}}`, "c", "_id")
	}
	a2, b2 := strings.Replace(a, `"A"`, `"Amina"`, 1), strings.Replace(b, `"B"`, `"Beni"`, 1)
	p = plan(t, plain, conflict(version(a2, "1-a"), version(b2, "1-b")), Wish{}).Assign([]Found{means("d", "Amina"), means("e", "Beni")}, Knowledge{})
	if p.Judgement.Verdict != decide.Collision || !strings.Contains(strings.Join(p.Judgement.Evidence(), " "), "references mean person 1 (1) and person 2 (1)") {
		t.Errorf("%q", p.Judgement.Evidence())
	}
	if again := p.Assign(nil, Knowledge{}); len(again.Judgement.Signs) != len(p.Judgement.Signs) {
		t.Errorf("told twice: %q", again.Judgement.Evidence())
	}
}

func TestVersionsReferToThemselvesAndEachOther(t *testing.T) {
	clinic := `{"type":"clinic","id":"` + old + `","contact":{"_id":"` + old + `","name":"Amina"}}`
	child := `{"type":"person","name":"Amina","parent":{"_id":"` + old + `"}}`
	p := plan(t, plain, conflict(version(clinic, "1-b"), version(child, "1-a")), Wish{})
	got := map[string]string{}
	for _, r := range p.References {
		v, _ := p.Version(r.To)
		got[r.Doc+" "+r.Place.String()] = v.Name + " " + string(r.Confidence)
		if !r.Self || r.New != v.NewID {
			t.Errorf("%+v", r)
		}
	}
	clinicID, childID := p.Versions[0].NewID, p.Versions[1].NewID
	want := map[string]string{clinicID + " id": "clinic sure", clinicID + " contact._id": "person likely", childID + " parent._id": "clinic likely"}
	for at, to := range want {
		if got[at] != to {
			t.Errorf("%s means %q, want %q", at, got[at], to)
		}
	}
	if len(p.References) != len(want) {
		t.Errorf("%v", got)
	}
	// The old document's own leaves are found too, and are no more references.
	more := []Found{found(old, clinic, "id"), {Reference{DB: "medic", Doc: old, ID: old, Kind: DocID, Self: true, Place: place("_id")}, json.RawMessage(clinic)},
		found(clinicID, clinic, "id")}
	if again := p.Assign(more, Knowledge{}); len(again.References) != len(want) {
		t.Errorf("%+v", again.References)
	}
}

func TestWhatCannotBeReadIsADoubt(t *testing.T) {
	f := found("d", `{}`)
	f.Err = &couchmend.Error{Op: "bulk_get", Kind: couchmend.KindForbidden}
	p := plan(t, plain, conflict(version(person, "1-b"), version(report, "1-a")), Wish{}).Assign([]Found{f}, Knowledge{})
	if len(p.Doubts) != 1 || !strings.Contains(p.Doubts[0], "d in medic could not be read") || len(p.References) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestASpotNamesTheIDsOfOtherDocuments(t *testing.T) {
	key := found("d", `{"type":"v","visits":{"`+old+`":{"by":"x"}}}`, "visits", old)
	key.Kind = Key
	below := found("d", `{"type":"v","visits":{"`+old+`":{"by":"x"}}}`, "visits", old, "by")
	spots := Spots([]Found{key, found("d", `{"type":"v","a":[{"_id":"x"}]}`, "a", 0, "_id"), found("e", `{"type":"v","a":[{"_id":"x"}]}`, "a", 3, "_id"), below, design(below), part(below)})
	var got []string
	body := jsondoc.MustParse(`{"type":"v","a":[{"_id":"1"},{"_id":"2","x":"9"},{"_id":3}],"visits":{"4":{"by":"6"},"5":{"by":"7"}}}`)
	for _, s := range spots {
		got = append(got, s.Type+" "+s.At+" "+string(s.Kind)+": "+strings.Join(s.Named(body), ","))
	}
	want := "v a.*._id value: 1,2; v visits.* key: 4,5; v visits.*.by value: 6,7"
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
}

func TestEveryReferenceIsMeantForOneVersionOrIsAQuestion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := Make(t.Context(), plain, drawn(t), Wish{})
		if err != nil {
			t.Fatal(err)
		}
		own := len(p.References)
		var all []Found
		census := Census{}
		for i := range rapid.IntRange(0, 8).Draw(t, "references") {
			at := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "at")
			f := found("d"+strconv.Itoa(i), `{"`+at+`":{"_id":"`+old+`","n":0,"k1":"`+rapid.SampledFrom([]string{"1", "x"}).Draw(t, "beside")+`"}}`, at, "_id")
			all = append(all, f)
			census[f.spot()] = map[string]int{"t0": rapid.IntRange(0, 20).Draw(t, "t0"), "t1": rapid.IntRange(0, 20).Draw(t, "t1")}
		}
		p1 := p.Assign(all, Knowledge{Census: census})
		p2 := p.Assign(rapid.Permutation(all).Draw(t, "order"), Knowledge{Census: census})
		x, _ := json.Marshal(p1)
		y, _ := json.Marshal(p2)
		if string(x) != string(y) {
			t.Fatalf("%s\n%s", x, y)
		}
		if len(p1.References) != own+len(all) {
			t.Fatalf("%d references of %d", len(p1.References), own+len(all))
		}
		for _, r := range p1.References {
			v, ok := p1.Version(r.To)
			switch {
			case r.Reason == "":
				t.Fatalf("no reason: %+v", r)
			case r.To == "" && (r.New != "" || r.Confidence != Unclear):
				t.Fatalf("a question with an answer: %+v", r)
			case r.To != "" && (!ok || v.Deleted || r.New != v.NewID || r.Confidence == Unclear):
				t.Fatalf("%+v", r)
			}
		}
		if again := p1.Assign(all, Knowledge{}); len(again.References) != len(p1.References) {
			t.Fatal("found twice, they are in the plan twice")
		}
	})
}
