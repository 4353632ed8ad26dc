package splitter

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
)

func TestLateReferencesAreMendedOrPutBeforeAPerson(t *testing.T) {
	s, node := newNodeSite(t)
	s.collide(0)
	u := s.unattended()
	if err := s.mends(u, old); err != nil {
		t.Fatal(err)
	}
	s.put("late", "1-a", referrer(old))
	s.put("unclear", "1-a", `{"type":"note","about":"`+old+`","and":{"patient_id":"`+old+`"}}`)
	s.put("_design/app", "1-a", `{"only":"`+old+`"}`)
	s.put("word", "1-a", `{"text":"see `+old+`","longer":"`+old+`1"}`)
	s.put("signed", "1-a", strings.Replace(referrer(old), "{", `{"signed":true,`, 1))
	node.DB(s.name).SetValidate(func(doc, _ json.RawMessage, _ couchtest.UserContext) error {
		if strings.Contains(string(doc), `"signed":true`) {
			return errors.New("it is signed")
		}
		return nil
	})
	before := s.docs()
	if err := s.mends(u, "late", "unclear", "_design/app", "word", "signed"); err != nil {
		t.Fatal(err)
	}
	docs, cases := s.docs(), s.reviews()
	if strings.Contains(docs["late"][0], old) || strings.Count(docs["late"][0], personID()) != 2 {
		t.Errorf("%q", docs["late"])
	}
	for _, id := range []string{"unclear", "_design/app", "word", "signed"} {
		if !slices.Equal(docs[id], before[id]) {
			t.Errorf("%s was edited: %q", id, docs[id])
		}
	}
	for id, want := range map[string]string{"unclear": "about names " + old, "signed": "it is signed"} {
		words := strings.Join(cases[id].Evidence, "\n")
		if cases[id].Reason != couchmend.ReasonLate || !strings.Contains(words, want) || !strings.Contains(words, "couchmend split "+s.name+" "+old) {
			t.Errorf("%s: %+v", id, cases[id])
		}
	}
	if len(cases) != 2 {
		t.Errorf("%v", cases)
	}
	// It was journaled, and an undo stands.
	if _, err := s.Mender.Undo(s.ctx, s.name, "late", "ann", false); err != nil {
		t.Fatal(err)
	}
	if err := s.mends(u, "late"); err != nil {
		t.Fatal(err)
	}
	if docs := s.docs(); !strings.Contains(docs["late"][0], old) || s.reviews()["late"].Reason != couchmend.ReasonLate {
		t.Errorf("%q %+v", docs["late"], s.reviews()["late"])
	}
	node.DB(s.name).SetValidate(nil)
	// A person's answer ends what waits.
	split, err := s.Plan(s.ctx, s.request())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range split.Plan.Groups() {
		if split.Plan, err = split.Plan.Choose(g.DB, g.At, "", "person"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Apply(s.ctx, split); err != nil {
		t.Fatal(err)
	}
	if left := s.reviews(); len(left) > 0 || strings.Contains(fmt.Sprint(s.docs()["unclear"]), old) {
		t.Errorf("%v %q", left, s.docs()["unclear"])
	}
}

func TestALateLeafFollowsWithoutASearchAndAlsoWhereTheSplitIsForgotten(t *testing.T) {
	for _, forgotten := range []bool{false, true} {
		t.Run(fmt.Sprint(forgotten), func(t *testing.T) {
			s, _ := newNodeSite(t)
			s.collide(0)
			u := s.unattended()
			if err := s.mends(u, old); err != nil {
				t.Fatal(err)
			}
			if forgotten {
				s.dir = t.TempDir()
				s.reopen()
				u = s.unattended()
			}
			s.put(old, "2-phone 1-e4da", `{"type":"person","name":"Amina","phone":"+255","id":"`+old+`"}`)
			lists := 0
			s.before = func(op string) {
				if op == "GET _all_docs" {
					lists++
				}
			}
			if err := s.mends(u, old); err != nil {
				t.Fatal(err)
			}
			s.before = nil
			if lists > 0 && !forgotten {
				t.Errorf("the database was listed %d times", lists)
			}
			if err := s.mends(u, personID()); err != nil { // the feed brings it back
				t.Fatal(err)
			}
			docs := s.docs()
			if got := docs[personID()]; len(got) != 1 || !strings.Contains(got[0], "+255") || !strings.Contains(got[0], `"id":"`+personID()+`"`) || len(docs[old]) != 0 {
				t.Errorf("%q\n%q", got, docs[old])
			}
		})
	}
}

func TestALateReferenceIsAPersonsWhereSomethingElseLivesUnderTheOldIDByNow(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(0)
	u := s.unattended()
	if err := s.mends(u, old); err != nil {
		t.Fatal(err)
	}
	s.put(old, "1-third", `{"type":"person","name":"Chidi"}`)
	s.put("late", "1-a", referrer(old))
	if err := s.mends(u, old, "late"); err != nil {
		t.Fatal(err)
	}
	c := s.reviews()["late"]
	if docs := s.docs(); !strings.Contains(docs["late"][0], old) || c.Reason != couchmend.ReasonLate || !strings.Contains(strings.Join(c.Evidence, " "), "something else lives") {
		t.Errorf("%q %+v", docs["late"], c)
	}
}
