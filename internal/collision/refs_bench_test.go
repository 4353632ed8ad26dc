package collision

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/couch"
)

// benchID is the i-th of the ids of a generated database.
func benchID(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 4))
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Int64N(1<<48))
}

// benchRows are rows of about 1.2 KB, without their beginnings; one in referring
// refers to benchID(1).
func benchRows(n, referring int) []string {
	rows := make([]string, n)
	for i := range rows {
		id, patient := benchID(1000+i), benchID(5000+i)
		if i%referring == 0 {
			patient = benchID(1)
		}
		doc := fmt.Sprintf(`{"_id":%q,"_rev":"1-967a00dff5e02add41819138abb3284d","type":"data_record","form":"V","fields":{"patient_id":%q,"inputs":{"contact":{"_id":%q}},`+
			`"note":"born in the rain; %s\"well\""},"tasks":[{"due":"2026-11-21","for":%q,"state":"pending"},{"due":"2026-11-22","for":%q,"state":"done"}]}`,
			id, patient, benchID(9000+i), strings.Repeat("seen at home, ", 40), benchID(3), benchID(4))
		rows[i] = fmt.Sprintf(`"key":%q,"value":{"rev":"1-967a00dff5e02add41819138abb3284d"},"doc":%s}`, id, doc)
	}
	return rows
}

// stream is a server whose database has so many documents: rows again and again.
func stream(tb testing.TB, rows []string, total int) *couch.DB {
	sent := 0
	return serve(tb, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "_all_docs") {
			sent = 0
			fmt.Fprintf(w, `{"doc_count":%d}`, total)
			return
		}
		var limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		out := bufio.NewWriterSize(w, 64<<10)
		defer out.Flush()
		_, _ = io.WriteString(out, `{"total_rows":1,"offset":0,"rows":[`)
		for range min(limit, total-sent) {
			fmt.Fprintf(out, "\r\n{\"id\":\"%08d\",%s,", sent, rows[sent%len(rows)])
			sent++
		}
		_, _ = io.WriteString(out, "\r\n]}")
	})
}

// benchIDs are ten ids of which documents refer to the first.
func benchIDs() (ids []string) {
	for i := range 10 {
		ids = append(ids, benchID(100+i))
	}
	ids[0] = benchID(1)
	return ids
}

// BenchmarkFind searches 10 ids over HTTP in 20,000 documents of 1.2 KB, where
// one in 1,000 refers to one of them, or all do; "Reading" only reads the answer.
func BenchmarkFind(b *testing.B) {
	const total = 20_000
	for name, referring := range map[string]int{"few": 1000, "all": 1} {
		b.Run(name, func(b *testing.B) {
			rows := benchRows(1000, referring)
			db := stream(b, rows, total)
			b.SetBytes(int64(total * len(rows[0])))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range Find(b.Context(), db, benchIDs(), Options{}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != total/referring {
					b.Fatal(n)
				}
			}
		})
	}
	b.Run("Reading", func(b *testing.B) {
		rows := benchRows(1000, 1000)
		db := stream(b, rows, total)
		b.SetBytes(int64(total * len(rows[0])))
		for b.Loop() {
			if _, err := db.Info(b.Context()); err != nil {
				b.Fatal(err)
			}
			for _, err := range db.AllDocs(b.Context(), couch.AllDocsOptions{Docs: true}) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkMayHold looks for ids in rows without any.
func BenchmarkMayHold(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var ids []string
			for i := range n {
				ids = append(ids, benchID(100_000+i))
			}
			s, err := newSearch(ids)
			if err != nil {
				b.Fatal(err)
			}
			row := []byte(benchRows(1, 2)[0])
			b.SetBytes(int64(len(row)))
			for b.Loop() {
				if s.mayHold(row) {
					b.Fatal("found")
				}
			}
		})
	}
}

func TestMemoryDoesNotGrowWithTheDatabase(t *testing.T) {
	const limit = 12 << 20
	db := stream(t, benchRows(100, 10), 50_000) // 60 MB
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	for _, err := range Find(t.Context(), db, benchIDs(), Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%500 == 0 {
			runtime.ReadMemStats(&now)
			if now.HeapAlloc > before.HeapAlloc+limit {
				t.Fatalf("%d MB after %d references", (now.HeapAlloc-before.HeapAlloc)>>20, n)
			}
		}
	}
	if n != 5000 {
		t.Errorf("%d references", n)
	}
}
