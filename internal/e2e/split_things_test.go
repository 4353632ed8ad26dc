package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/pouchserver"
)

func TestThreeThingsUnderOneIDBecomeThreeDocuments(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		db := s.newDB(t)
		s.collide(t, db, 3)
		s.write(t, db,
			map[string]any{"_id": drawn, "_rev": clinicRev, "type": "clinic", "name": "North", "_attachments": attached("clinic")},
			map[string]any{"_id": "_design/app", "_rev": "1-a", "only": drawn, "views": map[string]any{"one": map[string]any{"map": "function (doc) { if (doc.a === '" + drawn + "') emit(1); }"}}},
		)
		design := plain(s.shown(t, db, "_design/app"))
		at := s.site(t, splitting)
		at.once(t, db)
		s.wantSplit(t, db, 3)
		clinic := s.shown(t, db, splitID(clinicRev))
		if clinic["name"] != "North" || !strings.Contains(plain(clinic), `"data":"Y2xpbmlj"`) {
			t.Errorf("%v", clinic)
		}
		if now := plain(s.shown(t, db, "_design/app")); now != design {
			t.Errorf("the design document was edited: %s", now)
		}
		entry := newestSplit(t, at, db)
		if words := strings.Join(entry.Decision.Evidence, "\n"); !strings.Contains(words, "_design/app") {
			t.Errorf("the design document is not reported: %s", words)
		}
	})
}

// newestSplit is the journal's line about the split.
func newestSplit(t *testing.T, at site, db string) (entry ledger.Entry) {
	t.Helper()
	for _, e := range at.history(t, db, drawn) {
		if e.Kind == "split" {
			entry = e
		}
	}
	return entry
}

func TestWhatRefersToADeletedVersionIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	onEachServer(t, func(t *testing.T, s server) {
		collided := func(db string) {
			s.write(t, db,
				map[string]any{"_id": drawn, "_rev": personRev, "type": "person", "name": "Amina"},
				map[string]any{"_id": drawn, "_rev": clinicRev, "type": "clinic", "name": "North"},
				map[string]any{"_id": drawn, "_rev": recordRev, "type": "data_record", "form": "P"},
				map[string]any{"_id": drawn, "_rev": "2-d11d1111111111111111111111111111", "_deleted": true, "type": "data_record",
					"_revisions": map[string]any{"start": 2, "ids": []string{"d11d1111111111111111111111111111", recordRev[2:]}}},
			)
		}
		db := s.newDB(t)
		collided(db)
		s.write(t, db, refer("both", drawn)) // it names the record, too
		at := s.site(t, splitting)
		before := s.leaves(t, db)
		at.once(t, db)
		sameLeaves(t, "nothing is known of the record", s.leaves(t, db), before)
		if reasons := at.reviews(t, db); reasons[drawn] != couchmend.ReasonTwoRoots {
			t.Errorf("%v", reasons)
		}
		db = s.newDB(t)
		collided(db)
		only := refer("only", drawn)
		delete(only["fields"].(map[string]any), "record")
		s.write(t, db, only)
		at = s.site(t, splitting)
		at.once(t, db)
		if doc := plain(s.shown(t, db, "only")); strings.Contains(doc, drawn) || strings.Count(doc, splitID(personRev)) != 2 {
			t.Errorf("%s", doc)
		}
		if s.shown(t, db, drawn) != nil || s.shown(t, db, splitID(recordRev)) != nil || s.shown(t, db, splitID(clinicRev)) == nil {
			t.Error("what was deleted is there again, or what was not is gone")
		}
	})
}

func TestWhatAPhoneBringsAfterASplitIsMended(t *testing.T) {
	t.Parallel()
	t.Run("couchtest", func(t *testing.T) { phoneAfterSplit(t, newServer(t)) })
	t.Run("PouchDB", func(t *testing.T) { phoneAfterSplit(t, server{url: pouchserver.Start(t)}) })
	t.Run("CouchDB", func(t *testing.T) {
		named := os.Getenv("COUCHMEND_TEST_COUCHDB")
		if named == "" {
			t.Skip("COUCHMEND_TEST_COUCHDB names no CouchDB")
		}
		phoneAfterSplit(t, server{url: strings.TrimSuffix(named, "/"), real: true})
	})
}

// phoneAfterSplit lets a phone go offline with the old document, edit it, and
// refer to it, and come back when it was split.
func phoneAfterSplit(t *testing.T, s server) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node")
	}
	db := s.newDB(t)
	s.collide(t, db, 3)
	ann := phone{openDrawer(t), "ann"}
	ann.sync(t, s.url+"/"+db)
	at := s.site(t, splitting)
	at.start(t, "run", "--db", db)
	eventually(t, time.Minute, "it is split", func() bool { return s.shown(t, db, drawn) == nil })
	eventually(t, time.Minute, "nothing waits", func() bool { return len(at.reviews(t, db)) == 0 })
	s.wantSplit(t, db, 3)

	ann.obey(t, order{Do: "edit", ID: drawn, Set: map[string]any{"phone": "+254700"}})
	ann.obey(t, order{Do: "edit", ID: "visit", Set: map[string]any{"type": "report", "fields": map[string]any{"patient_id": drawn}}})
	ann.obey(t, order{Do: "edit", ID: "unclear", Set: map[string]any{"type": "note", "about": drawn}})
	ann.sync(t, s.url+"/"+db)
	person := splitID(personRev)
	eventually(t, time.Minute, "what the phone brought is mended", func() bool {
		ann.sync(t, s.url+"/"+db)
		shown := ann.shown(t)
		_, old := shown[drawn]
		fields, _ := shown["visit"].Fields["fields"].(map[string]any)
		followed := shown[person].Fields["phone"] == "+254700" || shown[splitID(recordRev)].Fields["phone"] == "+254700"
		return !old && followed && fields["patient_id"] == person && at.reviews(t, db)["unclear"] == couchmend.ReasonLate
	})
	for id, doc := range ann.shown(t) {
		if len(doc.Conflicts) > 0 {
			t.Errorf("%s is in conflict", id)
		}
	}
	if doc := plain(s.shown(t, db, "unclear")); !strings.Contains(doc, drawn) {
		t.Errorf("it was guessed: %s", doc)
	}
	end := at.run(t, "review", "list", "--json")
	if want := fmt.Sprintf("couchmend split %s %s", db, drawn); !strings.Contains(end.out, want) {
		t.Errorf("%s does not say %s", end.out, want)
	}
	if end := at.run(t, "undo", db, "visit", "--yes"); end.code != 0 {
		t.Errorf("undo: %s %s", end.out, end.log)
	}
	eventually(t, time.Minute, "what was undone stays so, and waits", func() bool { return at.reviews(t, db)["visit"] == couchmend.ReasonLate })
	if doc := plain(s.shown(t, db, "visit")); !strings.Contains(doc, drawn) {
		t.Errorf("%s", doc)
	}
}
