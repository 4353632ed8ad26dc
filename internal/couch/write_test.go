package couch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// crowd makes n documents of one revision each; those named poison say so in
// their body.
func crowd(n int, poison ...int) (all []Write) {
	for i := range n {
		body := fmt.Sprintf(`{"n":%d}`, i)
		if slices.Contains(poison, i) {
			body = `{"poison":true}`
		}
		all = append(all, Write{fmt.Sprintf("doc%03d", i), revision(2, fmt.Sprintf("%x", i+16), body)})
	}
	return all
}

// store answers _bulk_docs: it keeps what it is sent, unless refuse says no to
// the whole request first.
type store struct {
	t      *testing.T
	refuse func(sent) (status int, text string)
	kept   map[string]int // how often each document was written
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := readSent(s.t, r)
	if s.refuse != nil {
		if status, text := s.refuse(got); status != 0 {
			answer(w, status, "%s", text)
			return
		}
	}
	for _, d := range got.Docs {
		s.kept[d.ID]++
	}
	answer(w, 201, `[]`)
}

func newStore(t *testing.T, refuse func(sent) (int, string)) (*store, *Server) {
	s := &store{t: t, refuse: refuse, kept: map[string]int{}}
	return s, serve(t, s.ServeHTTP)
}

func refusePoison(status int, text string) func(sent) (int, string) {
	return func(s sent) (int, string) {
		for _, d := range s.Docs {
			if d.Poison {
				return status, text
			}
		}
		return 0, ""
	}
}

func TestPoisonIsFoundAmongAHundredAndItsNeighboursAreWritten(t *testing.T) {
	cases := []struct {
		status int
		text   string
		kind   couchmend.Kind
	}{
		{400, `{"error":"bad_request","reason":"Invalid rev format"}`, couchmend.KindRefused},
		{412, `{"error":"missing_stub","reason":"Invalid attachment stub in x for y"}`, couchmend.KindRefused},
		{413, `{"error":"document_too_large","reason":"doc042"}`, couchmend.KindTooLarge},
		{413, `<html>Request Entity Too Large</html>`, couchmend.KindTooLarge},
	}
	for _, c := range cases {
		for _, poison := range [][]int{{42}, {0}, {99}, {3, 4, 77}} {
			kept, s := newStore(t, refusePoison(c.status, c.text))
			written, err := s.DB("d").Write(t.Context(), crowd(100, poison...))
			if err != nil {
				t.Fatal(err)
			}
			for i, err := range written.Errs {
				id := fmt.Sprintf("doc%03d", i)
				switch {
				case slices.Contains(poison, i):
					wantKind(t, err, c.kind, id, fmt.Sprint(c.status))
				case err != nil || kept.kept[id] != 1:
					t.Errorf("%d: %s was written %d times: %v", c.status, id, kept.kept[id], err)
				}
			}
			if n := s.Requests()["bulk_docs"]; n > int64(16*len(poison)) {
				t.Errorf("%d requests to find %d poisoned documents", n, len(poison))
			}
		}
	}
}

func TestARequestThatIsTooLargeIsSentInPieces(t *testing.T) {
	kept, s := newStore(t, func(s sent) (int, string) {
		if len(s.Docs) > 7 {
			return 413, `{"error":"too_large","reason":"the request entity is too large"}`
		}
		return 0, ""
	})
	written, err := s.DB("d").Write(t.Context(), crowd(100))
	if err != nil || slices.ContainsFunc(written.Errs, isError) || len(kept.kept) != 100 {
		t.Errorf("%d written, %v, %v", len(kept.kept), written, err)
	}
}

func isError(err error) bool { return err != nil }

