package couch

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/couchmend/couchmend"
)

func TestInfoReadsEachServersWay(t *testing.T) {
	cases := map[string]Info{
		`{"db_name":"d","update_seq":"3-g1A","doc_count":2,"instance_start_time":"1700000000","cluster":{"q":2,"n":3,"w":2,"r":2}}`: {
			UpdateSeq: "3-g1A", DocCount: 2, InstanceStart: "1700000000", ClusterN: 3},
		`{"db_name":"d","doc_count":0,"update_seq":7,"instance_start_time":1700000000123}`: {
			UpdateSeq: "7", InstanceStart: "1700000000123", ClusterN: 1},
	}
	for text, want := range cases {
		if got, err := serve(t, always(200, text)).DB("d").Info(t.Context()); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestRevsLimitIsTheDefaultOnlyWhereTheServerHasNoSuchSetting(t *testing.T) {
	limit, err := serve(t, always(200, "50\n")).DB("d").RevsLimit(t.Context())
	if err != nil || limit != 50 {
		t.Errorf("got %d, %v", limit, err)
	}
	pouch := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/d" {
			answer(w, 200, `{"update_seq":1}`)
			return
		}
		answer(w, 404, `{"error":"not_found","reason":"missing"}`)
	})
	if limit, err := pouch.DB("d").RevsLimit(t.Context()); err != nil || limit != DefaultRevsLimit {
		t.Errorf("got %d, %v", limit, err)
	}
	_, err = pouch.DB("gone").RevsLimit(t.Context())
	wantKind(t, err, couchmend.KindNotFound)
	_, err = serve(t, always(500, `{"error":"x"}`)).DB("d").RevsLimit(t.Context())
	wantKind(t, err, couchmend.KindServer)
}

func TestWinnersTellsTheLiveTheDeadAndTheMissingApart(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var question struct{ Keys []string }
		if err := json.NewDecoder(r.Body).Decode(&question); err != nil || fmt.Sprint(question.Keys) != "[a ü/b c d odd]" {
			t.Errorf("asked for %v, %v", question.Keys, err)
		}
		answer(w, 200, `{"total_rows":2,"offset":null,"rows":[
			{"id":"a","key":"a","value":{"rev":"3-x"}},
			{"id":"ü/b","key":"ü/b","value":{"rev":"2-y","deleted":true},"doc":null},
			{"id":"odd","key":"odd","value":{"rev":"0-x"}},
			{"key":"c","error":"not_found"}]}`)
	})
	got, err := s.DB("d").Winners(t.Context(), []string{"a", "ü/b", "c", "d", "odd"})
	want := map[string]Winner{
		"a": {Rev: couchmend.MustRev("3-x")}, "ü/b": {Rev: couchmend.MustRev("2-y"), Deleted: true},
		"c": {Missing: true}, "d": {Missing: true}, "odd": {},
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := s.DB("d").Winners(t.Context(), nil); err != nil || len(got) != 0 || s.Requests()["all_docs"] != 1 {
		t.Errorf("nothing asked: %v, %v", got, err)
	}
	_, err = serve(t, always(200, `{"rows":[{"key":"a","error":"timeout"}]}`)).DB("d").Winners(t.Context(), []string{"a"})
	wantKind(t, err, couchmend.KindServer, "timeout")
}

func TestLeavesAreOrderedAsCouchDBOrdersThem(t *testing.T) {
	s := serve(t, always(200, `[{"ok":`+doc("a", rev(9, "1"), `"_deleted":true,`)+`},{"ok":`+doc("a", rev(2, "b"), "")+`},
		{"ok":`+doc("a", rev(3, "a"), `"k":1,`)+`},{"ok":`+doc("a", rev(2, "c"), "")+`}]`))
	leaves, err := s.DB("d").Leaves(t.Context(), "a")
	if err != nil || len(leaves) != 4 {
		t.Fatalf("got %v, %v", leaves, err)
	}
	for i, want := range []couchmend.Rev{rev(3, "a"), rev(2, "c"), rev(2, "b"), rev(9, "1")} {
		if leaves[i].Rev != want || leaves[i].Deleted != (i == 3) {
			t.Errorf("leaf %d is %+v", i, leaves[i])
		}
	}
	for _, text := range []string{`[]`, `[{"missing":"1-x"}]`} {
		_, err := serve(t, always(200, text)).DB("d").Leaves(t.Context(), "a")
		if err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	_, err = serve(t, always(404, `{"error":"not_found","reason":"missing"}`)).DB("d").Leaves(t.Context(), "a")
	wantKind(t, err, couchmend.KindNotFound, `d/"a"`)
	_, err = serve(t, always(200, `[{"ok":{"_id":"a","_rev":"1-x"}}]`)).DB("d").Leaves(t.Context(), "a")
	wantKind(t, err, couchmend.KindServer, "_revisions")
}

func TestAnAttachmentIsItsBytesEvenIfTheyAreAWebPage(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<p>" + r.URL.RawQuery))
	})
	data, err := s.DB("d").Attachment(t.Context(), "a", rev(1, "a"), "page.html")
	if err != nil || string(data) != "<p>rev="+rev(1, "a").String() {
		t.Errorf("got %q, %v", data, err)
	}
	_, err = serve(t, func(w http.ResponseWriter, _ *http.Request) { cut(w, "half") }).DB("d").Attachment(t.Context(), "a", rev(1, "a"), "n")
	wantKind(t, err, couchmend.KindUnreachable)
}
