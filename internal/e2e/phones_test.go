package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/pouchserver"
)

// phonesPolicy merges all that the phones do: nothing goes to review.
const phonesPolicy = `
databases:
  - { match: "*phones*", policy: phones }
policies:
  phones:
    rules:
      - name: visits
        when: { type: visit }
        fields: { read: union, visits: sum }
        attachments: keep_both
    otherwise: review
`

const (
	documents  = 12
	rounds     = 8
	settleTime = 90 * time.Second
)

func TestPhonesThatSyncWithPouchDBLoseNoEditAndKeepNoConflict(t *testing.T) {
	server := pouchserver.Start(t)
	follow(t, server+"/phones", "COUCHDB_URL="+server)
}

func TestPhonesThatSyncWithCouchtestLoseNoEditAndKeepNoConflict(t *testing.T) {
	server := couchtest.NewServer(t, couchtest.NewNode()).URL
	follow(t, server+"/phones", "COUCHDB_URL="+server)
}

func TestPhonesThatSyncWithCouchDBLoseNoEditAndKeepNoConflict(t *testing.T) {
	named := os.Getenv("COUCHMEND_TEST_COUCHDB")
	if named == "" {
		t.Skip("COUCHMEND_TEST_COUCHDB names no CouchDB")
	}
	u, err := url.Parse(named)
	if err != nil {
		t.Fatal("COUCHMEND_TEST_COUCHDB is no URL") // its text has a password
	}
	password, _ := u.User.Password()
	login := []string{"COUCHDB_USER=" + u.User.Username(), "COUCHDB_PASSWORD=" + password}
	db := u.JoinPath("couchmend-e2e-phones-" + strings.ToLower(rand.Text()[:8])).String()
	u.User = nil
	follow(t, db, append(login, "COUCHDB_URL="+u.String())...)
}

// follow lets phones edit offline and sync with the database at db while
// couchmend follows it, until all is at rest, and compares what they show with
// what was done to them.
func follow(t *testing.T, db string, env ...string) {
	send(t, http.MethodPut, db)
	t.Cleanup(func() { send(t, http.MethodDelete, db) })
	name := db[strings.LastIndex(db, "/")+1:]
	drawer := openDrawer(t) // or skip
	start(t, phonesPolicy, env, "run", "--db", name)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := &story{
		rng: mathrand.New(mathrand.NewPCG(seed, 0)), db: db,
		want: map[string]visit{}, shownTo: drawer,
	}
	for _, name := range []string{"ann", "ben", "cid", "dee"} {
		s.phones = append(s.phones, phone{s.shownTo, name})
	}
	s.begin(t)
	for round := range rounds {
		s.live(t, round)
	}
	s.rest(t)
	s.check(t)
	if n := mended(t, db); n < documents/2 {
		t.Errorf("only %d documents were ever in conflict: the phones were not offline enough", n)
	}
}

// story is what happens to the phones, and what must have become of it.
type story struct {
	rng     *mathrand.Rand
	db      string
	phones  []phone
	shownTo *drawer
	want    map[string]visit
}

// begin lets the first phone make the documents, and all take them.
func (s *story) begin(t *testing.T) {
	for i := range documents {
		id := fmt.Sprintf("visit/%02d é", i)
		s.phones[0].obey(t, order{Do: "edit", ID: id, Set: map[string]any{"type": "visit", "big": 1 << 53}, Add: map[string]int{"visits": 1}})
		s.want[id] = visit{ID: id, Visits: 1, Fields: map[string]any{}, Attachments: map[string]file{}}
	}
	for _, p := range s.phones {
		p.sync(t, s.db)
	}
}

// live lets each phone edit offline, several times over, and some of them sync.
// The last phone syncs in no round: it comes back at the end.
func (s *story) live(t *testing.T, round int) {
	for _, i := range s.rng.Perm(len(s.phones)) {
		p := s.phones[i]
		for n := range 1 + s.rng.IntN(5) {
			s.edit(t, p, fmt.Sprintf("%s-%d-%d", p.name, round, n))
		}
		if i < len(s.phones)-1 && s.rng.IntN(2) == 0 {
			p.sync(t, s.db)
		}
	}
}

