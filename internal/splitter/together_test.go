package splitter

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

func newNodeSite(t *testing.T) (*site, *couchtest.Node) {
	t.Helper()
	node := couchtest.NewNode()
	return newSite(t, couchtest.NewServer(t, node).URL), node
}

// A phone saves a referring document at each moment at which the split asks for
// something: what it wrote is in the document at the end, with the right id.
func TestWhatIsSavedDuringASplitIsNotLost(t *testing.T) {
	var merged atomic.Int32
	t.Cleanup(func() {
		if merged.Load() == 0 {
			t.Error("no moment was between the read and the write: the test proves nothing")
		}
	})
	for at := range 19 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			s, _ := newNodeSite(t)
			s.collide(3)
			split, err := s.Plan(s.ctx, s.request())
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			s.before = func(string) {
				if n++; n == at+1 {
					leaves, err := s.server.DB(s.name).Leaves(s.ctx, "ref-0001")
					if err != nil {
						t.Fatal(err)
					}
					path := []couchmend.Rev{{Gen: leaves[0].Rev.Gen + 1, Hash: strings.Repeat("f", 32)}}
					body := []byte(strings.Replace(string(leaves[0].Body), `{`, `{"note":"by phone",`, 1))
					s.write(couch.Write{ID: "ref-0001", Revision: couchmend.Revision{Rev: path[0], Path: append(path, leaves[0].Path...), Body: body}})
				}
			}
			report, err := s.Apply(s.ctx, split)
			if err != nil || len(report.Left) > 0 {
				t.Fatalf("%+v %v", report, err)
			}
			merged.Add(int32(len(report.Merged)))
			s.before = nil
			late, err := s.Plan(s.ctx, s.request())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Apply(s.ctx, late); err != nil {
				t.Fatal(err)
			}
			got := s.docs()["ref-0001"]
			if len(got) != 1 || !strings.Contains(got[0], "by phone") || strings.Contains(got[0], old) || strings.Count(got[0], personID()) != 2 {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestWhatIsWrittenOntoTheOldDocumentFollowsItsVersion(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(0)
	split, err := s.Plan(s.ctx, s.request())
	if err != nil {
		t.Fatal(err)
	}
	s.before = func(op string) {
		if op == "POST _bulk_docs" {
			s.before = nil
			s.put(old, "2-phone 1-e4da", `{"type":"person","name":"Amina","phone":"+255","self":"`+old+`"}`)
		}
	}
	report, err := s.Apply(s.ctx, split)
	if err != nil || len(report.Followed) != 1 {
		t.Fatalf("%+v %v", report, err)
	}
	docs := s.docs()
	if got := docs[personID()]; len(got) != 1 || !strings.Contains(got[0], "+255") || len(docs[old]) != 0 {
		t.Errorf("%q\n%q", got, docs[old])
	}
}

func TestTwoSitesThatSplitAtTheSameTimeEndAlike(t *testing.T) {
	a, nodeA := newNodeSite(t)
	b, nodeB := newNodeSite(t)
	for _, s := range []*site{a, b} {
		s.collide(5)
	}
	for _, s := range []*site{a, b} {
		if _, err := s.apply(s.request()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for _, pair := range [][2]*couchtest.DB{{nodeA.DB(a.name), nodeB.DB(b.name)}, {nodeB.DB(b.name), nodeA.DB(a.name)}} {
			if _, err := couchtest.Replicate(t.Context(), pair[0], pair[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range []*site{a, b} {
		docs := s.docs()
		for id, leaves := range docs {
			if len(leaves) != 1 || strings.Contains(leaves[0], old) {
				t.Errorf("%s: %q", id, leaves)
			}
		}
		if len(docs[personID()]) != 1 || len(docs[recordID()]) != 1 || len(docs[old]) != 0 {
			t.Errorf("%v", docs)
		}
	}
	if x, y := fmt.Sprint(a.revs()), fmt.Sprint(b.revs()); x != y {
		t.Errorf("%s\n%s", x, y)
	}
}

func TestASplitIsRefusedWhereTheDocumentHasMoved(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(0)
	split, err := s.Plan(s.ctx, s.request())
	if err != nil {
		t.Fatal(err)
	}
	s.put(old, "2-b 1-e4da", person)
	before := s.docs()
	if _, err := s.Apply(s.ctx, split); couchmend.KindOf(err) != couchmend.KindConflict {
		t.Errorf("%v", err)
	}
	if now := s.docs(); !same(now, before) {
		t.Errorf("%v", now)
	}
}

func TestOneVersionKeepsTheIDWhereThatIsAskedFor(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(0)
	before := s.docs()
	r := s.request()
	r.Keep = rev("1-ce40")
	if _, err := s.apply(r); err != nil {
		t.Fatal(err)
	}
	docs := s.docs()
	if len(docs[old]) != 1 || !strings.Contains(docs[old][0], "data_record") || len(docs[personID()]) != 1 || strings.Contains(docs["1B7922A6"][0], old) {
		t.Errorf("%v", docs)
	}
	if _, err := s.Rollback(s.ctx, s.name, old); err != nil {
		t.Fatal(err)
	}
	if now := s.docs(); !same(now, before) {
		t.Errorf("%v", now)
	}
}

func TestARollbackIsRefusedWhereANewDocumentWasEdited(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(0)
	if _, err := s.apply(s.request()); err != nil {
		t.Fatal(err)
	}
	s.put(personID(), "2-edit 1-e4da", `{"type":"person","name":"Amina B."}`)
	before := s.docs()
	_, err := s.Rollback(s.ctx, s.name, old)
	if couchmend.KindOf(err) != couchmend.KindConflict || !strings.Contains(err.Error(), personID()) {
		t.Errorf("%v", err)
	}
	if now := s.docs(); !same(now, before) {
		t.Errorf("%v", now)
	}
}

func TestARollbackLeavesReferencesThatAreNotTheSplits(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(0)
	if _, err := s.apply(s.request()); err != nil {
		t.Fatal(err)
	}
	s.put("since", "1-a", `{"about":"`+personID()+`"}`)
	report, err := s.Rollback(s.ctx, s.name, old)
	if err != nil || len(report.Left) != 1 || !strings.Contains(report.Left[0], "since") {
		t.Fatalf("%+v %v", report, err)
	}
	if docs := s.docs(); !strings.Contains(docs["since"][0], personID()) || !strings.Contains(docs["1B7922A6"][0], old) {
		t.Errorf("%v", docs)
	}
}

func TestARollbackThatIsKilledAnywhereGoesOn(t *testing.T) {
	node := couchtest.NewServer(t, couchtest.NewNode()).URL
	whole := newSite(t, node)
	whole.collide(5)
	before := whole.docs()
	if _, err := whole.apply(whole.request()); err != nil {
		t.Fatal(err)
	}
	whole.asked = 0
	if _, err := whole.Rollback(whole.ctx, whole.name, old); err != nil {
		t.Fatal(err)
	}
	for cut := range whole.asked {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, node)
			s.collide(5)
			if _, err := s.apply(s.request()); err != nil {
				t.Fatal(err)
			}
			s.after, s.asked, s.lost = cut, 0, true
			if _, err := s.Rollback(s.ctx, s.name, old); err == nil {
				t.Fatal("nothing was cut off")
			}
			s.reopen()
			if found, err := s.Find(s.ctx, s.name, old); err != nil || found.State.Stage == ledger.SplitDone {
				return // it had not begun
			}
			if _, err := s.Resume(s.ctx, s.name, old); err != nil {
				t.Fatal(err)
			}
			if now := s.docs(); !same(now, before) {
				t.Errorf("not as it was: %v", now)
			}
		})
	}
}

// Three things; references to themselves and to each
// other; a design document that mentions the id, and an id that begins with it.
func TestWhatTheVersionsSayOfTheirIDMovesWithThem(t *testing.T) {
	s, _ := newNodeSite(t)
	s.put(old, "1-aa", `{"type":"person","id":"`+old+`","name":"Amina"}`)
	s.put(old, "1-bb", `{"type":"clinic","id":"`+old+`","name":"North"}`)
	s.put(old, "1-cc", `{"type":"report","id":"`+old+`"}`)
	s.put("_design/app", "1-a", `{"only":"`+old+`"}`)
	s.put("longer", "1-a", `{"about":"`+old+`1"}`)
	before := s.docs()
	report, err := s.apply(s.request())
	if err != nil {
		t.Fatalf("%+v %v", report, err)
	}
	docs := s.docs()
	for _, word := range []string{"1-aa", "1-bb", "1-cc"} {
		id := collision.NewID(old, rev(word))
		if len(docs[id]) != 1 || !strings.Contains(docs[id][0], `"id":"`+id+`"`) {
			t.Errorf("%s: %q", word, docs[id])
		}
	}
	if !slices.Equal(docs["_design/app"], before["_design/app"]) || !slices.Equal(docs["longer"], before["longer"]) || len(docs[old]) != 0 {
		t.Errorf("%v", docs)
	}
	if _, err := s.Rollback(s.ctx, s.name, old); err != nil {
		t.Fatal(err)
	}
	if now := s.docs(); !same(now, before) {
		t.Errorf("%v", now)
	}
}

func TestNothingIsBuriedWhileAReferenceCouldNotBeChanged(t *testing.T) {
	s, node := newNodeSite(t)
	s.collide(2)
	split, err := s.Plan(s.ctx, s.request())
	if err != nil {
		t.Fatal(err)
	}
	node.DB(s.name).SetValidate(func(doc, _ json.RawMessage, _ couchtest.UserContext) error {
		if strings.Contains(string(doc), `"n":1,`) {
			return errors.New("it is signed")
		}
		return nil
	})
	_, err = s.Apply(s.ctx, split)
	if couchmend.KindOf(err) != couchmend.KindRefused || !strings.Contains(err.Error(), "ref-0001") || !strings.Contains(err.Error(), "signed") {
		t.Errorf("%v", err)
	}
	if docs := s.docs(); len(docs[old]) != 2 || strings.Contains(docs["ref-0000"][0], old) {
		t.Errorf("%v", docs)
	}
	node.DB(s.name).SetValidate(nil)
	if _, err := s.Resume(s.ctx, s.name, old); err != nil {
		t.Fatal(err)
	}
	if docs := s.docs(); len(docs[old]) != 0 || strings.Contains(docs["ref-0001"][0], old) {
		t.Errorf("%v", docs)
	}
}

func TestLosingLeavesAreEditedToo(t *testing.T) {
	s, _ := newNodeSite(t)
	s.collide(0)
	s.put("1B7922A6", "1-b", strings.Replace(referrer(old), `{`, `{"side":"b",`, 1))
	before := s.docs()
	if _, err := s.apply(s.request()); err != nil {
		t.Fatal(err)
	}
	got := s.docs()["1B7922A6"]
	if len(got) != 2 || strings.Contains(fmt.Sprint(got), old) || strings.Count(fmt.Sprint(got), personID()) != 4 {
		t.Errorf("%q", got)
	}
	if _, err := s.Rollback(s.ctx, s.name, old); err != nil {
		t.Fatal(err)
	}
	if now := s.docs(); !same(now, before) {
		t.Errorf("%v", now)
	}
}

func TestReferencesInOtherDatabasesAndInLongerStringsAreFoundWhereAskedFor(t *testing.T) {
	s, _ := newNodeSite(t)
	audit := newSite(t, s.url)
	s.collide(0)
	words := `{"type":"report","fields":{"patient_id":"seen:%s:1"},"by":{"%s":{"at":"%s"}}}`
	for i := range 4 {
		other := fmt.Sprintf("person-%d", i)
		audit.write(write("telling-"+other, "1-a", referrer(other)))
	}
	audit.put("entry", "1-a", referrer(old))
	s.put("words", "1-a", fmt.Sprintf(words, old, old, old))
	before := []map[string][]string{s.docs(), audit.docs()}
	r := s.request()
	r.Also, r.Substrings = []string{audit.name}, true
	split, err := s.Plan(s.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	for i, ref := range split.Plan.References {
		if ref.To == "" {
			if split.Plan.References[i], err = split.Plan.Answer(ref, "person"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Apply(s.ctx, split); err != nil {
		t.Fatal(err)
	}
	if got := s.docs()["words"][0]; strings.Contains(got, old) || strings.Count(got, personID()) != 3 {
		t.Errorf("%s", got)
	}
	if got := audit.docs()["entry"][0]; strings.Contains(got, old) || strings.Count(got, personID()) != 2 {
		t.Errorf("%s", got)
	}
	if _, err := s.Rollback(s.ctx, s.name, old); err != nil {
		t.Fatal(err)
	}
	if now := []map[string][]string{s.docs(), audit.docs()}; !same(now[0], before[0]) || !same(now[1], before[1]) {
		t.Errorf("%v", now)
	}
}
