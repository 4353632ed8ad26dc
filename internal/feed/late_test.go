package feed

import (
	"fmt"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/collision"
)

// seeking follows with a look for ids, in the database named clinic.
func seeking(t *testing.T, ids ...string) func(*Config) {
	t.Helper()
	seeker, err := collision.Seek(ids, collision.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *Config) {
		c.Seeker = func(db string) *collision.Seeker {
			if db == "clinic" {
				return seeker
			}
			return nil
		}
	}
}

func TestWhatMayReferToASplitIDGoesIntoTheQueue(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	s.node.CreateDB("other")
	for i := range 300 {
		s.save("clinic", fmt.Sprintf("quiet-%03d", i), `{"n":1}`, "1-a")
	}
	s.save("clinic", "late", `{"patient":"drawn"}`, "1-a")
	s.save("clinic", "_design/app", `{"only":"drawn"}`, "1-a")
	s.save("clinic", "gone", `{"patient":"drawn"}`, "1-a")
	s.bury("clinic", "gone", "2-b", "1-a")
	s.save("other", "late", `{"patient":"drawn"}`, "1-a")
	s.running(s.follower(seeking(t, "drawn")))
	s.wantQueued("clinic", "late")
	s.fork("clinic", "torn")
	s.wantQueued("clinic", "torn")
	s.save("clinic", "later", `{"patient":"drawn"}`, "1-a")
	s.wantQueued("clinic", "later")
	s.eventually("other is followed", func() bool { return s.requests("/other/_changes") > 0 })
	for db, ids := range map[string][]string{"clinic": {"quiet-000", "quiet-299", "_design/app", "gone"}, "other": {"late"}} {
		for _, id := range ids {
			if s.waiting(db, id) {
				t.Errorf("%s/%s is in the queue", db, id)
			}
		}
	}
	if n := s.requests("/clinic/_bulk_get"); n > 8 {
		t.Errorf("%d requests for the bodies of some pages", n)
	}
	if n := s.requests("/other/_bulk_get"); n > 0 {
		t.Errorf("%d requests where nothing was split", n)
	}
}

func TestAPageThatCannotBeReadForLateReferencesIsWorkedOn(t *testing.T) {
	s := newSite(t)
	s.node.CreateDB("clinic")
	s.node.Inject(&couchtest.Fault{Match: to("/_bulk_get"), Status: 500})
	s.save("clinic", "late", `{"patient":"drawn"}`, "1-a")
	s.running(s.follower(seeking(t, "drawn")))
	s.wantQueued("clinic", "late")
}

// bury deletes a document.
func (s *site) bury(db, id string, path ...string) {
	s.Helper()
	r := couchmend.Revision{Deleted: true, Body: []byte(`{}`)}
	for _, rev := range path {
		r.Path = append(r.Path, couchmend.MustRev(rev))
	}
	r.Rev = r.Path[0]
	if err := s.node.DB(db).Put(r, id); err != nil {
		s.Fatal(err)
	}
}
