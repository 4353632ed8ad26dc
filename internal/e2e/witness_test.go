package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/couchmend/couchmend/internal/conflictgen"
)

// witness listens at a proxy and says whether each loser was buried only after a
// revision that contains it was confirmed (I1): the server had said so, by the
// answer to a write that did not refuse it or by showing it, before the tombstone
// was sent. It works marks out for itself. What counts is when the answer came to
// the proxy: once it is passed on, the next request may overtake whoever notes it.
type witness struct {
	mu       sync.Mutex
	known    map[string]map[string]bool // by document: the marks of live revisions that couchmend was told of
	deleted  map[string]bool            // documents that the policy deletes: nothing need contain those
	burials  int
	offences []string
}

func newWitness(g *conflictgen.Generator) *witness {
	w := &witness{known: map[string]map[string]bool{}, deleted: map[string]bool{}}
	for c := range g.Docs() {
		w.deleted[c.ID] = c.Want.Deleted
	}
	return w
}

// written is a revision in a request or an answer.
type written struct {
	ID        string `json:"_id"`
	Rev       string `json:"_rev"`
	Deleted   bool   `json:"_deleted"`
	Revisions struct {
		Start int
		IDs   []string
	} `json:"_revisions"`
}

func (w *witness) hear(m moment, x *exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case x.kind == "POST _bulk_docs" && m == asked:
		for _, r := range w.revisions(x) {
			if r.Deleted {
				w.burial(r)
			}
		}
	case x.kind == "POST _bulk_docs" && m == done && x.status == 201:
		w.confirm(x)
	case x.kind == "POST _bulk_get" && m == done && x.status == 200:
		w.read(x)
	}
}

func (w *witness) revisions(x *exchange) []written {
	var request struct{ Docs []written }
	if err := json.Unmarshal(x.body, &request); err != nil {
		w.offences = append(w.offences, "a write that can't be read: "+err.Error())
	}
	return request.Docs
}

// burial looks at a tombstone that is about to be written.
func (w *witness) burial(r written) {
	w.burials++
	if len(r.Revisions.IDs) < 2 {
		w.offences = append(w.offences, fmt.Sprintf("%s: tombstone %s says of nothing that it buries it", r.ID, r.Rev))
		return
	}
	loser := strconv.Itoa(r.Revisions.Start-1) + "-" + r.Revisions.IDs[1]
	sum := sha256.Sum256([]byte(loser))
	if !w.known[r.ID][hex.EncodeToString(sum[:10])] && !w.deleted[r.ID] {
		w.offences = append(w.offences, fmt.Sprintf("%s: %s was buried, and nothing that contains it was confirmed", r.ID, loser))
	}
}

// confirm takes note of what a request wrote.
func (w *witness) confirm(x *exchange) {
	var rows []struct{ ID, Rev, Error string }
	if err := json.Unmarshal(x.answer, &rows); err != nil {
		w.offences = append(w.offences, "an answer that can't be read: "+err.Error())
		return
	}
	refused := map[string]bool{}
	for _, row := range rows {
		refused[row.ID+" "+row.Rev] = row.Error != ""
	}
	for _, r := range w.revisions(x) {
		if !refused[r.ID+" "+r.Rev] {
			w.learn(r)
		}
	}
}

// read takes note of what couchmend was shown.
func (w *witness) read(x *exchange) {
	var answer struct {
		Results []struct {
			Docs []struct{ OK *written }
		}
	}
	if err := json.Unmarshal(x.answer, &answer); err != nil {
		w.offences = append(w.offences, "an answer that can't be read: "+err.Error())
	}
	for _, result := range answer.Results {
		for _, doc := range result.Docs {
			if doc.OK != nil {
				w.learn(*doc.OK)
			}
		}
	}
}

func (w *witness) learn(r written) {
	if r.Deleted {
		return
	}
	for _, hash := range r.Revisions.IDs {
		if len(hash) == 32 && strings.HasPrefix(hash, "c0a1e5ce") {
			if w.known[r.ID] == nil {
				w.known[r.ID] = map[string]bool{}
			}
			w.known[r.ID][hash[12:]] = true
		}
	}
}

// testify fails the test for each offence.
func (w *witness) testify(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, offence := range w.offences[:min(len(w.offences), 10)] {
		t.Error(offence)
	}
	if w.burials == 0 {
		t.Error("nothing was buried: nothing was seen")
	}
	t.Logf("%d tombstones looked at, %d offences", w.burials, len(w.offences))
}
