package couch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/couchmend/couchmend"
	"github.com/go-json-experiment/json/jsontext"
)

// wantClassed fails unless err, met while reading text, says whether the
// answer was cut or made no sense.
func wantClassed(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	broken := call{op: "fuzz", db: "d"}.broken(err)
	kind := couchmend.KindOf(broken)
	cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if cut != (kind == couchmend.KindUnreachable) || !cut && kind != couchmend.KindServer {
		t.Fatalf("%v is classed %q", err, kind)
	}
	if len(broken.Error()) < len("fuzz d: the answer ") {
		t.Fatalf("the error says nothing: %q", broken)
	}
}

func FuzzChanges(f *testing.F) {
	f.Add([]byte(couchChanges), false)
	f.Add([]byte("\n"+row1+"\n\n"+row2+`{"last_seq":"3","pending":0}`), true)
	f.Add([]byte(`{"results":[{"seq":[1,"x"],"id":"a","changes":[{"rev":"1-a"},{"rev":0}]}],"pending":1e3}`), false)
	f.Fuzz(func(t *testing.T, text []byte, continuous bool) {
		read := readChanges
		if continuous {
			read = readContinuous
		}
		rows, ends := 0, 0
		_, err := read(newDecoder(bytes.NewReader(text)), func(row Change) bool {
			rows++
			if row.ID == "" {
				ends++
			}
			for _, leaf := range row.Leaves {
				if leaf.Gen < 1 || leaf.Hash == "" {
					t.Fatalf("leaf %q", leaf)
				}
			}
			return true
		})
		wantClassed(t, err)
		if err == nil && ends == 0 {
			t.Fatalf("the feed ended without saying where, after %d rows", rows)
		}
	})
}

