package splitter

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/pouchserver"
)

const (
	person = `{"type":"person","name":"Amina","phone":"+254700"}`
	record = `{"type":"data_record","form":"P","fields":{"lmp":"2020-01-01"}}`
)

// collide writes the example: a person and a data_record under one id, another
// document that refers to the person twice, and some that tell the types.
func (s *site) collide(referring int) {
	s.Helper()
	s.put(old, "1-e4da", person, couchmend.Attachment{Name: "face.jpg", ContentType: "image/jpeg", RevPos: 1, Length: 6, Data: []byte("person")})
	s.put(old, "1-ce40", record, couchmend.Attachment{Name: "face.jpg", ContentType: "image/jpeg", RevPos: 1, Length: 6, Data: []byte("record")})
	for i := range 4 {
		other := fmt.Sprintf("person-%d", i)
		s.write(write(other, "1-a", `{"type":"person","name":"Bahati"}`), write("telling-"+other, "1-a", referrer(other)))
	}
	s.put("1B7922A6", "1-a", referrer(old))
	var writes []couch.Write
	for i := range referring {
		writes = append(writes, write(fmt.Sprintf("ref-%04d", i), "1-a", fmt.Sprintf(`{"n":%d,%s`, i, referrer(old)[1:])))
	}
	s.write(writes...)
}

func referrer(id string) string {
	return fmt.Sprintf(`{"type":"report","fields":{"inputs":{"contact":{"_id":%q}},"patient_id":%q}}`, id, id)
}

func personID() string { return collision.NewID(old, rev("1-e4da")) }
func recordID() string { return collision.NewID(old, rev("1-ce40")) }

func rev(word string) couchmend.Rev {
	gen, hash, _ := strings.Cut(word, "-")
	return couchmend.MustRev(gen + "-" + fmt.Sprintf("%032x", hash))
}

func onEachServer(t *testing.T, f func(*site)) {
	t.Run("couchtest", func(t *testing.T) { f(newSite(t, couchtest.NewServer(t, couchtest.NewNode()).URL)) })
	t.Run("pouchdb", func(t *testing.T) { f(newSite(t, pouchserver.Start(t))) })
	t.Run("couchdb", func(t *testing.T) {
		if os.Getenv(couchEnv) == "" {
			t.Skip(couchEnv + " names no CouchDB")
		}
		f(newSite(t, os.Getenv(couchEnv)))
	})
}

func TestTwoThingsUnderOneIDBecomeTwoDocuments(t *testing.T) {
	onEachServer(t, func(s *site) {
		s.collide(0)
		report, err := s.apply(s.request())
		if err != nil || report.Stage != ledger.SplitDone || len(report.Left) > 0 {
			s.Fatalf("%+v %v", report, err)
		}
		docs := s.docs()
		for id, want := range map[string]string{
			personID(): `{"name":"Amina","phone":"+254700","type":"person"} face.jpg(image/jpeg)=person`,
			recordID(): `{"fields":{"lmp":"2020-01-01"},"form":"P","type":"data_record"} face.jpg(image/jpeg)=record`,
		} {
			if !slices.Equal(docs[id], []string{want}) {
				s.Errorf("%s: %q, want %s", id, docs[id], want)
			}
		}
		if want := `{"fields":{"inputs":{"contact":{"_id":"` + personID() + `"}},"patient_id":"` + personID() + `"},"type":"report"}`; !slices.Equal(docs["1B7922A6"], []string{want}) {
			s.Errorf("%q", docs["1B7922A6"])
		}
		if len(docs[old]) != 0 {
			s.Errorf("the old id is still there: %q", docs[old])
		}
		again, err := s.Plan(s.ctx, s.request())
		if err != nil || !again.Nothing() {
			s.Errorf("a second run has something to do: %+v %v", again, err)
		}
	})
}

func TestASplitThatIsTakenBackLeavesAllAsItWas(t *testing.T) {
	onEachServer(t, func(s *site) {
		s.collide(0)
		before := s.docs()
		if _, err := s.apply(s.request()); err != nil {
			s.Fatal(err)
		}
		after := s.docs()
		for range 2 {
			report, err := s.Rollback(s.ctx, s.name, old)
			if err != nil || report.Stage != ledger.SplitRolledBack || len(report.Left) > 0 {
				s.Fatalf("%+v %v", report, err)
			}
			if now := s.docs(); !same(now, before) {
				s.Errorf("%v\n%v", now, before)
			}
			if _, err := s.apply(s.request()); err != nil {
				s.Fatal(err)
			}
			if now := s.docs(); !same(now, after) {
				s.Errorf("split again: %v\n%v", now, after)
			}
		}
	})
}

// numberReferring is how many documents refer in the tests that kill: 500 where the
// environment says so, for a nightly run.
func numberReferring(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("COUCHMEND_TEST_SPLIT_REFERENCES"))
	if err != nil {
		return 50
	}
	return n
}

func TestASplitThatIsKilledAnywhereCanBeResumedOrTakenBack(t *testing.T) {
	n := numberReferring(t)
	node := couchtest.NewServer(t, couchtest.NewNode()).URL
	whole := newSite(t, node)
	whole.collide(n)
	split, err := whole.Plan(whole.ctx, whole.request())
	if err != nil {
		t.Fatal(err)
	}
	before := whole.docs()
	whole.asked = 0
	if _, err := whole.Apply(whole.ctx, split); err != nil {
		t.Fatal(err)
	}
	requests := whole.asked
	after, revs := whole.docs(), fmt.Sprint(whole.revs())
	if limit := 14 + 8*(n/docsAtOnce+1); requests > limit {
		t.Errorf("%d references took %d requests", 2*n, requests)
	}
	for cut := range requests {
		for _, c := range []struct {
			end  string
			lost bool
		}{{"resumed", false}, {"resumed", true}, {"taken back", true}} {
			t.Run(fmt.Sprintf("%s after %d lost %v", c.end, cut, c.lost), func(t *testing.T) {
				t.Parallel()
				s := newSite(t, node)
				s.collide(n)
				split, err := s.Plan(s.ctx, s.request())
				if err != nil {
					t.Fatal(err)
				}
				s.after, s.asked, s.lost = cut, 0, c.lost
				if _, err := s.Apply(s.ctx, split); err == nil {
					t.Fatal("nothing was cut off")
				}
				s.reopen()
				found, err := s.Find(s.ctx, s.name, old)
				switch {
				case err != nil:
					t.Fatal(err)
				case found == nil:
					if now := s.docs(); !same(now, before) {
						t.Errorf("nothing is stored of a split, but something was written: %v", now)
					}
				case c.end == "resumed":
					if _, err := s.Resume(s.ctx, s.name, old); err != nil {
						t.Fatal(err)
					}
					if now := s.docs(); !same(now, after) || fmt.Sprint(s.revs()) != revs {
						t.Errorf("the end is another one: %v", now)
					}
				default:
					if _, err := s.Rollback(s.ctx, s.name, old); err != nil {
						t.Fatal(err)
					}
					if now := s.docs(); !same(now, before) {
						t.Errorf("not as it was: %v", now)
					}
				}
			})
		}
	}
}
