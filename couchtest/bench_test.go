package couchtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkBulkDocs writes documents of about 1.2 KB over HTTP, 500 a request.
func BenchmarkBulkDocs(b *testing.B) {
	const batch = 500
	s := NewServer(b, NewNode())
	s.Node.CreateDB("b")
	filler := strings.Repeat("lorem ipsum ", 10)
	n := 0
	for b.Loop() {
		var body bytes.Buffer
		body.WriteString(`{"docs":[`)
		for i := range batch {
			if i > 0 {
				body.WriteByte(',')
			}
			fmt.Fprintf(&body, `{"_id":"doc-%08d","type":"data_record","n":%d,"x":1.5,"ok":true`, n, n)
			for f := range 8 {
				fmt.Fprintf(&body, `,"field_%d":%q`, f, filler)
			}
			body.WriteString("}")
			n++
		}
		body.WriteString("]}")
		answer, err := http.Post(s.URL+"/b/_bulk_docs", "application/json", &body)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "docs/s")
}
