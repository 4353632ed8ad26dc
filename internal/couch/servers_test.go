package couch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/pouchserver"
)

// couchEnv names the environment variable with the URL of a real CouchDB, an
// admin's credentials in it.
const couchEnv = "COUCHMEND_TEST_COUCHDB"

// promises are what the client keeps on every server.
var promises = []struct {
	sentence string
	keep     func(t *testing.T, db *DB)
}{
	{"WhatIsWrittenIsReadBack", whatIsWrittenIsReadBack},
	{"ChangesShowEveryLeafAndWhereToGoOn", changesShowEveryLeafAndWhereToGoOn},
	{"AttachmentsTravelInlineAndStayAsStubs", attachmentsTravelInlineAndStayAsStubs},
	{"OneBadStubDoesNotKeepItsNeighboursFromBeingWritten", oneBadStubDoesNotKeepItsNeighboursFromBeingWritten},
	{"ServersSayWhoTheyAre", serversSayWhoTheyAre},
	{"AListShowsEachLiveDocumentOnceWithItsOtherLeaves", aListShowsEachLiveDocumentOnceWithItsOtherLeaves},
	{"LiveLeavesAreToldWinnerFirst", liveLeavesAreToldWinnerFirst},
	{"AViewOfConflictsIsReadPageByPage", aViewOfConflictsIsReadPageByPage},
}

func TestOnPouchDB(t *testing.T) { keepPromises(t, pouchserver.Start(t), putValidator) }

func TestOnCouchDBInMemory(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"))
	url := strings.Replace(couchtest.NewServer(t, node).URL, "://", "://admin:secret@", 1)
	keepPromises(t, url, func(t *testing.T, db *DB) {
		node.DB(db.Name()).SetValidate(func(doc, _ json.RawMessage, _ couchtest.UserContext) error {
			if jsondoc.Value(doc).Get("poison") != nil {
				return errors.New("no poison here")
			}
			return nil
		})
	})
	t.Run("ALoginIsTakenOrRefusedOnce", func(t *testing.T) { aLoginIsTakenOrRefusedOnce(t, url) })
}

func TestOnCouchDB(t *testing.T) {
	if os.Getenv(couchEnv) == "" {
		t.Skip(couchEnv + " names no CouchDB")
	}
	keepPromises(t, os.Getenv(couchEnv), putValidator)
	t.Run("ALoginIsTakenOrRefusedOnce", func(t *testing.T) { aLoginIsTakenOrRefusedOnce(t, os.Getenv(couchEnv)) })
}

// keepPromises tests each promise with a database of its own.
func keepPromises(t *testing.T, url string, refusePoison func(*testing.T, *DB)) {
	for _, p := range promises {
		t.Run(p.sentence, func(t *testing.T) { p.keep(t, freshDB(t, url)) })
	}
	if !onPouchDB(t) {
		t.Run("DBUpdatesNameTheDatabaseThatChanged", func(t *testing.T) { dbUpdatesNameTheDatabaseThatChanged(t, freshDB(t, url)) })
	}
	t.Run("ARefusalByAValidationFunctionIsThatDocumentsAlone", func(t *testing.T) {
		db := freshDB(t, url)
		refusePoison(t, db)
		aRefusalByAValidationFunctionIsThatDocumentsAlone(t, db)
	})
}

func putValidator(t *testing.T, db *DB) {
	do(t, db, http.MethodPut, "/_design/v", `{"validate_doc_update":"function (doc) { if (doc.poison) throw({forbidden: 'no poison here'}); }"}`)
}