// edit changes a random document on p and notes it; mark is like no other.
func (s *story) edit(t *testing.T, p phone, mark string) {
	ids := slices.Sorted(maps.Keys(s.want))
	id := ids[s.rng.IntN(len(ids))]
	doc, by := s.want[id], 1+s.rng.IntN(9)
	if s.rng.IntN(6) == 0 {
		p.obey(t, order{Do: "attach", ID: id, Name: mark, Type: "image/x", Data: []byte(mark)})
		doc.Attachments[mark] = file{[]byte(mark)}
		return
	}
	p.obey(t, order{Do: "edit", ID: id, Set: map[string]any{mark: by}, Push: map[string]any{"read": mark}, Add: map[string]int{"visits": by}})
	doc.Read = append(doc.Read, mark)
	doc.Visits += by
	doc.Fields[mark] = json.Number(fmt.Sprint(by))
	s.want[id] = doc
}

// rest lets all phones sync until nothing moves any more and no phone shows a
// conflict.
func (s *story) rest(t *testing.T) {
	for deadline := time.Now().Add(settleTime); ; time.Sleep(300 * time.Millisecond) {
		moved, conflicts := 0, 0
		for _, p := range s.phones {
			moved += p.sync(t, s.db)
		}
		for _, p := range s.phones {
			for _, doc := range p.shown(t) {
				conflicts += len(doc.Conflicts)
			}
		}
		if moved == 0 && conflicts == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not at rest after %v: %d documents moved, %d conflicts", settleTime, moved, conflicts)
		}
	}
}

// check compares what each phone shows with what was done on all of them.
func (s *story) check(t *testing.T) {
	first := s.phones[0].shown(t)
	for _, p := range s.phones {
		shown := p.shown(t)
		if len(shown) != len(s.want) {
			t.Errorf("%s shows %d documents instead of %d", p.name, len(shown), len(s.want))
		}
		for id, want := range s.want {
			got := shown[id]
			if got.Rev != first[id].Rev {
				t.Errorf("%s shows %s at %s, %s at %s", p.name, id, got.Rev, s.phones[0].name, first[id].Rev)
			}
			compare(t, p.name+" shows "+id, got, want)
		}
	}
}

func compare(t *testing.T, where string, got, want visit) {
	t.Helper()
	slices.Sort(got.Read)
	slices.Sort(want.Read)
	if !slices.Equal(got.Read, want.Read) {
		t.Errorf("%s read by %v instead of %v", where, got.Read, want.Read)
	}
	if got.Visits != want.Visits {
		t.Errorf("%s with %d visits instead of %d", where, got.Visits, want.Visits)
	}
	for name, value := range want.Fields {
		if got.Fields[name] != value {
			t.Errorf("%s with %s: %v instead of %v", where, name, got.Fields[name], value)
		}
	}
	if !maps.EqualFunc(got.Attachments, want.Attachments, func(a, b file) bool { return string(a.Data) == string(b.Data) }) {
		t.Errorf("%s with attachments %v instead of %v", where,
			slices.Sorted(maps.Keys(got.Attachments)), slices.Sorted(maps.Keys(want.Attachments)))
	}
}

// mended counts the documents that have a buried leaf beside the winner.
func mended(t *testing.T, db string) int {
	var feed struct {
		Results []struct{ Changes []any }
	}
	if err := json.Unmarshal(send(t, http.MethodGet, db+"/_changes?style=all_docs"), &feed); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range feed.Results {
		if len(row.Changes) > 1 {
			n++
		}
	}
	return n
}

// send makes one request, and gives the answer's body if it went well.
func send(t *testing.T, method, target string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s: status %d: %s %v", method, resp.StatusCode, text, err)
	}
	return text
}