func TestAWriteIsCutBeforeItGrowsTooLargeButNeverInsideADocument(t *testing.T) {
	var requests [][]string
	_, s := newStore(t, func(s sent) (int, string) {
		var ids []string
		for _, d := range s.Docs {
			ids = append(ids, d.ID)
		}
		requests = append(requests, ids)
		return 0, ""
	})
	huge := `{"x":"` + strings.Repeat("x", maxRequest*2/5) + `"}`
	all := []Write{
		{"a", revision(1, "1", huge)}, {"b", revision(1, "1", huge)}, {"c", revision(1, "1", huge)},
		{"a", revision(1, "2", huge)}, {"a", revision(1, "3", huge)}, {"d", revision(1, "1", `{}`)},
	}
	if _, err := s.DB("d").Write(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(requests), "[[a a a] [b c d]]"; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
}

func TestARowsRefusalIsThatRevisionsAlone(t *testing.T) {
	all := crowd(4)
	all = append(all, Write{"doc001", revision(3, "99", `{}`)})
	rows := fmt.Sprintf(`[{"id":"doc001","rev":"%s","error":"forbidden","reason":"no dice"},
		{"id":"doc002","rev":"%s","error":"unauthorized","reason":"log in"},
		{"id":"doc000","rev":"%s","ok":true}]`, all[4].Revision.Rev, all[2].Revision.Rev, all[0].Revision.Rev)
	s := serve(t, always(201, rows))
	written, err := s.DB("d").Write(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, written.Errs[4], couchmend.KindForbidden, "doc001", all[4].Revision.Rev.String(), "no dice")
	wantKind(t, written.Errs[2], couchmend.KindForbidden, "doc002", "log in")
	for _, i := range []int{0, 1, 3} {
		if written.Errs[i] != nil {
			t.Errorf("revision %d: %v", i, written.Errs[i])
		}
	}
	if n := s.Requests()["bulk_docs"]; n != 1 {
		t.Errorf("%d requests, want 1: a refused row is final", n)
	}
}

func TestAFailedRowThatNamesNoRevisionIsPinnedToItsDocument(t *testing.T) {
	// As PouchDB does: the row has no rev, and its id is that of another document.
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got := readSent(t, r)
		for _, d := range got.Docs {
			if d.Poison {
				answer(w, 201, `[{"id":%q,"error":"forbidden","reason":"no"}]`, got.Docs[0].ID)
				return
			}
		}
		answer(w, 201, `[]`)
	})
	all := append(crowd(20, 13), Write{"doc013", revision(3, "99", `{}`)})
	written, err := s.DB("d").Write(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range written.Errs {
		if i == 13 || i == 20 { // one of its revisions was refused, nobody knows which
			wantKind(t, err, couchmend.KindForbidden, "doc013", "no")
		} else if err != nil {
			t.Errorf("revision %d: %v", i, err)
		}
	}
}

func TestAnUnknownOutcomeIsSettledByWritingTheSameAgain(t *testing.T) {
	trouble := map[string]http.HandlerFunc{
		"5xx":             always(503, `{"error":"maintenance","reason":"x"}`),
		"proxy's page":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 504) },
		"dropped":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut":             func(w http.ResponseWriter, _ *http.Request) { cut(w, `[{"id":"doc0`) },
		"short":           always(201, `[{"id":"doc0`),
		"empty":           always(201, ``),
		"other JSON":      always(201, `{"ok":true}`),
		"null":            always(201, `null`),
		"silent":          func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() },
		"row in trouble":  always(202, `[{"id":"doc000","rev":"2-00000000000000000000000000000010","error":"timeout","reason":"x"}]`),
		"rows with a 500": always(500, `[{"id":"doc000","rev":"2-00000000000000000000000000000010","error":"internal_server_error","reason":"x"}]`),
	}
	for name, fail := range trouble {
		t.Run(name, func(t *testing.T) {
			var bodies []string
			failures := 2
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if bodies = append(bodies, string(body)); len(bodies) <= failures {
					fail(w, r)
					return
				}
				answer(w, 201, `[]`)
			}, func(c *Config) {
				if name == "silent" {
					c.Timeout = 200 * time.Millisecond
				}
			})
			written, err := s.DB("d").Write(t.Context(), crowd(3))
			if err != nil || slices.ContainsFunc(written.Errs, isError) {
				t.Fatalf("got %v, %v", written, err)
			}
			if len(bodies) != 3 || bodies[0] != bodies[1] || bodies[1] != bodies[2] {
				t.Errorf("sent %d requests, want 3 alike", len(bodies))
			}

			bodies, failures = nil, 1000
			written, err = s.DB("d").Write(t.Context(), crowd(3))
			if name == "row in trouble" { // the server says which one
				wantKind(t, written.Errs[0], couchmend.KindServer, "timeout")
				if err != nil || written.Errs[1] != nil {
					t.Errorf("got %v, %v", written, err)
				}
				return
			}
			wantKind(t, err, couchmend.KindUnreachable, "outcome unknown", "sent 3 times")
			for _, err := range written.Errs {
				wantKind(t, err, couchmend.KindUnreachable, "outcome unknown", "doc0")
			}
		})
	}
}

