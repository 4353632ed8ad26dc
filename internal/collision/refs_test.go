package collision

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/pouchserver"
)

// lines collects references, sorted.
func lines(t *testing.T, refs iter.Seq2[Reference, error]) []string {
	t.Helper()
	var all []string
	for ref, err := range refs {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line(ref))
	}
	slices.Sort(all)
	return all
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// collided is a person and a report under one id, and what refers to it.
const collided = "7FADDF76-55E4-4E50-9444-5E468E61EA83"

func clinic() []couch.Write {
	return []couch.Write{
		leaf(collided, "1-e4da", `{"type":"person","name":"Ada"}`),
		leaf(collided, "1-ce40", `{"type":"data_record","parent":"`+collided+`"}`),
		leaf("1B7922A6", "1-a", `{"fields":{"inputs":{"contact":{"_id":"`+collided+`"}},"patient_id":"`+collided+`","n":1}}`),
		leaf("family", "1-a", `{"members":["x",["`+collided+`",{"id":"`+collided+`"}]],"ages":{"`+collided+`":36},"a.b":{"c\\":"`+collided+`"}}`),
		leaf("torn", "2-b", `{"seen":1}`),
		leaf("torn", "2-a", `{"seen":"`+collided+`"}`),
		leaf(collided+"-info", "1-a", `{"key":"read:report:`+collided+`"}`),
		leaf(collided+"0", "1-a", `{"me":"`+collided+`0"}`),
		leaf("_design/clinic", "1-a", `{"views":{},"only":["`+collided+`"]}`),
		leaf("bystander", "1-a", `{"fields":{"patient_id":"7FADDF76"}}`),
	}
}

var clinicRefs = []string{
	collided + " _id id " + collided + " self",
	collided + " _id id " + collided + " self losing",
	collided + " parent value " + collided + " self losing",
	"1B7922A6 fields.inputs.contact._id value " + collided,
	"1B7922A6 fields.patient_id value " + collided,
	"family members.1.0 value " + collided,
	"family members.1.1.id value " + collided,
	"family ages." + collided + " key " + collided,
	`family a\.b.c\\ value ` + collided,
	"torn seen value " + collided + " losing",
	"_design/clinic only.0 value " + collided + " design",
}

var clinicSubstrings = []string{
	collided + "-info _id id " + collided + " part",
	collided + "-info key value " + collided + " part",
}

// onEachServer tests on all servers that a search must fare alike on.
func onEachServer(t *testing.T, test func(t *testing.T, db *couch.DB)) {
	t.Run("InMemory", func(t *testing.T) {
		test(t, freshDB(t, couchtest.NewServer(t, couchtest.NewNode()).URL))
	})
	t.Run("PouchDB", func(t *testing.T) { test(t, freshDB(t, pouchserver.Start(t))) })
	t.Run("CouchDB", func(t *testing.T) { test(t, freshDB(t, realCouchDB(t))) })
}

func TestWhoeverRefersToAnIDIsFoundWithTheWayThere(t *testing.T) {
	onEachServer(t, func(t *testing.T, db *couch.DB) {
		mustWrite(t, db, clinic()...)
		ids := []string{collided, "nobody"}
		wantLines(t, lines(t, Find(t.Context(), db, ids, Options{})), clinicRefs...)
		wantLines(t, lines(t, Find(t.Context(), db, ids, Options{Substrings: true})), slices.Concat(clinicRefs, clinicSubstrings)...)
	})
}

func TestDeletedDocumentsAndLeavesReferToNobody(t *testing.T) {
	onEachServer(t, func(t *testing.T, db *couch.DB) {
		dead := leaf("torn", "3-c", `{"seen":"A"}`)
		dead.Revision.Deleted = true
		gone := leaf("gone", "1-c", `{"seen":"A"}`)
		gone.Revision.Deleted = true
		mustWrite(t, db, dead, gone, leaf("torn", "1-d", `{}`), leaf("torn", "1-e", `{}`))
		wantLines(t, lines(t, Find(t.Context(), db, []string{"A"}, Options{})))
	})
}

func TestIDsAreFoundHoweverTheyAreSpelled(t *testing.T) {
	ids := []string{"ünï-😀", `q"\x`, "a/b", "tab\there", "ctrl\x01\x1f", "\u2028", "e\u0301", "<&>", strings.Repeat("long/", 50)}
	onEachServer(t, func(t *testing.T, db *couch.DB) {
		var all []couch.Write
		var want []string
		for i, id := range ids {
			body, _ := json.Marshal(map[string]any{"to": id, "all": map[string]any{id: []string{"x", id}}})
			doc := fmt.Sprint("doc", i)
			all = append(all, leaf(doc, "1-a", string(body)))
			want = append(want, doc+" to value "+id, doc+" "+merge.Path{"all", id}.String()+" key "+id, doc+" "+merge.Path{"all", id, "1"}.String()+" value "+id)
		}
		mustWrite(t, db, all...)
		wantLines(t, lines(t, Find(t.Context(), db, ids, Options{})), want...)
	})
}