// freshDB creates a database that is deleted after the test.
func freshDB(t *testing.T, url string) *DB {
	t.Helper()
	s, err := Open(Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	db := s.DB("couchmend-couch-" + strings.ToLower(rand.Text()[:10]))
	do(t, db, http.MethodPut, "", "")
	t.Cleanup(func() {
		c := db.call("test", http.MethodDelete, "")
		if resp, err := s.do(context.Background(), c); err == nil {
			finish(resp.Body)
		}
	})
	return db
}

// do makes a request that the client itself never needs.
func do(t *testing.T, db *DB, method, path, body string) {
	t.Helper()
	c := db.call("test", method, "")
	c.path += path
	if body != "" {
		c.body = parts{[]byte(body)}
	}
	resp, err := db.server.do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	finish(resp.Body)
}

func onPouchDB(t *testing.T) bool { return strings.HasPrefix(t.Name(), "TestOnPouchDB") }

func mustWrite(t *testing.T, db *DB, all ...Write) {
	t.Helper()
	written, err := db.Write(t.Context(), all)
	if err = errors.Join(append(written.Errs, err)...); err != nil {
		t.Fatal(err)
	}
}

// oddIDs are ids that must survive paths, keys and bodies.
var oddIDs = []string{"plain", "a/b c+d", "ünï-😀", `q"\?#%&=`, "_design/x/y"}

// child makes a revision on top of another.
func child(parent couchmend.Revision, hash, body string) couchmend.Revision {
	r := revision(parent.Rev.Gen+1, hash, body)
	r.Path = append(r.Path[:1], parent.Path...)
	return r
}

func whatIsWrittenIsReadBack(t *testing.T, db *DB) {
	var all []Write
	var want []Want
	for _, id := range oddIDs {
		root := revision(1, "1", `{"n":1,"s":"é/😀","o":{"b":[],"a":null}}`)
		winner, loser := child(root, "b", `{"n":2}`), child(root, "a", `{"n":3}`)
		dead := child(loser, "d", `{}`)
		dead.Deleted = true
		all = append(all, Write{id, root}, Write{id, winner}, Write{id, loser}, Write{id, dead})
		want = append(want, Want{id, winner.Rev}, Want{id, dead.Rev}, Want{id, root.Rev}, Want{id, rev(7, "7")})
	}
	mustWrite(t, db, all...)
	mustWrite(t, db, all...) // and again: nothing changes

	i := 0
	for g, err := range db.BulkGet(t.Context(), want, Get{}) {
		if err != nil || g.Err != nil {
			t.Fatal(err, g.Err)
		}
		if (Want{g.ID, g.Rev}) != want[i] || g.Missing != (i%4 == 3) {
			t.Fatalf("answer %d is %+v", i, g)
		}
		if !g.Missing {
			wrote := all[i/4*4+[]int{1, 3, 0}[i%4]].Revision
			if fmt.Sprint(*g.Revision) != fmt.Sprint(wrote) {
				t.Errorf("%s: read %+v, wrote %+v", g.ID, *g.Revision, wrote)
			}
		}
		i++
	}
	winners, err := db.Winners(t.Context(), append([]string{"none"}, oddIDs...))
	if err != nil || !winners["none"].Missing {
		t.Fatalf("got %v, %v", winners, err)
	}
	for i, id := range oddIDs {
		if winners[id] != (Winner{Rev: all[4*i+1].Revision.Rev}) {
			t.Errorf("%s: winner %+v", id, winners[id])
		}
		leaves, err := db.Leaves(t.Context(), id)
		if err != nil || len(leaves) != 2 || leaves[0].Rev != want[4*i].Rev || !leaves[1].Deleted {
			t.Errorf("%s: leaves %+v, %v", id, leaves, err)
		}
	}
	_, err = db.Leaves(t.Context(), "none")
	wantKind(t, err, couchmend.KindNotFound)
}

func changesShowEveryLeafAndWhereToGoOn(t *testing.T, db *DB) {
	root := revision(1, "1", `{}`)
	for i, id := range oddIDs {
		mustWrite(t, db, Write{id, child(root, "b", `{}`)}, Write{id, child(root, "a", fmt.Sprintf(`{"i":%d}`, i))})
	}
	rows, err := collect(t, db, ChangesOptions{})
	if err != nil || len(rows) != len(oddIDs)+1 {
		t.Fatalf("got %v, %v", rows, err)
	}
	for _, row := range rows[:len(oddIDs)] {
		if onPouchDB(t) { // any order
			slices.SortFunc(row.Leaves, func(a, b couchmend.Rev) int { return b.Compare(a) })
		}
		if fmt.Sprint(row.Leaves) != fmt.Sprint([]couchmend.Rev{rev(2, "b"), rev(2, "a")}) {
			t.Errorf("%s: leaves %v", row.ID, row.Leaves)
		}
	}
	end := rows[len(oddIDs)]
	if end.ID != "" || end.Seq == "" || end.Pending > 0 {
		t.Errorf("the end is %+v", end)
	}

	for _, feed := range []Feed{Longpoll, Continuous} {
		id := "late-" + string(feed)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		arrived := make(chan Change, 1)
		go func() {
			defer close(arrived)
			for row, err := range db.Changes(ctx, ChangesOptions{Since: end.Seq, Feed: feed, Heartbeat: 500 * time.Millisecond}) {
				if err == nil && row.ID == id {
					arrived <- row
					return
				}
			}
		}()
		time.Sleep(100 * time.Millisecond)
		mustWrite(t, db, Write{id, root})
		row := <-arrived
		cancel()
		if row.ID != id || row.Seq == "" {
			t.Errorf("%s: got %+v", feed, row)
		}
		end.Seq = row.Seq
	}
}

func attachmentsTravelInlineAndStayAsStubs(t *testing.T, db *DB) {
	root := revision(1, "1", `{}`)
	root.Attachments = []couchmend.Attachment{
		{Name: "dir/ö p.png", ContentType: "image/png", RevPos: 1, Data: []byte{0, 1, 254, 255}},
		{Name: "n.txt", ContentType: "text/plain", RevPos: 1, Data: []byte(strings.Repeat("text ", 100))},
	}
	mustWrite(t, db, Write{"a", root})
	read := func(rev couchmend.Rev, get Get) *couchmend.Revision {
		for g, err := range db.BulkGet(t.Context(), []Want{{"a", rev}}, get) {
			if err != nil || g.Revision == nil || len(g.Revision.Attachments) != 2 {
				t.Fatalf("got %+v, %v", g, err)
			}
			return g.Revision
		}
		return nil
	}
	next := child(root, "2", `{}`)
	next.Attachments = read(root.Rev, Get{}).Attachments
	if next.Attachments[0].Data != nil || next.Attachments[0].Digest == "" {
		t.Fatalf("asked for stubs, got %+v", next.Attachments[0])
	}
	mustWrite(t, db, Write{"a", next})
	for i, a := range read(next.Rev, Get{Attachments: true}).Attachments {
		if want := root.Attachments[i]; a.Name != want.Name || string(a.Data) != string(want.Data) || a.RevPos != 1 || a.Length != int64(len(want.Data)) {
			t.Errorf("got %+v, want %+v", a, want)
		}
		data, err := db.Attachment(t.Context(), "a", next.Rev, a.Name)
		if err != nil || string(data) != string(a.Data) {
			t.Errorf("%s: got %d bytes, %v", a.Name, len(data), err)
		}
	}
}

func oneBadStubDoesNotKeepItsNeighboursFromBeingWritten(t *testing.T, db *DB) {
	all := crowd(20)
	all[13].Revision.Attachments = []couchmend.Attachment{{Name: "none", ContentType: "text/plain", Digest: "md5-AAAAAAAAAAAAAAAAAAAAAA==", Length: 3, RevPos: 1}}
	written, err := db.Write(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range written.Errs {
		if i == 13 {
			wantKind(t, err, couchmend.KindRefused, "doc013")
		} else if err != nil {
			t.Errorf("document %d: %v", i, err)
		}
	}
}

func aRefusalByAValidationFunctionIsThatDocumentsAlone(t *testing.T, db *DB) {
	// CouchDB loads a new validation function in its own time.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		all := crowd(20, 5, 13)
		for i := range all {
			all[i].ID = rand.Text()
		}
		written, err := db.Write(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		if written.Errs[5] == nil && time.Now().Before(end) {
			continue
		}
		for i, err := range written.Errs {
			if i == 5 || i == 13 {
				wantKind(t, err, couchmend.KindForbidden, "no poison here", all[i].ID)
			} else if err != nil {
				t.Errorf("document %d: %v", i, err)
			}
		}
		return
	}
}

func serversSayWhoTheyAre(t *testing.T, db *DB) {
	welcome, err := db.server.Ping(t.Context())
	if err != nil || welcome.Version == "" || welcome.PouchDB != onPouchDB(t) {
		t.Errorf("got %+v, %v", welcome, err)
	}
	if info, err := db.Info(t.Context()); err != nil || info.ClusterN < 1 || info.UpdateSeq == "" {
		t.Errorf("got %+v, %v", info, err)
	}
	if limit, err := db.RevsLimit(t.Context()); err != nil || limit != 1000 {
		t.Errorf("got %d, %v", limit, err)
	}
	names, err := db.server.AllDBs(t.Context())
	if err != nil || !strings.Contains(fmt.Sprint(names), db.Name()) {
		t.Errorf("got %v, %v", names, err)
	}
	gone := db.server.DB("couchmend-no-such-db")
	_, err = gone.Info(t.Context())
	wantKind(t, err, couchmend.KindNotFound)
	if !welcome.PouchDB { // PouchDB's server makes up a database for each name
		_, err = gone.Write(t.Context(), crowd(1))
		wantKind(t, err, couchmend.KindNotFound)
		_, err = gone.RevsLimit(t.Context())
		wantKind(t, err, couchmend.KindNotFound)
	}
}

func aLoginIsTakenOrRefusedOnce(t *testing.T, url string) {
	friend, err := Open(Config{URL: url, Cookie: true})
	if err != nil {
		t.Fatal(err)
	}
	defer friend.Close()
	for range 3 {
		if _, err := friend.AllDBs(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := friend.Requests()["session"]; n != 1 {
		t.Errorf("%d sessions for three requests", n)
	}

	stranger, err := Open(Config{URL: friend.URL(), Username: "nobody-" + rand.Text(), Password: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	for range 7 {
		_, err := stranger.DB("any").Info(t.Context())
		wantKind(t, err, couchmend.KindAuth, "Name or password is incorrect")
	}
	if n := stranger.Requests()["info"]; n != 1 {
		t.Errorf("a refused login was tried %d times", n)
	}
}

func TestAWriteThroughAnyOneFaultIsAppliedOnce(t *testing.T) {
	isWrite := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/_bulk_docs") }
	faults := map[string]couchtest.Fault{
		"dropped before": {DropBefore: true}, "dropped after": {DropAfter: true}, "truncated": {Truncate: 1},
		"503": {Status: 503, Body: `{"error":"maintenance"}`}, "429": {Status: 429, Body: `{"error":"too_many_requests"}`},
		"a row in trouble": {RowError: func(id string, _ couchmend.Rev) (string, string) {
			if id == "doc004" {
				return "timeout", "the shard's worker took too long"
			}
			return "", ""
		}},
	}
	node := couchtest.NewNode()
	s, err := Open(Config{URL: couchtest.NewServer(t, node).URL})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.pause = time.Millisecond
	for name, fault := range faults {
		db := "d" + strings.ReplaceAll(name, " ", "-")
		store := node.CreateDB(db)
		fault.Match, fault.Times = isWrite, 1
		node.Inject(&fault)
		all := crowd(10)
		mustWrite(t, s.DB(db), all...)
		for _, w := range all {
			if leaves := store.Leaves(w.ID); len(leaves) != 1 || leaves[0].Rev != w.Revision.Rev {
				t.Errorf("%s: %s has leaves %v", name, w.ID, leaves)
			}
		}
		node.ClearFaults()
	}
}

// dbUpdatesNameTheDatabaseThatChanged is no promise of PouchDB's server, which
// has no such feed.
func dbUpdatesNameTheDatabaseThatChanged(t *testing.T, db *DB) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	updates, err := db.server.DBUpdates(ctx, "now")
	if err != nil {
		t.Fatal(err)
	}
	writing := make(chan struct{})
	go func() { // until the feed is open there is no telling which write it shows first
		defer close(writing)
		for i := 0; wait(ctx, 200*time.Millisecond) == nil; i++ {
			_, _ = db.Write(ctx, []Write{{fmt.Sprint(i), revision(1, "1", `{}`)}})
		}
	}()
	for update, err := range updates {
		if err != nil {
			t.Error(err)
		}
		if update.DB == db.Name() && update.Type == "updated" && update.Seq != "" {
			break
		}
	}
	cancel()
	<-writing
}

func aListShowsEachLiveDocumentOnceWithItsOtherLeaves(t *testing.T, db *DB) {
	root := revision(1, "1", `{}`)
	for i, id := range oddIDs {
		mustWrite(t, db, Write{id, child(root, "b", fmt.Sprintf(`{"i":%d}`, i))}, Write{id, child(root, "a", `{}`)})
	}
	dead := child(root, "d", `{}`)
	dead.Deleted = true
	mustWrite(t, db, Write{"dead", dead}, Write{"single", root})

	var seen []string
	for row, err := range db.AllDocs(t.Context(), AllDocsOptions{Conflicts: true}) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, row.ID)
		doc := jsondoc.MustParse(string(row.Text)).Get("doc")
		if doc.Get("_id").Text() != row.ID {
			t.Errorf("row %s", row.Text)
		}
		others := len(doc.Get("_conflicts").Elements())
		if want := slices.Contains(oddIDs, row.ID); want != (others == 1) {
			t.Errorf("%s: %d other leaves", row.ID, others)
		}
	}
	slices.Sort(seen)
	if want := slices.Sorted(slices.Values(append([]string{"single"}, oddIDs...))); !slices.Equal(seen, want) {
		t.Errorf("saw %q, want %q", seen, want)
	}
	if got, err := list(t, db, AllDocsOptions{Start: "p", End: "plain"}); err != nil || !slices.Equal(got, []string{"plain"}) {
		t.Errorf("from p to plain: %q, %v", got, err)
	}
	for i, id := range oddIDs { // as a list goes on that broke off behind id
		l := listing{db: db, call: db.listCall("all_docs", "/_all_docs", AllDocsOptions{}), start: id, begun: true}
		l.yield = func(row DocRow, err error) bool {
			if row.ID == id || err != nil {
				t.Errorf("%d: %q again, %v", i, id, err)
			}
			return true
		}
		if _, err := l.page(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
