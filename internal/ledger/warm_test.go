package ledger_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

// clock is a time of day that stands still.
type clock struct{ since atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(c.since.Load()))
}
func (c *clock) pass(d time.Duration) { c.since.Add(int64(d)) }

// leaves are the live leaves of the n-th conflict of a document.
func leaves(n int) []couchmend.Rev {
	return []couchmend.Rev{{Gen: n, Hash: "b"}, {Gen: n, Hash: "a"}}
}

// conflicts counts n conflicts of a document, other ones at each call.
func conflicts(t *testing.T, w *ledger.Warm, db, id string, n int) {
	t.Helper()
	for range n {
		check(t, w.Count(t.Context(), db, ledger.Met{ID: id, Leaves: leaves(int(conflictsSoFar.Add(1)))}))
	}
}

var conflictsSoFar atomic.Int64

func follow(t *testing.T, l *ledger.Ledger, c ledger.WarmConfig) *ledger.Warm {
	t.Helper()
	return must(l.FollowWarm(t.Context(), c))(t)
}

func TestADocumentIsWarmFromItsThirdConflictOn(t *testing.T) {
	w := follow(t, open(t, ledger.Config{Dir: t.TempDir()}), ledger.WarmConfig{})
	conflicts(t, w, "db", "hot", 2)
	conflicts(t, w, "db", "other", 1)
	conflicts(t, w, "db2", "hot", 1)
	if w.Has("db", "hot") || w.Documents() != 0 {
		t.Errorf("after two conflicts it is warm; %d are", w.Documents())
	}
	conflicts(t, w, "db", "hot", 1)
	if !w.Has("db", "hot") || w.Has("db", "other") || w.Has("db2", "hot") || w.Documents() != 1 {
		t.Errorf("hot %v, other %v, of another database %v, in all %d", w.Has("db", "hot"), w.Has("db", "other"), w.Has("db2", "hot"), w.Documents())
	}
}

func TestAConflictThatIsMetAgainCountsOnce(t *testing.T) {
	w := follow(t, open(t, ledger.Config{Dir: t.TempDir()}), ledger.WarmConfig{After: 2})
	same := leaves(1)
	turned := []couchmend.Rev{same[1], same[0]}
	check(t, w.Count(t.Context(), "db", ledger.Met{ID: "d", Leaves: same}, ledger.Met{ID: "d", Leaves: turned}))
	check(t, w.Count(t.Context(), "db", ledger.Met{ID: "d", Leaves: same}))
	if w.Has("db", "d") {
		t.Error("one conflict made it warm")
	}
	check(t, w.Count(t.Context(), "db", ledger.Met{ID: "d", Leaves: leaves(2)}))
	if !w.Has("db", "d") {
		t.Error("two did not")
	}
}

func TestADocumentCoolsAWindowAfterItsLastConflict(t *testing.T) {
	var c clock
	w := follow(t, open(t, ledger.Config{Dir: t.TempDir(), Now: c.now}), ledger.WarmConfig{Window: time.Hour})
	for range 6 {
		conflicts(t, w, "db", "rare", 1)
		c.pass(31 * time.Minute)
	}
	if w.Has("db", "rare") {
		t.Error("never were there three within an hour")
	}
	conflicts(t, w, "db", "hot", 3)
	for range 3 {
		c.pass(59 * time.Minute)
		if !w.Has("db", "hot") {
			t.Fatal("it cooled within an hour of a conflict")
		}
		conflicts(t, w, "db", "hot", 1)
	}
	c.pass(61 * time.Minute)
	if w.Has("db", "hot") || w.Documents() != 0 {
		t.Error("it is warm an hour after its last conflict")
	}
	conflicts(t, w, "db", "hot", 2)
	if w.Has("db", "hot") {
		t.Error("what was before it cooled counts")
	}
	conflicts(t, w, "db", "hot", 1)
	if !w.Has("db", "hot") {
		t.Error("it does not get warm again")
	}
}

func TestTheWarmSetOutlivesARestart(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, first *ledger.Ledger) {
		w := follow(t, first, ledger.WarmConfig{})
		conflicts(t, w, "db", "hot", 3)
		conflicts(t, w, "db", "twice", 2)
		check(t, w.Keep(t.Context(), "db", ledger.Body{ID: "hot", Revision: revision("4-d", `{"n":1.0}`)}))
		check(t, first.Close())

		second := open(t, ledger.ConfigOf(first))
		w = follow(t, second, ledger.WarmConfig{})
		if !w.Has("db", "hot") || w.Has("db", "twice") || w.Documents() != 1 {
			t.Errorf("hot %v, twice %v, in all %d", w.Has("db", "hot"), w.Has("db", "twice"), w.Documents())
		}
		conflicts(t, w, "db", "twice", 1)
		if !w.Has("db", "twice") {
			t.Error("the first two conflicts are forgotten")
		}
		want(t, second, "db", "hot", "4-d", `{"n":1.0}`)
	})
}