func FuzzBulkGet(f *testing.F) {
	a, b := Want{"a", couchmend.MustRev("2-x")}, Want{"b", couchmend.MustRev("1-y")}
	f.Add([]byte(`{"results":[{"docs":[{"ok":` + doc("b", b.Rev, `"k":1.0,`) + `}],"id":"b"},{"id":"a","docs":[{"missing":"2-x"}]}]}`))
	f.Add([]byte(`{"results":[{"id":"a","docs":[{"error":{"id":"a","rev":"2-x","error":"not_found","reason":"missing"}}]}]}`))
	f.Add([]byte(`{"results":[{"id":"a","docs":[{"ok":{"_id":"a","_rev":"2-x","\u005fy":1,"_revisions":{"start":2,"ids":["x","\u0061"]},` +
		`"_attachments":{"n":{"data":"AAE=","revpos":1,"content_type":"t"},"m":{"stub":true,"length":3}}}}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		want := []Want{a, b, a}
		var all []Got
		r := newGetReader(bytes.NewReader(text), call{op: "bulk_get", db: "d"}, want)
		_, err := r.readAll(func(g Got) bool { all = append(all, g); return true })
		if err == nil && len(all) != len(want) {
			t.Fatalf("%d answers to %d questions", len(all), len(want))
		}
		for i, g := range all {
			if (Want{g.ID, g.Rev}) != want[i] {
				t.Fatalf("answer %d is about %s %s", i, g.ID, g.Rev)
			}
			if known := g.Revision != nil; known == (g.Missing || g.Err != nil) {
				t.Fatalf("answer %d is %+v", i, g)
			}
			if g.Revision == nil {
				continue
			}
			if g.Revision.Deleted { // a tombstone's body may be anything that a document's may
				g.Revision.Deleted = false
			}
			for j := range g.Revision.Attachments { // what a server shows need not be what one may write
				g.Revision.Attachments[j] = couchmend.Attachment{Name: "n"}
			}
			if err := check("a", *g.Revision); err != nil && !errors.Is(err, jsontext.ErrDuplicateName) {
				t.Fatalf("what was read can't be written: %v\n%s", err, g.Revision.Body)
			}
		}
	})
}

func FuzzBulkDocs(f *testing.F) {
	f.Add([]byte(`[]`))
	f.Add([]byte(`[{"id":"a","rev":"2-x","error":"forbidden","reason":"no"},{"id":"b","ok":true,"rev":"1-y"}]`))
	f.Add([]byte(`[{"id":"a","error":true,"name":"forbidden","status":403,"message":"no"}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := readDocsRows(bytes.NewReader(text))
		wantClassed(t, err)
		var all []Write
		for _, id := range []string{"a", "b"} {
			all = append(all, Write{id, couchmend.Revision{Rev: couchmend.MustRev("2-x"), Path: []couchmend.Rev{couchmend.MustRev("2-x")}, Body: []byte("{}")}})
		}
		b := newBatch(&DB{server: &Server{}, name: "d"}, all)
		settled := b.settle(b.documents, rows)
		errs := 0
		for _, err := range b.written.Errs {
			if err != nil {
				errs++
			}
		}
		if failed := len(rows) > 0; settled && failed && errs == 0 || !failed && errs > 0 || !settled && errs > 0 {
			t.Fatalf("%d failed rows, settled %v, %d errors", len(rows), settled, errs)
		}
		if !b.settle(b.documents[:1], rows) {
			t.Fatal("the rows of a single document are not settled")
		}
	})
}

// FuzzBody: what check lets through is, spliced into a request, one document
// with exactly these members.
func FuzzBody(f *testing.F) {
	for _, body := range []string{`{}`, ` { "a" : [1, {"_b":2}] } `, `{"a":1}{`, `{"_a":1}`, `{"\u005fa":1}`, `{"a":"\ud800"}`, `{"a":1,"a":2}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := couchmend.Revision{Rev: couchmend.MustRev("1-x"), Path: []couchmend.Rev{couchmend.MustRev("1-x")}, Body: body}
		if body == nil || check("a", r) != nil {
			return
		}
		text := appendRevision(nil, "a", r)
		var whole, part map[string]json.RawMessage
		if err := json.Unmarshal(text, &whole); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if err := json.Unmarshal(body, &part); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if len(whole) != len(part)+3 || strings.Count(string(text), `"_rev":"1-x"`) != 1 {
			t.Fatalf("%s became %s", body, text)
		}
	})
}

// FuzzSplit: the splitter finds the rows that a parser finds, however the answer
// is cut into pieces.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("{\"total_rows\":2,\"offset\":0,\"rows\":[\r\n{\"id\":\"a\\\"}\",\"doc\":{\"x\":[1]}},\r\n{\"id\":\"b\"}\r\n]}"), 3)
	f.Add([]byte(`{"rows":[{"id":"a","s":"\\\\"},{"id":"b","s":"\\\"]}"} , {}]}`), 1)
	f.Add([]byte(`{"rows":[]}`), 2)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		var want struct{ Rows []json.RawMessage }
		valid := json.Unmarshal(text, &want) == nil
		for _, row := range want.Rows {
			valid = valid && row[0] == '{'
		}
		s := newSplitter(iotest.OneByteReader(bytes.NewReader(text)))
		if piece != 1 {
			s = newSplitter(io.MultiReader(bytes.NewReader(text[:min(len(text), max(piece, 0))]), bytes.NewReader(text[min(len(text), max(piece, 0)):])))
		}
		for i := 0; ; i++ {
			row, err := s.next()
			wantClassed(t, err)
			if row == nil {
				if valid && (err == nil) && i != len(want.Rows) && bytes.Count(text, []byte("rows")) == 1 {
					t.Fatalf("%d rows of %d", i, len(want.Rows))
				}
				return
			}
			if valid && bytes.Count(text, []byte("rows")) == 1 && !bytes.Equal(row, want.Rows[i]) {
				t.Fatalf("row %d is %s, want %s", i, row, want.Rows[i])
			}
		}
	})
}
