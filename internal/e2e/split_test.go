package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
)

// splitting splits what drew one id by itself, and says what some references mean.
const splitting = `
databases:
  - { match: "*", policy: all }
policies:
  all:
    rules:
      - { name: people, when: { type: person }, collision: split, references: { self: person, last.record: data_record } }
      - { name: records, when: { type: data_record }, collision: split }
      - { name: clinics, when: { type: clinic }, collision: split }
      - { name: reports, when: { type: report }, references: { fields.patient_id: person, fields.inputs.contact._id: person, fields.record: data_record } }
      - { name: others, when: {} }
`

// The id that a person and a data_record drew, and what they began with.
const (
	drawn       = "7FADDF76-55E4-4E50-9444-5E468E61EA83"
	personRev   = "1-e4da228c29dc4ebc8b156967bbf48bd1"
	recordRev   = "1-ce40d1dc470643e2b9be9368ea9ff240"
	clinicRev   = "1-c11c1111111111111111111111111111"
	referringID = "1B7922A6-E0FE-4E50-9444-5E468E61EA83"
)

func splitID(first string) string { return collision.NewID(drawn, couchmend.MustRev(first)) }

// collide writes two things under one id, and documents that refer to them.
func (s server) collide(t *testing.T, db string, referring int) {
	t.Helper()
	s.write(t, db,
		map[string]any{"_id": drawn, "_rev": personRev, "type": "person", "name": "Amina", "self": drawn, "last": map[string]any{"record": drawn}, "_attachments": attached("person")},
		map[string]any{"_id": drawn, "_rev": recordRev, "type": "data_record", "form": "P", "id": drawn, "_attachments": attached("record")},
		refer(referringID, drawn),
		map[string]any{"_id": "longer", "_rev": "1-a", "type": "note", "about": drawn + "1", "text": "see " + drawn},
	)
	var docs []map[string]any
	for i := range referring {
		docs = append(docs, refer(fmt.Sprintf("ref-%04d", i), drawn))
	}
	if len(docs) > 0 {
		s.write(t, db, docs...)
	}
}

// attached is an attachment whose name all versions have.
func attached(text string) map[string]any {
	return map[string]any{"face.jpg": map[string]any{"content_type": "image/jpeg", "revpos": 1, "data": []byte(text)}}
}

// refer is a report that refers to a person twice, and to a record once.
func refer(id, to string) map[string]any {
	return map[string]any{
		"_id": id, "_rev": "1-a", "type": "report",
		"fields": map[string]any{"patient_id": to, "record": to, "inputs": map[string]any{"contact": map[string]any{"_id": to}}},
	}
}

// shown is what a database shows of a document: its members, "_conflicts" with
// them; nil where there is none.
func (s server) shown(t *testing.T, db, id string) map[string]any {
	t.Helper()
	var doc map[string]any
	if s.ask(t, http.MethodGet, "/"+db+"/"+escaped(id)+"?conflicts=true&attachments=true", nil, &doc) != http.StatusOK {
		return nil
	}
	return doc
}

// text is a document without what CouchDB adds.
func plain(doc map[string]any) string {
	doc = maps.Clone(doc)
	maps.DeleteFunc(doc, func(name string, _ any) bool {
		return strings.HasPrefix(name, "_") && name != "_attachments" && name != "_conflicts"
	})
	body, _ := json.Marshal(doc)
	return string(body)
}

// split checks that the two things are two documents, that what refers to them
// says so, and that no conflict is left.
func (s server) wantSplit(t *testing.T, db string, referring int) {
	t.Helper()
	if doc := s.shown(t, db, drawn); doc != nil {
		t.Fatalf("the old document is still there: %v", doc)
	}
	p, r := splitID(personRev), splitID(recordRev)
	for id, want := range map[string][]string{
		p: {`"name":"Amina"`, `"data":"cGVyc29u"`, `"self":"` + p + `"`, `"record":"` + r + `"`},
		r: {`"form":"P"`, `"data":"cmVjb3Jk"`, `"id":"` + r + `"`},
	} {
		doc := plain(s.shown(t, db, id))
		for _, part := range want {
			if !strings.Contains(doc, part) || strings.Contains(doc, drawn) || strings.Contains(doc, "_conflicts") {
				t.Errorf("%s is %s, want %s in it", id, doc, part)
			}
		}
	}
	ids := []string{referringID}
	for i := range referring {
		ids = append(ids, fmt.Sprintf("ref-%04d", i))
	}
	for _, id := range ids {
		want := plain(refer(id, p))
		want = strings.Replace(want, `"record":"`+p, `"record":"`+r, 1)
		if got := plain(s.shown(t, db, id)); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	if doc := s.shown(t, db, "longer"); doc["about"] != drawn+"1" || doc["text"] != "see "+drawn {
		t.Errorf("a longer id was taken for the shorter one: %v", doc)
	}
}

func TestWhatThePolicySaysIsSplitIsSplitByTheNextRun(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db := s.newDB(t)
		s.collide(t, db, 5)
		at := s.site(t, splitting)
		done := at.once(t, db)
		s.wantSplit(t, db, 5)
		if len(done.Review) > 0 {
			t.Errorf("in review: %v", done.Review)
		}
		before := s.leaves(t, db)
		at.once(t, db)
		sameLeaves(t, "once more", s.leaves(t, db), before)
		s.write(t, db, refer("late", drawn))
		at.once(t, db)
		if doc := s.shown(t, db, "late"); strings.Contains(plain(doc), drawn) {
			t.Errorf("a late reference: %v", doc)
		}
		end := at.run(t, "split", db, drawn, "--rollback", "--yes")
		if end.code != 0 || s.shown(t, db, drawn) == nil || !strings.Contains(plain(s.shown(t, db, "late")), drawn) {
			t.Errorf("taken back: %d %s %s", end.code, end.out, end.log)
		}
		after := s.leaves(t, db)
		at.once(t, db)
		sameLeaves(t, "after the rollback", s.leaves(t, db), after)
		if reasons := at.reviews(t, db); reasons[drawn] != couchmend.ReasonTwoRoots {
			t.Errorf("%v", reasons)
		}
	})
}
