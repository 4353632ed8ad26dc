package couchlog

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

func readAll(t testing.TB, text string) []Entry {
	t.Helper()
	var all []Entry
	for e, err := range Read(strings.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

const (
	modern = "n1@127.0.0.1 <0.3564.0> 0123456789abcdef0123456789abcdef 127.0.0.1:5984 10.0.0.1 ann PUT /medic/r%2F1 409 ok 6"
	stamp  = "2026-11-22T03:44:18.872744Z"
)

// Each form of the same line tells the same.
func TestALineIsReadWhateverStandsBeforeIt(t *testing.T) {
	at, _ := time.Parse(time.RFC3339Nano, stamp)
	plain := "[notice] " + stamp + " " + modern
	for name, line := range map[string]string{
		"a file":                    plain,
		"docker logs -t":            "2026-11-22T03:44:19.000000001Z " + plain,
		"docker compose logs":       "couchdb-1  | " + plain,
		"docker's json-file":        `{"log":"` + plain + `\n","stream":"stderr","time":"2026-11-22T03:44:19Z"}`,
		"journalctl -o short":       "Nov 22 03:44:19 host couchdb[77]: " + plain,
		"journalctl -o short-iso":   "2026-11-22T03:44:19+0000 host couchdb[77]: " + plain,
		"journalctl -o json":        `{"MESSAGE":"` + plain + `","PRIORITY":"6","__REALTIME_TIMESTAMP":"1795319059000000"}`,
		"journalctl -o json, bytes": fmt.Sprintf(`{"MESSAGE":%s,"PRIORITY":"6"}`, strings.Join(strings.Fields(fmt.Sprint([]byte(plain))), ",")),
		"syslog":                    "<149>1 " + stamp + " n1@127.0.0.1 couchdb <0.3564.0> 0123456789abcdef0123456789abcdef - " + strings.SplitN(modern, " ", 4)[3],
		"Windows":                   plain + "\r",
		"CouchDB's journald writer": `{"MESSAGE":"` + modern + `","PRIORITY":"5","__REALTIME_TIMESTAMP":"` + fmt.Sprint(at.UnixMicro()) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			all := readAll(t, "noise before\n"+line+"\n")
			if len(all) != 1 {
				t.Fatalf("%d entries: %+v", len(all), all)
			}
			e := all[0]
			want := Access{Host: "127.0.0.1:5984", Peer: "10.0.0.1", User: "ann", Method: "PUT", Path: "/medic/r%2F1", Status: 409, Took: 6 * time.Millisecond}
			if !e.Time.Equal(at) || e.Level != "notice" || e.Node != "n1@127.0.0.1" || e.Request != "0123456789abcdef0123456789abcdef" || e.Access == nil || *e.Access != want {
				t.Errorf("got %+v, %+v", e, e.Access)
			}
			if e.Access.DB() != "medic" || e.Access.Doc() != "r/1" {
				t.Errorf("about %q, %q", e.Access.DB(), e.Access.Doc())
			}
		})
	}
}

func TestOldLinesAreRead(t *testing.T) {
	all := readAll(t, `[Sun, 22 Nov 2026 03:44:18 GMT] [info] [<0.31391.0>] 10.0.0.7 - - PUT /medic/d1 409
[Sun, 22 Nov 2026 03:44:18 GMT] [error] [<0.31392.0>] httpd 409 error response:
 {"error":"conflict","reason":"Document update conflict."}

[Sun, 22 Nov 2026 03:44:19 GMT] [error] [<0.31393.0>] ** Generic server <0.31393.0> terminating
** Reason for termination ==
** {doc_update_conflict,[{couch_db,update_doc,4}]}
`)
	if len(all) != 3 {
		t.Fatalf("%d entries: %+v", len(all), all)
	}
	if a := all[0].Access; a == nil || a.Status != 409 || a.Doc() != "d1" || a.Took >= 0 || all[0].Time.Hour() != 3 {
		t.Errorf("got %+v, %+v", all[0], a)
	}
	for i, old := range []bool{false, true, true} {
		if all[i].IsOldConflict() != old {
			t.Errorf("entry %d: %+v", i, all[i])
		}
	}
}

func TestAnEntryHasTheLinesThatContinueIt(t *testing.T) {
	all := readAll(t, "[error] "+stamp+" n@h emulator -------- Error in process <0.1.0> with exit value:\n{bad,[{x,y}]}\n\n[notice] "+stamp+" n@h <0.1.0> -------- next\n")
	if len(all) != 2 || all[0].Text != "Error in process <0.1.0> with exit value:\n{bad,[{x,y}]}\n" || all[0].Request != "" || all[1].Text != "next" {
		t.Fatalf("got %+v", all)
	}
}

