package couch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

// shelf is a server with one list of documents, sorted by id. It cuts some of
// its answers off.
type shelf struct {
	ids []string
	// cutAfter are the numbers of rows after which the first answers end; the
	// others are whole.
	cutAfter []int
	asked    int
}

func (s *shelf) handler(w http.ResponseWriter, r *http.Request) {
	ids := s.ids
	if text := r.URL.Query().Get("startkey"); text != "" {
		var start string
		_ = json.Unmarshal([]byte(text), &start)
		at, _ := slices.BinarySearch(ids, start)
		ids = ids[at:]
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	ids = ids[:min(limit, len(ids))]
	text := `{"total_rows":9,"offset":0,"rows":[`
	s.asked++
	for i, id := range ids {
		if s.asked <= len(s.cutAfter) && i == s.cutAfter[s.asked-1] {
			cut(w, text+`{"id":"half`)
		}
		if i > 0 {
			text += ","
		}
		text += "\r\n" + `{"id":` + strconv.Quote(id) + `,"key":0,"value":{"rev":"1-a"}}`
		if len(text) > 1<<16 {
			_, _ = io.WriteString(w, text)
			text = ""
		}
	}
	_, _ = io.WriteString(w, text+"\r\n]}")
}

func list(t *testing.T, db *DB, o AllDocsOptions) (ids []string, err error) {
	t.Helper()
	for row, err := range db.AllDocs(t.Context(), o) {
		if err != nil {
			return ids, err
		}
		if !strings.HasPrefix(string(row.Text), "{") || !strings.HasSuffix(string(row.Text), "}") {
			t.Errorf("row %q", row.Text)
		}
		ids = append(ids, row.ID)
	}
	return ids, nil
}

func TestAListGoesOnBehindTheLastRowWhereItBrokeOff(t *testing.T) {
	ids := []string{"a", "b", `c"\`, "d/é 😀", "e"}
	for _, cuts := range [][]int{{0}, {1}, {3}, {2, 1, 2}, {0, 0, 1, 1, 1}, {4, 1}, {5}} {
		s := &shelf{ids: ids, cutAfter: cuts}
		got, err := list(t, serve(t, s.handler).DB("d"), AllDocsOptions{})
		if err != nil || !slices.Equal(got, ids) {
			t.Errorf("cut after %v: got %q, %v", cuts, got, err)
		}
	}
}

func TestAListIsGivenUpAfterFiveAnswersWithoutANewRow(t *testing.T) {
	s := &shelf{ids: []string{"a", "b"}, cutAfter: []int{1, 1, 1, 1, 1, 1, 1, 1}}
	got, err := list(t, serve(t, s.handler).DB("d"), AllDocsOptions{})
	wantKind(t, err, couchmend.KindUnreachable, "all_docs d", "broke off")
	if len(got) != 1 || s.asked != listTries {
		t.Errorf("got %q from %d answers", got, s.asked)
	}
}

func TestALongListIsReadPageByPage(t *testing.T) {
	for _, n := range []int{pageRows - 1, pageRows, 2*pageRows + 5} {
		s := &shelf{}
		for i := range n {
			s.ids = append(s.ids, fmt.Sprintf("doc%06d", i))
		}
		got, err := list(t, serve(t, s.handler).DB("d"), AllDocsOptions{})
		if err != nil || !slices.Equal(got, s.ids) {
			t.Errorf("got %d of %d, %v", len(got), n, err)
		}
		if want := n/pageRows + 1; s.asked != want {
			t.Errorf("%d rows took %d answers, want %d", n, s.asked, want)
		}
	}
}

func TestAListThatAlwaysBeginsAnewIsGivenUp(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { cut(w, `{"rows":[{"id":"a"},{"id":"b"},{"id":"c`) })
	got, err := list(t, s.DB("d"), AllDocsOptions{})
	wantKind(t, err, couchmend.KindServer, "begins anew")
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
}

func TestAListEndsWhereItsReaderHasEnough(t *testing.T) {
	s := &shelf{ids: []string{"a", "b", "c"}}
	for row, err := range serve(t, s.handler).DB("d").AllDocs(t.Context(), AllDocsOptions{}) {
		if err != nil || row.ID != "a" {
			t.Errorf("got %q, %v", row.ID, err)
		}
		break
	}
}

func TestWhatIsNoListSaysSo(t *testing.T) {
	cases := []struct {
		text string
		kind couchmend.Kind
		word string
	}{
		{`{"rows":[{"id":"a"}` + "\n" + `{"error":"timeout","reason":"slow"}`, couchmend.KindServer, "timeout: slow"},
		{`{"rows":[{"id":"a"},{"error":"forbidden","reason":"no"}]}`, couchmend.KindForbidden, "forbidden: no"},
		{`{"rows":[{"id":"a"},{"key":"b"}]}`, couchmend.KindServer, "no id"},
		{`{"rows":[{"id":"a"},7]}`, couchmend.KindServer, "where a row was due"},
		{`{"rows":[{"id":"a"}`, couchmend.KindUnreachable, "broke off"},
		{`{"rows":[{"id":"a"},{"id":"b"`, couchmend.KindUnreachable, "broke off"},
	}
	for _, c := range cases {
		got, err := list(t, serve(t, always(200, c.text)).DB("d"), AllDocsOptions{})
		wantKind(t, err, c.kind, c.word)
		if len(got) == 0 {
			t.Errorf("%s: the rows before are lost", c.text)
		}
	}
	for _, text := range []string{`{}`, `[]`, `{"rows":7}`, `{"total_rows":1}`} {
		_, err := list(t, serve(t, always(200, text)).DB("d"), AllDocsOptions{})
		wantKind(t, err, couchmend.KindServer)
	}
}

func TestARowLongerThanTheBufferIsWhole(t *testing.T) {
	long := `{"id":"a","doc":{"s":"` + strings.Repeat(`\"{[\\`, firstBuffer) + `"}}`
	s := newSplitter(strings.NewReader(`{"rows":[{"id":"0"},` + long + `,{"id":"b"}]}`))
	for _, want := range []string{`{"id":"0"}`, long, `{"id":"b"}`, ""} {
		if got, err := s.next(); err != nil || string(got) != want {
			t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
}

func TestADesignDocumentIsAGatedWrite(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "_all_docs") {
			answer(w, 200, `{"rows":[{"key":"_design/x","value":{"rev":"1-a"}}]}`)
			return
		}
		t.Errorf("asked %s %s", r.Method, r.URL)
	})
	closed := &couchmend.Error{Op: "pause", Kind: couchmend.KindOther}
	db := s.DB("d").Gated(func() error { return closed })
	for name, err := range map[string]error{
		"put": db.PutDesign(t.Context(), "x", json.RawMessage(`{}`)), "drop": db.DropDesign(t.Context(), "x"), "clean": db.CleanViews(t.Context()),
	} {
		if err != closed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
