package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
)

// guard makes a database refuse writes by a validation function: merges of what
// conflict wrote, tombstones, or both. The document "free" is let through.
func (s server) guard(t *testing.T, db string, merges, tombstones bool) {
	t.Helper()
	if s.real {
		s.must(t, http.MethodPut, "/"+db+"/_design/guard", map[string]string{"validate_doc_update": fmt.Sprintf(`function(doc) {
			if (doc._id === 'free') return;
			if (%t && doc.left === 'new' && doc.right === 'new') throw({forbidden: 'no merges'});
			if (%t && doc._deleted) throw({forbidden: 'no tombstones'});
		}`, merges, tombstones)}, nil)
		return
	}
	s.node.DB(db).SetValidate(func(text, _ json.RawMessage, _ couchtest.UserContext) error {
		var doc struct {
			ID          string `json:"_id"`
			Deleted     bool   `json:"_deleted"`
			Left, Right string
		}
		switch err := json.Unmarshal(text, &doc); {
		case err != nil:
			return err
		case doc.ID == "free":
			return nil
		case merges && doc.Left == "new" && doc.Right == "new":
			return errors.New("no merges")
		case tombstones && doc.Deleted:
			return errors.New("no tombstones")
		}
		return nil
	})
}

func TestAValidationFunctionThatRefusesLosesNothingAndIsReportedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		merges, tombstones bool
		want               couchmend.Reason
		shown              bool // readers see the merge
	}{
		{"merges", true, false, couchmend.ReasonRefused, false},
		{"tombstones", false, true, couchmend.ReasonNotBuried, true},
		{"both", true, true, couchmend.ReasonRefused, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEachServer(t, func(t *testing.T, s server) {
				const refused = 5
				db, at := s.newDB(t), s.site(t, records)
				for i := range refused {
					s.conflict(t, db, fmt.Sprint("guarded", i))
				}
				s.guard(t, db, c.merges, c.tombstones)
				s.conflict(t, db, "free")
				for i := range 2 {
					end := at.run(t, "run", "--once", "--db", db)
					if n := strings.Count(end.log, string(`"reason":"`+c.want+`"`)); end.code != 2 || n != refused*(1-i) {
						t.Errorf("run %d: exit code %d, %d reports:\n%s", i+1, end.code, n, tail(end.log))
					}
				}
				if !s.merged(t, db, "free") {
					t.Error("the feed did not go on")
				}
				reviews := at.reviews(t, db)
				for i := range refused {
					id := fmt.Sprint("guarded", i)
					live, both := s.live(t, db, id)
					if live != 2 || both != c.shown || reviews[id] != c.want {
						t.Errorf("%s: %d live leaves, merged: %v, in review for %q", id, live, both, reviews[id])
					}
				}
			})
		})
	}
}

// live counts a document's live leaves, and reports whether the winner has both
// edits of what conflict wrote.
func (s server) live(t *testing.T, db, id string) (leaves int, both bool) {
	t.Helper()
	var doc struct {
		Left, Right string
		Conflicts   []string `json:"_conflicts"`
	}
	s.must(t, http.MethodGet, "/"+db+"/"+escaped(id)+"?conflicts=true", nil, &doc)
	return 1 + len(doc.Conflicts), doc.Left == "new" && doc.Right == "new"
}
