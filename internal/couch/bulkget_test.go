package couch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

func got(t *testing.T, s *Server, want []Want, get Get) (all []Got, err error) {
	t.Helper()
	for g, err := range s.DB("d").BulkGet(t.Context(), want, get) {
		if err != nil {
			return all, err
		}
		all = append(all, g)
	}
	return all, nil
}

// doc is a document as CouchDB answers it, its own members around the body's.
func doc(id string, r couchmend.Rev, inside string) string {
	return fmt.Sprintf(`{"_id":%q,"_rev":"%s",%s"_revisions":{"start":%d,"ids":["%s"]}}`, id, r, inside, r.Gen, r.Hash)
}

func TestARevisionIsReadByteForByte(t *testing.T) {
	text := `{"_id":"a","_rev":"3-cc",
 "n": 12345678901234567891, "f":1.0,"u":"\u00e9\/é" , "o":{ "_x" :1, "z":[ ] },"a\"b":null,
 "_deleted":true,"\u005fodd":1,"_revisions":{"start":3,"ids":["cc","bb"]},"_conflicts":["3-b"],
 "_attachments":{"z.txt":{"content_type":"text/plain","revpos":2,"digest":"md5-x","length":5,"stub":true},
                 "a.bin":{"content_type":"application/octet-stream","revpos":3,"digest":"md5-y","data":"AAEC"},
                 "empty":{"content_type":"","revpos":3,"digest":"md5-z","data":""}}}`
	s := serve(t, always(200, `{"results":[{"docs":[{"ok":`+text+`}],"id":"a"}]}`))
	all, err := got(t, s, []Want{{"a", couchmend.MustRev("3-cc")}}, Get{})
	if err != nil || len(all) != 1 || all[0].Err != nil {
		t.Fatalf("got %+v, %v", all, err)
	}
	r := all[0].Revision
	const body = `{"n":12345678901234567891,"f":1.0,"u":"\u00e9\/é","o":{ "_x" :1, "z":[ ] },"a\"b":null}`
	if string(r.Body) != body {
		t.Errorf("body\n %s, want\n %s", r.Body, body)
	}
	if fmt.Sprint(r.Path) != "[3-cc 2-bb]" || r.Rev != r.Path[0] || !r.Deleted {
		t.Errorf("rev %v, path %v, deleted %v", r.Rev, r.Path, r.Deleted)
	}
	want := []couchmend.Attachment{
		{Name: "z.txt", ContentType: "text/plain", RevPos: 2, Digest: "md5-x", Length: 5, From: r.Rev},
		{Name: "a.bin", ContentType: "application/octet-stream", RevPos: 3, Digest: "md5-y", Length: 3, From: r.Rev, Data: []byte{0, 1, 2}},
		{Name: "empty", RevPos: 3, Digest: "md5-z", From: r.Rev, Data: []byte{}},
	}
	if fmt.Sprintf("%#v", r.Attachments) != fmt.Sprintf("%#v", want) {
		t.Errorf("attachments\n %#v, want\n %#v", r.Attachments, want)
	}
}

func TestAnswersComeInTheOrderOfTheQuestionWhateverTheServersOrder(t *testing.T) {
	want := []Want{{"a", rev(1, "a1")}, {"b", rev(1, "b1")}, {"a", rev(1, "a2")}, {"c", rev(1, "c1")}, {"a", rev(1, "a1")}}
	row := func(id, hash string) string {
		return `{"id":"` + id + `","docs":[{"ok":` + doc(id, rev(1, hash), "") + `}]}`
	}
	answers := map[string]string{
		"each in its place":   row("a", "a1") + "," + row("b", "b1") + "," + row("a", "a2") + "," + row("c", "c1") + "," + row("a", "a1"),
		"gathered (PouchDB)":  row("a", "a1") + "," + row("a", "a2") + "," + row("a", "a1") + "," + row("b", "b1") + "," + row("c", "c1"),
		"backwards, and more": row("x", "aa") + "," + row("c", "c1") + "," + row("a", "a2") + "," + row("b", "b1") + "," + row("a", "a1") + "," + row("a", "a1"),
		"one row of several": `{"id":"a","docs":[{"ok":` + doc("a", rev(1, "a1"), "") + `},{"ok":` + doc("a", rev(1, "a2"), "") +
			`},{"ok":` + doc("a", rev(1, "a1"), "") + `}]},` + row("b", "b1") + "," + row("c", "c1"),
	}
	for name, text := range answers {
		all, err := got(t, serve(t, always(200, `{"results":[`+text+`]}`)), want, Get{})
		if err != nil || len(all) != len(want) {
			t.Fatalf("%s: %d answers, %v", name, len(all), err)
		}
		for i, g := range all {
			if (Want{g.ID, g.Rev}) != want[i] || g.Revision == nil || g.Revision.Rev != want[i].Rev {
				t.Errorf("%s: answer %d is %+v", name, i, g)
			}
		}
	}
}

