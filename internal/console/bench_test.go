package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/ledger"
)

// benchmarked is a console with 100,000 open cases in 20 databases.
func benchmarked(b *testing.B) *clinic {
	c := newClinic(b, nil)
	reasons := []couchmend.Reason{couchmend.ReasonOverlap, couchmend.ReasonNoBase, couchmend.ReasonSchema, couchmend.ReasonDeleted}
	const n = 100_000
	for i := range 20 {
		c.node.CreateDB(fmt.Sprint("ward-", i))
	}
	for from := 0; from < n; from += 5000 {
		var cases []ledger.Case
		for i := from; i < from+5000; i++ {
			cases = append(cases, ledger.Case{
				DB: fmt.Sprint("ward-", i%20), ID: fmt.Sprintf("person-%08d", i), Reason: reasons[i%4], Type: []string{"person", "report", "visit"}[i%3],
				Fields: []string{"name", fmt.Sprint("field-", i%50)}, Rule: "p/people", Live: 2 + i%7, Deep: i%7 > 2, First: time.Now().Add(-time.Duration(i) * time.Second),
			})
		}
		if err := c.ledger.PutCases(b.Context(), cases...); err != nil {
			b.Fatal(err)
		}
	}
	for c.console.Board.Waiting(board.All).Total < n {
		time.Sleep(10 * time.Millisecond)
	}
	return c
}

// answers asks for a page again and again, in this process.
func answers(b *testing.B, path string) {
	c := benchmarked(b)
	first := httptest.NewRecorder()
	c.console.ServeHTTP(first, local("/sign-in", nil))
	first = httptest.NewRecorder()
	c.console.ServeHTTP(first, local(path, nil))
	cookies := first.Result().Cookies()
	for b.Loop() {
		w := httptest.NewRecorder()
		c.console.ServeHTTP(w, local(path, cookies))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

func local(path string, cookies []*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	return r
}

func BenchmarkOverview(b *testing.B)  { answers(b, "/") }
func BenchmarkCasesPage(b *testing.B) { answers(b, "/cases") }
func BenchmarkCasesFiltered(b *testing.B) {
	answers(b, "/cases?field=field-7&q=99&order=deepest&limit=200")
}