func TestWhatAReplicatorCouldNotWriteIsTold(t *testing.T) {
	line := "[error] " + stamp + " n@h <0.1.0> -------- Replicator: couldn't write document `r 1`, revision `1-ab`, to target database `http://u:p@h:5984/dst/`. Error: `forbidden`, reason: `unsigned `report``."
	all := readAll(t, line)
	got, ok := all[0].Refusal()
	want := Refusal{ID: "r 1", Rev: "1-ab", Target: "http://h:5984/dst/", Error: "forbidden", Reason: "unsigned `report`"}
	if !ok || got != want {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := (&Entry{Text: "Replicator: couldn't write document `r"}).Refusal(); ok {
		t.Error("half a line is taken for a whole one")
	}
}

func TestARequestIsAboutADatabaseAndADocument(t *testing.T) {
	for path, want := range map[string][3]string{
		"/":                               {"", "", ""},
		"/_session":                       {"_session", "", ""},
		"/medic":                          {"medic", "", ""},
		"/a%2Fb/x%20y?rev=1-a/b":          {"a/b", "x y", ""},
		"/medic/_bulk_docs":               {"medic", "", "_bulk_docs"},
		"/medic/_design/d":                {"medic", "_design/d", ""},
		"/medic/_design/d/_view/v?key=1":  {"medic", "_design/d", "_view"},
		"/medic/_design/d/_update/u/doc1": {"medic", "doc1", "_update"},
		"/medic/_local/abc":               {"medic", "_local/abc", ""},
		"/medic/doc/file.png":             {"medic", "doc", ""},
	} {
		a := &Access{Path: path}
		if got := [3]string{a.DB(), a.Doc(), a.Handler()}; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestAUserMayHaveSpacesAndNobodyIsNobody(t *testing.T) {
	for user, want := range map[string]string{"undefined": "", "ann of the ward": "ann of the ward"} {
		a := newAccess("h:1 127.0.0.1 " + user + " DELETE /db/doc 200 ok 7")
		if a == nil || a.User != want {
			t.Errorf("%s: got %+v", user, a)
		}
	}
}

func TestACompressedLogIsRead(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprintf(z, "[notice] %s %s\n", stamp, modern)
	z.Close()
	if all := readAll(t, b.String()); len(all) != 1 || all[0].Access == nil {
		t.Fatalf("got %+v", all)
	}
}

func TestWhatIsNoLogIsSaidToBeNone(t *testing.T) {
	for _, err := range Read(strings.NewReader(strings.Repeat("hello\n", 2*maxUnread))) {
		if err != ErrNoLog {
			t.Fatalf("got %v", err)
		}
		return
	}
	t.Error("no error")
}

// endless is a log whose one entry never ends.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left -= len(p); e.left < 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = 'x'
	}
	copy(p, "[notice] "+stamp+" n@h <0.1.0> -------- ")
	return len(p), nil
}

func TestALineWithoutEndIsCut(t *testing.T) {
	for e, err := range Read(&endless{left: 64 << 20}) {
		if err != nil || len(e.Text) > maxLine {
			t.Fatalf("%d bytes, %v", len(e.Text), err)
		}
	}
}

// FuzzRead: whatever the text, reading ends, an entry is bounded, and what was
// read of a line is read again from that line.
func FuzzRead(f *testing.F) {
	f.Add("[notice] " + stamp + " " + modern + "\n more\n")
	f.Add("[Sun, 22 Nov 2026 03:44:18 GMT] [info] [<0.31391.0>] 10.0.0.7 - - PUT /medic/d1 409")
	f.Add("<149>1 " + stamp + " h couchdb <0.1.0> -------- - text")
	f.Add(`{"MESSAGE":[1,2,300],"PRIORITY":"9"}`)
	f.Add("Nov 31 99:44:19 host couchdb[77]: <3>n@h <0.1.0> x y")
	f.Add("[error] " + stamp + " n@h <0.1.0> -------- Replicator: couldn't write document `a`, revision `1-a`, to target database `%`. Error: `x`")
	f.Fuzz(func(t *testing.T, text string) {
		read := func() (all []Entry) {
			for e, err := range Read(strings.NewReader(text)) {
				if err != nil {
					break
				}
				if len(e.Text) > 3*maxLine+1 {
					t.Fatalf("an entry of %d bytes", len(e.Text))
				}
				if a := e.Access; a != nil {
					if a.Status < 100 || a.Status > 599 || !strings.HasPrefix(a.Path, "/") {
						t.Fatalf("%+v", a)
					}
					_, _, _ = a.DB(), a.Doc(), a.Handler()
				}
				e.Refusal()
				e.IsOldConflict()
				all = append(all, e)
			}
			return all
		}
		if once, again := read(), read(); !reflect.DeepEqual(once, again) {
			t.Fatalf("%+v, then %+v", once, again)
		}
	})
}
