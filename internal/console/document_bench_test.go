package console

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkDocumentPage renders a document with 200 live leaves of 20 fields,
// what CouchDB is asked for it included.
func BenchmarkDocumentPage(b *testing.B) {
	c := newWard(b, nil)
	docs := []string{revision("d", "aa", `,"n":0`)}
	for i := range 200 {
		var fields strings.Builder
		for f := range 20 {
			fmt.Fprintf(&fields, `,"field%d":"value %d of it"`, f, i*f%50)
		}
		docs = append(docs, revision("d", fmt.Sprintf("%04xbb aa", i), fields.String()))
	}
	c.save(docs...)
	for b.Loop() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://127.0.0.1/document"+at("ward", "d"), nil)
		c.console.ServeHTTP(w, r)
		if w.Code != 200 || strings.Count(w.Body.String(), "k-leaf\" cx") != 199 {
			b.Fatalf("%d: %.500s", w.Code, w.Body.String())
		}
	}
}