func TestEachKindOfMissingRowIsUnderstood(t *testing.T) {
	want := []Want{{"a", couchmend.MustRev("2-x")}, {"a", couchmend.MustRev("2-y")}}
	rows := map[string]string{
		"CouchDB": `{"id":"a","docs":[{"error":{"id":"a","rev":"2-x","error":"not_found","reason":"missing"}}]},
			{"id":"a","docs":[{"error":{"id":"a","rev":"2-y","error":"not_found","reason":"missing"}}]}`,
		"PouchDB, a revision":   `{"id":"a","docs":[{"missing":"2-x"}]},{"id":"a","docs":[{"missing":"2-y"}]}`,
		"PouchDB, the document": `{"id":"a","docs":[{"error":"not_found","reason":"missing"}]}`,
		"undefined":             `{"id":"a","docs":[{"error":{"id":"a","rev":"undefined","error":"not_found","reason":"missing"}}]}`,
	}
	for name, text := range rows {
		all, err := got(t, serve(t, always(200, `{"results":[`+text+`]}`)), want, Get{})
		if err != nil || len(all) != 2 {
			t.Fatalf("%s: %v, %v", name, all, err)
		}
		for i, g := range all {
			if !g.Missing || g.Err != nil || g.Revision != nil || (Want{g.ID, g.Rev}) != want[i] {
				t.Errorf("%s: answer %d is %+v", name, i, g)
			}
		}
	}
}

func TestOneRowThatCannotBeUsedDoesNotSpoilItsNeighbours(t *testing.T) {
	good := `{"id":"z","docs":[{"ok":` + doc("z", rev(1, "1"), "") + `}]}`
	bad := map[string]struct {
		row  string
		kind couchmend.Kind
	}{
		"refused":           {`{"error":{"id":"a","rev":"2-x","error":"forbidden","reason":"no"}}`, couchmend.KindForbidden},
		"server's trouble":  {`{"error":{"id":"a","rev":"2-x","error":"internal_fabric_error","reason":"x"}}`, couchmend.KindServer},
		"without a path":    {`{"ok":{"_id":"a","_rev":"2-x"}}`, couchmend.KindServer},
		"another's path":    {`{"ok":{"_id":"a","_rev":"2-x","_revisions":{"start":2,"ids":["y"]}}}`, couchmend.KindServer},
		"wrong generation":  {`{"ok":{"_id":"a","_rev":"2-x","_revisions":{"start":3,"ids":["x"]}}}`, couchmend.KindServer},
		"path beyond first": {`{"ok":{"_id":"a","_rev":"2-x","_revisions":{"start":2,"ids":["x","y","z"]}}}`, couchmend.KindServer},
		"empty id in path":  {`{"ok":{"_id":"a","_rev":"2-x","_revisions":{"start":2,"ids":["x",""]}}}`, couchmend.KindServer},
		"no ids in path":    {`{"ok":{"_id":"a","_rev":"2-x","_revisions":{"start":2,"ids":["x",{"y":1}]}}}`, couchmend.KindServer},
		"bad attachment":    {`{"ok":{"_id":"a","_rev":"2-x","_revisions":{"start":2,"ids":["x"]},"_attachments":{"n":{"data":"*"}}}}`, couchmend.KindServer},
		"nothing at all":    {`{}`, couchmend.KindServer},
	}
	for name, c := range bad {
		t.Run(name, func(t *testing.T) {
			s := serve(t, always(200, `{"results":[{"id":"a","docs":[`+c.row+`]},`+good+`]}`))
			all, err := got(t, s, []Want{{"a", couchmend.MustRev("2-x")}, {"z", rev(1, "1")}}, Get{})
			if err != nil || len(all) != 2 || all[1].Revision == nil {
				t.Fatalf("got %+v, %v", all, err)
			}
			wantKind(t, all[0].Err, c.kind, "bulk_get", "d/", `"a"`, "2-x")
			if all[0].Missing || all[0].Revision != nil {
				t.Errorf("got %+v", all[0])
			}
		})
	}
}