func TestProcessesShareTheWarmSet(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, run *ledger.Ledger) {
		other := must(ledger.Connect(t.Context(), ledger.ConfigOf(run)))(t)
		t.Cleanup(func() { check(t, other.Close()) })
		here := follow(t, run, ledger.WarmConfig{})
		conflicts(t, here, "db", "d", 2)
		there := follow(t, other, ledger.WarmConfig{}) // it knows of both
		conflicts(t, there, "db", "d", 1)
		for _, w := range []*ledger.Warm{here, there} {
			within(t, 5*time.Second, "it is warm", func() bool { return w.Has("db", "d") })
		}
		check(t, there.Keep(t.Context(), "db", ledger.Body{ID: "d", Revision: revision("4-d", `{}`)}))
		want(t, run, "db", "d", "4-d", `{}`)
	})
}

// want checks that a revision of a document was kept, as such.
func want(t *testing.T, l *ledger.Ledger, db, id, rev, body string) {
	t.Helper()
	r := couchmend.MustRev(rev)
	got := must(l.Kept(t.Context(), db, map[string][]couchmend.Rev{id: {r}}))(t)
	if string(got[id][r].Body) != body {
		t.Errorf("%s %s was kept as %s, want %s", id, rev, got[id][r].Body, body)
	}
}

func TestBodiesOfWarmDocumentsAreKeptExactly(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		w := follow(t, l, ledger.WarmConfig{After: 1})
		conflicts(t, w, "a/b", "an id *", 1)
		r := revision("3-some hash.*>", `{"z":1,"a":1.0,"big":12345678901234567891,"html":"<b>&amp;</b>","n":null}`)
		r.Attachments = []couchmend.Attachment{{Name: "a", ContentType: "x/y", Digest: "md5-x", Length: 2, RevPos: 1, Data: []byte("ab")}}
		dead := revision("5-e", `{}`)
		dead.Deleted = true
		check(t, w.Keep(t.Context(), "a/b",
			ledger.Body{ID: "an id *", Revision: r},
			ledger.Body{ID: "cold", Revision: revision("2-c", `{}`)},
			ledger.Body{ID: "an id *", Revision: dead},
			ledger.Body{ID: "an id *", Revision: revision("6-f", `{"large":"`+strings.Repeat("x", 600<<10)+`"}`)},
			ledger.Body{ID: "an id *", Revision: revision("7-g", `{"large":"`+strings.Repeat("x", 400<<10)+`"}`)},
		))
		got := must(l.Kept(t.Context(), "a/b", map[string][]couchmend.Rev{
			"an id *": {r.Rev, dead.Rev, couchmend.MustRev("6-f"), couchmend.MustRev("7-g"), couchmend.MustRev("9-none")},
			"cold":    {couchmend.MustRev("2-c")},
		}))(t)
		r.Path, r.Attachments[0].Data = nil, nil
		if len(got) != 1 || len(got["an id *"]) != 2 || !reflect.DeepEqual(got["an id *"][r.Rev], r) || len(got["an id *"][couchmend.MustRev("7-g")].Body) < 400<<10 {
			t.Errorf("kept %.300v\nwant 7-g and %+v", got, r)
		}
	})
}

func TestARevisionIsKeptOnce(t *testing.T) {
	w := follow(t, open(t, ledger.Config{Dir: t.TempDir()}), ledger.WarmConfig{After: 1})
	r := revision("3-c", `{}`)
	if w.Lacks("db", "d", r.Rev) {
		t.Error("of a document that is not warm, a revision is wanted")
	}
	conflicts(t, w, "db", "d", 1)
	if !w.Lacks("db", "d", r.Rev) {
		t.Error("of a warm document, a revision is not wanted")
	}
	for range 2 {
		check(t, w.Keep(t.Context(), "db", ledger.Body{ID: "d", Revision: r}))
	}
	if w.Lacks("db", "d", r.Rev) {
		t.Error("what was kept is wanted again")
	}
	if got := fmt.Sprint(w.Attrs()); got != "[warm_documents 1 warm_bodies 1]" {
		t.Errorf("counted: %s", got)
	}
}