func TestARefusedLoginOrDatabaseEndsTheWriteAtOnce(t *testing.T) {
	cases := []struct {
		status int
		text   string
		kind   couchmend.Kind
	}{
		{401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`, couchmend.KindAuth},
		{403, `{"error":"forbidden","reason":"Account is temporarily locked"}`, couchmend.KindAuth},
		{403, `{"error":"forbidden","reason":"You are not allowed to access this db."}`, couchmend.KindForbidden},
		{404, `{"error":"not_found","reason":"Database does not exist."}`, couchmend.KindNotFound},
	}
	for _, c := range cases {
		s := serve(t, always(c.status, c.text), asUser)
		written, err := s.DB("d").Write(t.Context(), crowd(50))
		wantKind(t, err, c.kind)
		for _, err := range written.Errs {
			wantKind(t, err, c.kind)
		}
		if n := s.Requests()["bulk_docs"]; n != 1 {
			t.Errorf("%d: %d requests, want 1", c.status, n)
		}
	}
}

func TestAcceptedSaysThatAClusterSavedOnTooFewCopies(t *testing.T) {
	for status, want := range map[int]bool{201: false, 202: true} {
		written, err := serve(t, always(status, `[]`)).DB("d").Write(t.Context(), crowd(2))
		if err != nil || written.Accepted != want {
			t.Errorf("%d: got %+v, %v", status, written, err)
		}
	}
}

func TestCancelEndsAWriteBetweenItsTries(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		cancel()
		answer(w, 500, `{"error":"x"}`)
	})
	s.pause = time.Hour
	_, err := s.DB("d").Write(ctx, crowd(3))
	wantKind(t, err, couchmend.KindUnreachable, "outcome unknown")
	if n.Load() != 1 {
		t.Errorf("%d requests", n.Load())
	}
}

func TestWhatMustNotBeWrittenIsNeverSent(t *testing.T) {
	good := revision(3, "c", `{"a":1}`)
	change := func(f func(*couchmend.Revision)) couchmend.Revision {
		r := good
		r.Path = slices.Clone(good.Path)
		f(&r)
		return r
	}
	bad := map[string]Write{
		"no id":               {"", good},
		"a local document":    {"_local/x", good},
		"a nameless design":   {"_design/", good},
		"no path":             {"x", change(func(r *couchmend.Revision) { r.Path = nil })},
		"another's path":      {"x", change(func(r *couchmend.Revision) { r.Rev = rev(3, "d") })},
		"a gap":               {"x", change(func(r *couchmend.Revision) { r.Path[2].Gen = 0 })},
		"a generation twice":  {"x", change(func(r *couchmend.Revision) { r.Path[1].Gen = 3 })},
		"generation 0":        {"x", change(func(r *couchmend.Revision) { r.Path = append(r.Path, couchmend.Rev{Gen: 0, Hash: "x"}) })},
		"an empty hash":       {"x", change(func(r *couchmend.Revision) { r.Path[1].Hash = "" })},
		"no body":             {"x", change(func(r *couchmend.Revision) { r.Body = nil })},
		"an array":            {"x", change(func(r *couchmend.Revision) { r.Body = []byte(`[]`) })},
		"broken JSON":         {"x", change(func(r *couchmend.Revision) { r.Body = []byte(`{"a":01}`) })},
		"half a body":         {"x", change(func(r *couchmend.Revision) { r.Body = []byte(`{"a":1`) })},
		"two bodies":          {"x", change(func(r *couchmend.Revision) { r.Body = []byte(`{} {}`) })},
		"a member of CouchDB": {"x", change(func(r *couchmend.Revision) { r.Body = []byte(`{"_rev":"1-a"}`) })},
		"the same, disguised": {"x", change(func(r *couchmend.Revision) { r.Body = []byte(`{"\u005fdeleted":true}`) })},
		"inline at revpos 0": {"x", change(func(r *couchmend.Revision) {
			r.Attachments = []couchmend.Attachment{{Name: "n", Data: []byte{1}}}
		})},
	}
	for name, w := range bad {
		t.Run(name, func(t *testing.T) {
			kept, s := newStore(t, nil)
			// A good revision of the same document is held back with the bad one.
			all := []Write{{"y", good}, {w.ID, revision(1, "1", `{}`)}, w}
			written, err := s.DB("d").Write(t.Context(), all)
			if err != nil || written.Errs[0] != nil || len(kept.kept) != 1 || kept.kept["y"] != 1 {
				t.Errorf("got %v, %v; written %v", written, err, kept.kept)
			}
			wantKind(t, written.Errs[1], couchmend.KindUsage, "not sent")
			wantKind(t, written.Errs[2], couchmend.KindUsage, "not sent")
		})
	}
	kept, s := newStore(t, nil)
	if written, err := s.DB("d").Write(t.Context(), []Write{bad["no path"]}); err != nil || !isError(written.Errs[0]) || s.Requests()["bulk_docs"] != 0 {
		t.Errorf("got %v, %v; written %v", written, err, kept.kept)
	}
}

func TestARevisionIsEncodedAroundItsBodysOwnBytes(t *testing.T) {
	stub := couchmend.Attachment{Name: `s"`, ContentType: "text/plain", Digest: "md5-x", Length: 5, RevPos: 1}
	inline := couchmend.Attachment{Name: "i", ContentType: "image/png", RevPos: 2, Data: []byte{0, 1, 2}}
	empty := couchmend.Attachment{Name: "e", RevPos: 2, Data: []byte{}}
	cases := []struct {
		id   string
		r    couchmend.Revision
		want string
	}{
		{`a"b/ü`, couchmend.Revision{Rev: couchmend.MustRev("2-b"), Path: []couchmend.Rev{couchmend.MustRev("2-b"), couchmend.MustRev("1-a")},
			Body: []byte(" { \"n\" : 1.0 ,\n\"u\":\"\\u00e9\" } ")},
			`{"_id":"a\"b/ü","_rev":"2-b","_revisions":{"start":2,"ids":["b","a"]},"n" : 1.0 ,` + "\n" + `"u":"\u00e9"}`},
		{"d", couchmend.Revision{Rev: couchmend.MustRev("9-b"), Path: []couchmend.Rev{couchmend.MustRev("9-b")}, Deleted: true},
			`{"_id":"d","_rev":"9-b","_revisions":{"start":9,"ids":["b"]},"_deleted":true}`},
		{"d", couchmend.Revision{Rev: couchmend.MustRev("1-b"), Path: []couchmend.Rev{couchmend.MustRev("1-b")}, Deleted: true, Body: []byte(`{"k":1}`)},
			`{"_id":"d","_rev":"1-b","_revisions":{"start":1,"ids":["b"]},"_deleted":true,"k":1}`},
		{"a", couchmend.Revision{Rev: couchmend.MustRev(`1-q"\ü`), Path: []couchmend.Rev{couchmend.MustRev(`1-q"\ü`)}, Body: []byte(`{}`),
			Attachments: []couchmend.Attachment{stub, inline, empty}},
			`{"_id":"a","_rev":"1-q\"\\ü","_revisions":{"start":1,"ids":["q\"\\ü"]},"_attachments":{` +
				`"s\"":{"content_type":"text/plain","revpos":1,"digest":"md5-x","length":5,"stub":true},` +
				`"i":{"content_type":"image/png","revpos":2,"data":"AAEC"},"e":{"content_type":"","revpos":2,"data":""}}}`},
	}
	for _, c := range cases {
		if got := string(appendRevision(nil, c.id, c.r)); got != c.want {
			t.Errorf("got\n %s, want\n %s", got, c.want)
		}
	}
}

func TestAnErrorOfAWriteUnwrapsToWhatHappened(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	written, err := s.DB("d").Write(ctx, crowd(1))
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(written.Errs[0], context.DeadlineExceeded) {
		t.Errorf("got %v and %v", err, written.Errs[0])
	}
}