func TestNoSpellingHidesAnID(t *testing.T) {
	cases := []struct {
		id, text string
		want     bool
	}{
		{"A-1", `"A\u002d1"`, true}, {"a/b", `"a\/b"`, true}, {"é", `"\u00E9"`, true}, {"x😀", `"x\ud83d\uDE00"`, true},
		{`q"`, `"q\""`, true}, {`x\`, `"x\\"`, true}, {"x\n", `"x\n"`, true}, {"x\f", `"x\u000C"`, true},
		{"A", `"A"`, true}, {"é😀/", `"é😀/"`, true},
		{"A", `"\u00e9\n\"\/ a"`, false}, {"A", `"\\u0041"`, false}, {"x/y", `"\n\t"`, false}, {"é", `"\ud83d\ude00"`, false}, {"A", `"\u00`, false},
	}
	for _, c := range cases {
		s, err := newSearch([]string{c.id})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.mayHold([]byte(c.text)); got != c.want {
			t.Errorf("%q in %s: %v", c.id, c.text, got)
		}
	}
}

func TestAnIDIsAWordOrNoReference(t *testing.T) {
	cases := []struct {
		text string
		ids  string
		want string
	}{
		{"read:report:A", "A", "A"}, {"A-info", "A", "A"}, {"x_A_y", "A", "A"}, {"A,A", "A", "A"}, {"(A)", "A", "A"},
		{"AB", "A", ""}, {"BA", "A", ""}, {"A1", "A", ""}, {"Aé", "A", ""}, {"A\u0301", "A", ""}, {"éA", "A", ""}, {"AA", "A", ""}, {"A😀", "A", "A"},
		{"AB A", "A", "A"}, {"person-12", "person-1", ""}, {"person-1-x", "person-1", "person-1"},
		{"x:a-b", "a a-b", "a-b"}, {"x:a-b:a", "a a-b", "a-b a"}, {"a-b-c", "a-b b-c", "a-b b-c"},
		{":x:", ":x:", ":x:"}, {"1:x:2", ":x:", ":x:"},
		{"2026-11-22", "11", "11"},
	}
	for _, c := range cases {
		s, err := newSearch(strings.Fields(c.ids))
		if err != nil {
			t.Fatal(err)
		}
		if c.text == ":x:" {
			continue // that is the id
		}
		if got := strings.Join(s.within([]byte(c.text)), " "); got != c.want {
			t.Errorf("%s in %q: got %q, want %q", c.ids, c.text, got, c.want)
		}
	}
}

func TestSearchesWithoutAnIDAreRefused(t *testing.T) {
	db := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	for _, ids := range [][]string{nil, {""}, {"a", "\xff"}} {
		for _, err := range Find(t.Context(), db, ids, Options{}) {
			if couchmend.KindOf(err) != couchmend.KindUsage {
				t.Errorf("%q: %v", ids, err)
			}
		}
		if _, err := OpenView(t.Context(), db, ids, Options{}); couchmend.KindOf(err) != couchmend.KindUsage {
			t.Errorf("%q: %v", ids, err)
		}
	}
}

func TestADatabaseThatIsNotThereIsAnError(t *testing.T) {
	db := open(t, couchtest.NewServer(t, couchtest.NewNode()).URL).DB("none")
	for _, err := range Find(t.Context(), db, []string{"A"}, Options{}) {
		if couchmend.KindOf(err) != couchmend.KindNotFound {
			t.Error(err)
		}
	}
}

func TestDroppedConnectionsCostNoReferenceAndDoubleNone(t *testing.T) {
	node := couchtest.NewNode()
	db := freshDB(t, couchtest.NewServer(t, node).URL)
	var want []string
	for i := range 600 {
		id := fmt.Sprintf("doc%03d", i)
		mustWrite(t, db, leaf(id, "1-b", `{"to":"A"}`), leaf(id, "1-a", `{"too":"A"}`))
		want = append(want, id+" to value A", id+" too value A losing")
	}
	to := func(path string) func(*http.Request) bool {
		return func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, path) }
	}
	for name, faults := range map[string][]*couchtest.Fault{
		"lists":     {{Match: to("_all_docs"), Times: 2, Truncate: 20_000}, {Match: to("_all_docs"), Times: 1, DropAfter: true}},
		"leaves":    {{Match: to("_bulk_get"), Times: 1, Truncate: 9_000}, {Match: to("_bulk_get"), Times: 1, Status: 503, Body: `{"error":"busy"}`}},
		"either":    {{Match: to("_all_docs"), Times: 1, Truncate: 70_000}, {Match: to("_bulk_get"), Times: 1, DropBefore: true}},
		"nothing":   nil,
		"each once": {{Match: func(*http.Request) bool { return true }, Times: 1, Truncate: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range faults {
				node.Inject(f)
			}
			defer node.ClearFaults()
			if name == "each once" { // the database's own facts
				for _, err := range Find(t.Context(), db, []string{"A"}, Options{}) {
					if couchmend.KindOf(err) != couchmend.KindUnreachable {
						t.Error(err)
					}
				}
				return
			}
			wantLines(t, lines(t, Find(t.Context(), db, []string{"A"}, Options{})), want...)
		})
	}
}