func TestBodiesAreFoundInTheJournalAndAmongTheKept(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	w := follow(t, l, ledger.WarmConfig{After: 1})
	conflicts(t, w, "db", "d", 1)
	check(t, l.Append(t.Context(), entry("db", "d", "merge")))
	check(t, w.Keep(t.Context(), "db", ledger.Body{ID: "d", Revision: revision("4-d", `{"n":4}`)}))
	got := must(l.Bodies(t.Context(), "db", "d", []couchmend.Rev{couchmend.MustRev("3-m"), couchmend.MustRev("4-d"), couchmend.MustRev("5-e")}))(t)
	bodies := map[string]string{}
	for rev, r := range got {
		bodies[rev.String()] = string(r.Body)
	}
	if text := string(must(json.Marshal(bodies))(t)); text != `{"3-m":"{\"n\":3}","4-d":"{\"n\":4}"}` {
		t.Errorf("found %s", text)
	}
}

func TestADatabaseThatWasCreatedAnewIsForgotten(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	w := follow(t, l, ledger.WarmConfig{After: 1})
	for _, db := range []string{"old", "other"} {
		conflicts(t, w, db, "d", 1)
		check(t, w.Keep(t.Context(), db, ledger.Body{ID: "d", Revision: revision("1-a", `{"n":1}`)}))
	}
	check(t, w.Forget(t.Context(), "old"))
	want(t, l, "old", "d", "1-a", "")
	want(t, l, "other", "d", "1-a", `{"n":1}`)
	restarted := follow(t, l, ledger.WarmConfig{After: 1})
	if restarted.Has("old", "d") || !restarted.Has("other", "d") {
		t.Errorf("the old one %v, the other one %v", restarted.Has("old", "d"), restarted.Has("other", "d"))
	}
	conflicts(t, w, "old", "d", 1)
	check(t, w.Keep(t.Context(), "old", ledger.Body{ID: "d", Revision: revision("1-a", `{"n":2}`)}))
	want(t, l, "old", "d", "1-a", `{"n":2}`)
}

func TestTheDocumentsThatConflictedLongestAgoAreForgottenFirst(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	w := follow(t, l, ledger.WarmConfig{After: 1})
	const more = 2000
	for i := 0; i < ledger.MaxCounted+more; i += more {
		batch := make([]ledger.Met, more)
		for k := range batch {
			batch[k] = ledger.Met{ID: fmt.Sprint(i + k), Leaves: leaves(1)}
		}
		check(t, w.Count(t.Context(), "db", batch...))
	}
	w = follow(t, l, ledger.WarmConfig{After: 1})
	if w.Documents() != ledger.MaxCounted || w.Has("db", "0") || w.Has("db", fmt.Sprint(more-1)) || !w.Has("db", fmt.Sprint(more)) {
		t.Errorf("%d are warm; the first %v", w.Documents(), w.Has("db", "0"))
	}
}

func TestWithoutWarmthNothingIsKept(t *testing.T) {
	w := must(open(t, ledger.Config{Dir: t.TempDir()}).FollowWarm(t.Context(), ledger.WarmConfig{After: -1}))(t)
	if w != nil {
		t.Fatal("it is not off")
	}
	conflicts(t, w, "db", "d", 5)
	check(t, w.Keep(t.Context(), "db", ledger.Body{ID: "d", Revision: revision("1-a", `{}`)}))
	check(t, w.Forget(t.Context(), "db"))
	if w.Has("db", "d") || w.Lacks("db", "d", couchmend.MustRev("1-a")) || fmt.Sprint(w.Attrs()) != "[warm_documents 0 warm_bodies 0]" {
		t.Error("something is warm")
	}
}

func TestALedgerThatIsClosedSaysThatItKeepsNothing(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	w := follow(t, l, ledger.WarmConfig{After: 1})
	conflicts(t, w, "db", "d", 1)
	check(t, l.Close())
	if err := w.Keep(t.Context(), "db", ledger.Body{ID: "d", Revision: revision("1-a", `{}`)}); err == nil {
		t.Error("kept, in a ledger that is closed")
	}
	if !w.Lacks("db", "d", couchmend.MustRev("1-a")) {
		t.Error("it takes for kept what is not")
	}
	if err := w.Count(t.Context(), "db", ledger.Met{ID: "d", Leaves: leaves(9)}); err == nil {
		t.Error("counted, in a ledger that is closed")
	}
}
