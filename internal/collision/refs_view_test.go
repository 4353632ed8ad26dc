package collision

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/pouchserver"
)

func TestAViewFindsWhatReadingFinds(t *testing.T) {
	db := freshDB(t, realCouchDB(t))
	mustWrite(t, db, clinic()...)
	odd := []string{"ünï-😀", `q"\x`, "\u2028</script>", "e\u0301"}
	for i, id := range odd {
		body, _ := json.Marshal(map[string]any{"to": []string{id}, id: 1})
		mustWrite(t, db, leaf(fmt.Sprint("odd", i), "1-a", string(body)))
	}
	ids := append([]string{collided, "nobody"}, odd...)
	for _, o := range []Options{{}, {Substrings: true}} {
		want := lines(t, Find(t.Context(), db, ids, o))
		v, err := OpenView(t.Context(), db, ids, o)
		if err != nil {
			t.Fatal(err)
		}
		wantLines(t, lines(t, v.Find(t.Context())), want...)
		if err := v.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wantNoViews(t, db)
	}
}

func wantNoViews(t *testing.T, db *couch.DB) {
	t.Helper()
	for row, err := range db.AllDocs(t.Context(), couch.AllDocsOptions{Start: "_design/" + viewPrefix, End: "_design/" + viewEnd}) {
		t.Errorf("left behind: %s %v", row.ID, err)
	}
}

func TestAServerWithoutCouchDBsViewsSaysSo(t *testing.T) {
	db := freshDB(t, pouchserver.Start(t))
	_, err := OpenView(t.Context(), db, []string{"A"}, Options{})
	if couchmend.KindOf(err) != couchmend.KindRefused || !strings.Contains(err.Error(), "without a view") {
		t.Error(err)
	}
	wantNoViews(t, db)
}

// library is a server with one database that can build a view.
type library struct {
	mu      sync.Mutex
	designs map[string]string // by name
	pending []int             // what _info says, one after the other; the last one stays
	asked   []string
	refuse  string // the method that a database admin's rights are missing for
	found   string // the view's rows
	cancel  func() // called when _info is asked for
}

func (l *library) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/d")
	name, rest, _ := strings.Cut(strings.TrimPrefix(path, "/_design/"), "/")
	l.asked = append(l.asked, r.Method+" "+rest)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == l.refuse:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":"forbidden","reason":"You are not a db or server admin."}`)
	case path == "/_all_docs" && r.Method == http.MethodPost: // which winner?
		body, _ := io.ReadAll(r.Body)
		for known := range l.designs {
			if strings.Contains(string(body), known) {
				fmt.Fprintf(w, `{"rows":[{"key":"_design/%s","value":{"rev":"1-a"}}]}`, known)
				return
			}
		}
		fmt.Fprint(w, `{"rows":[]}`)
	case path == "/_all_docs":
		var rows []string
		for name := range l.designs {
			rows = append(rows, `{"id":"_design/`+name+`"}`)
		}
		slices.Sort(rows)
		fmt.Fprintf(w, `{"rows":[%s]}`, strings.Join(rows, ","))
	case path == "/_view_cleanup":
		fmt.Fprint(w, `{"ok":true}`)
	case r.Method == http.MethodPut && l.designs[name] != "":
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"error":"conflict"}`)
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		l.designs[name] = string(body)
		fmt.Fprint(w, `{"ok":true}`)
	case r.Method == http.MethodDelete:
		delete(l.designs, name)
		fmt.Fprint(w, `{"ok":true}`)
	case rest == "_info":
		if l.cancel != nil {
			l.cancel()
		}
		fmt.Fprintf(w, `{"view_index":{"updater_running":%v,"updates_pending":{"preferred":%d}}}`, l.pending[0] > almost, l.pending[0])
		l.pending = l.pending[min(1, len(l.pending)-1):]
	default: // the view
		fmt.Fprintf(w, `{"rows":[%s]}`, l.found)
	}
}

func newLibrary(t *testing.T) (*library, *couch.DB) {
	l := &library{designs: map[string]string{}, pending: []int{0}, found: `{"id":"a","doc":{"_rev":"1-a","x":"A"}}`}
	return l, serve(t, l.serve)
}

func TestAViewIsWaitedForWithItsProgress(t *testing.T) {
	l, db := newLibrary(t)
	l.pending = []int{9000, 4000, 10}
	var told []string
	v, err := OpenView(t.Context(), db, []string{"A"}, Options{Progress: func(done, total int64) { told = append(told, fmt.Sprintf("%d/%d", done, total)) }})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(told) != "[0/9000 5000/9000 8990/9000]" {
		t.Errorf("told %v", told)
	}
	wantLines(t, lines(t, v.Find(t.Context())), "a x value A")
	if err := v.Close(t.Context()); err != nil || len(l.designs) > 0 || !slices.Contains(l.asked, "POST _view_cleanup") {
		t.Errorf("%v, left %v, asked %v", err, l.designs, l.asked)
	}
}

func TestAViewWithoutTheRightsSaysWhichAreMissing(t *testing.T) {
	l, db := newLibrary(t)
	l.refuse = http.MethodPut
	_, err := OpenView(t.Context(), db, []string{"A"}, Options{})
	if couchmend.KindOf(err) != couchmend.KindForbidden || !strings.Contains(err.Error(), "database admin") {
		t.Error(err)
	}
}

func TestABrokenOffSearchLeavesNoViewBehind(t *testing.T) {
	l, db := newLibrary(t)
	ctx, cancel := context.WithCancel(t.Context())
	l.pending, l.cancel = []int{9000}, cancel
	if _, err := OpenView(ctx, db, []string{"A"}, Options{}); err == nil {
		t.Error("it went on")
	}
	if len(l.designs) > 0 {
		t.Errorf("left behind: %v", l.designs)
	}
}

func TestAViewThatACrashLeftBehindIsUsedAndRemovedAndOthersAreNamed(t *testing.T) {
	l, db := newLibrary(t)
	for range 2 { // the first one crashes
		if _, err := OpenView(t.Context(), db, []string{"B", "A"}, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.designs) != 1 {
		t.Errorf("designs %v", l.designs)
	}
	l.designs[viewPrefix+"else"] = "{}"
	v, err := OpenView(t.Context(), db, []string{"A", "B", "A"}, Options{})
	if err != nil || fmt.Sprint(v.Leftovers) != "[_design/couchmend-refs-else]" {
		t.Fatal(err, v.Leftovers)
	}
	if err := v.Close(t.Context()); err != nil || len(l.designs) != 1 {
		t.Errorf("%v, designs %v", err, l.designs)
	}
}

func TestAViewThatCannotBeRemovedIsNamed(t *testing.T) {
	l, db := newLibrary(t)
	v, err := OpenView(t.Context(), db, []string{"A"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.refuse = http.MethodDelete
	if err := v.Close(t.Context()); err == nil || !strings.Contains(err.Error(), v.name+" is left behind") {
		t.Error(err)
	}
}