func TestALeafThatIsMergedAwayMeanwhileHidesNoReference(t *testing.T) {
	node := couchtest.NewNode()
	db := freshDB(t, couchtest.NewServer(t, node).URL)
	mustWrite(t, db, leaf("torn", "1-b", `{}`), leaf("torn", "1-a", `{"to":"A"}`))
	merged := false
	node.OnRequest(func(r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "_bulk_get") || merged {
			return
		}
		merged = true
		merge, bury := leaf("torn", "2-c", `{"to":"A"}`), leaf("torn", "2-d", `{}`)
		merge.Revision.Path[1], bury.Revision.Path[1] = couchmend.MustRev("1-b"), couchmend.MustRev("1-a")
		bury.Revision.Deleted = true
		mustWrite(t, db, merge, bury)
		node.DB(db.Name()).Compact()
	})
	wantLines(t, lines(t, Find(t.Context(), db, []string{"A"}, Options{})), "torn to value A")
}

func TestALeafThatCannotBeReadIsToldAndStopsNothing(t *testing.T) {
	db := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "_all_docs"):
			fmt.Fprint(w, `{"rows":[{"id":"a","doc":{"_rev":"1-a","x":"A","_conflicts":["0-x"]}},{"id":"b","doc":{"_rev":"1-a","x":["A",]}},`+
				`{"id":"c","doc":{"_rev":"1-a","x":"A","lone":"\ud800"}},{"id":"A","doc":null}]}`)
		default:
			fmt.Fprint(w, `{"doc_count":3}`)
		}
	})
	got := lines(t, Find(t.Context(), db, []string{"A"}, Options{}))
	if len(got) != 4 || got[0] != "a unread: "+`refs d/"a": "0-x" is not a revision id: want generation-hash, such as 3-9f1c…` ||
		got[1] != "a x value A" || !strings.HasPrefix(got[2], "b unread: ") || got[3] != "c x value A" {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestASearchEndsWhenItsReaderHasEnough(t *testing.T) {
	db := freshDB(t, couchtest.NewServer(t, couchtest.NewNode()).URL)
	mustWrite(t, db, clinic()...)
	for range clinicRefs {
		n := 0
		for range Find(t.Context(), db, []string{collided}, Options{}) {
			if n++; n == 3 {
				break
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range Find(ctx, db, []string{collided}, Options{}) {
		if err == nil {
			t.Error("found something after the end")
		}
	}
}

func TestProgressIsToldToTheEnd(t *testing.T) {
	db := freshDB(t, couchtest.NewServer(t, couchtest.NewNode()).URL)
	mustWrite(t, db, clinic()...)
	var done, total int64
	lines(t, Find(t.Context(), db, []string{"none"}, Options{Progress: func(d, of int64) { done, total = d, of }}))
	if done != 8 || total != 8 {
		t.Errorf("%d of %d", done, total)
	}
}

func TestAPlaceIsReadBackFromItsJSON(t *testing.T) {
	place := Place{{Name: "tasks"}, {Index: 2, Element: true}, {Name: "2"}, {Name: "a.b<"}}
	text, err := json.Marshal(place)
	if err != nil || string(text) != `["tasks",2,"2","a.b\u003c"]` {
		t.Errorf("%s, %v", text, err)
	}
	var again Place
	if err := json.Unmarshal(text, &again); err != nil || !slices.Equal(again, place) {
		t.Errorf("%v, %v", again, err)
	}
	if place.String() != `tasks.2.2.a\.b<` {
		t.Error(place.String())
	}
	for _, bad := range []string{`[-1]`, `[1.5]`, `[null]`, `[{}]`} {
		if json.Unmarshal([]byte(bad), &again) == nil {
			t.Errorf("%s was taken for a place", bad)
		}
	}
}