func TestARevisionThatTheAnswerPassesOverIsAnErrorNotMissing(t *testing.T) {
	text := `{"results":[{"id":"b","docs":[{"ok":` + doc("b", rev(1, "1"), "") + `}]},{"id":"c","docs":[]}]}`
	all, err := got(t, serve(t, always(200, text)), []Want{{"a", rev(1, "1")}, {"b", rev(1, "1")}, {"c", rev(1, "1")}}, Get{})
	if err != nil || len(all) != 3 || all[1].Revision == nil {
		t.Fatalf("got %+v, %v", all, err)
	}
	wantKind(t, all[0].Err, couchmend.KindServer, "passes over")
	wantKind(t, all[2].Err, couchmend.KindServer, "passes over")
}

func TestATruncatedAnswerGivesWhatCameAndThenAnError(t *testing.T) {
	text := `{"results":[{"id":"a","docs":[{"ok":` + doc("a", rev(1, "1"), "") + `}]},{"id":"b","do`
	handlers := map[string]http.HandlerFunc{
		"dropped": func(w http.ResponseWriter, _ *http.Request) { cut(w, text) },
		"short":   always(200, text),
	}
	for name, handler := range handlers {
		all, err := got(t, serve(t, handler), []Want{{"a", rev(1, "1")}, {"b", rev(1, "1")}}, Get{})
		wantKind(t, err, couchmend.KindUnreachable, "bulk_get d")
		if len(all) != 1 {
			t.Errorf("%s: %d answers before the error", name, len(all))
		}
	}
}

func TestAVeryLargeQuestionIsAskedInPieces(t *testing.T) {
	limit := 700
	var sizes []int
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var question struct{ Docs []struct{ ID, Rev string } }
		if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
			t.Error(err)
		}
		if r.URL.RawQuery != "revs=true" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("asked with %q, Accept %q", r.URL.RawQuery, r.Header.Get("Accept"))
		}
		if len(question.Docs) > limit {
			answer(w, 413, `{"error":"too_large","reason":"n"}`)
			return
		}
		sizes = append(sizes, len(question.Docs))
		_, _ = io.WriteString(w, `{"results":[`)
		for i, d := range question.Docs {
			fmt.Fprintf(w, `%s{"id":%q,"docs":[{"missing":%q}]}`, strings.Repeat(",", min(i, 1)), d.ID, d.Rev)
		}
		_, _ = io.WriteString(w, `]}`)
	})
	var want []Want
	for i := range 5000 {
		want = append(want, Want{fmt.Sprint(i), rev(1, "1")})
	}
	all, err := got(t, s, want, Get{})
	if err != nil || len(all) != len(want) {
		t.Fatalf("%d answers, %v", len(all), err)
	}
	for i, g := range all {
		if g.ID != want[i].ID || !g.Missing {
			t.Fatalf("answer %d is %+v", i, g)
		}
	}
	if slices.Max(sizes) > limit {
		t.Errorf("asked in pieces of %v", sizes)
	}
	limit = 0
	_, err = got(t, s, want, Get{})
	wantKind(t, err, couchmend.KindTooLarge)
}

func TestAttachmentsAreAskedForWhereEitherServerLooks(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		const want = `{"docs":[{"id":"a\"b","rev":"1-x","attachments":true}]}`
		if r.URL.RawQuery != "revs=true&attachments=true" || string(body) != want {
			t.Errorf("asked %q with %s", r.URL.RawQuery, body)
		}
		answer(w, 200, `{"results":[]}`)
	})
	if _, err := got(t, s, []Want{{`a"b`, couchmend.MustRev("1-x")}}, Get{Attachments: true}); err != nil {
		t.Error(err)
	}
}

func TestAQuestionWithoutIDOrRevisionIsNotAsked(t *testing.T) {
	s := serve(t, always(200, `{"results":[]}`))
	for _, w := range []Want{{}, {ID: "a"}, {Rev: rev(1, "1")}} {
		_, err := got(t, s, []Want{w}, Get{})
		wantKind(t, err, couchmend.KindUsage)
	}
	if all, err := got(t, s, nil, Get{}); len(all) != 0 || err != nil || len(s.Requests()) != 0 {
		t.Errorf("got %v, %v after %v", all, err, s.Requests())
	}
}

func TestTheReaderMayStopWhenItHasEnough(t *testing.T) {
	long := strings.Repeat(`,{"id":"b","docs":[{"missing":"1-x"}]}`, 10_000)
	s := serve(t, always(200, `{"results":[{"id":"a","docs":[{"missing":"1-x"}]}`+long+`]}`))
	n := 0
	for range s.DB("d").BulkGet(t.Context(), []Want{{"a", couchmend.MustRev("1-x")}, {"b", couchmend.MustRev("1-x")}}, Get{}) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d answers", n)
	}
}
