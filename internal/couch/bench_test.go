package couch

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// clinicDoc is a body of about 1.2 KB.
func clinicDoc(i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":"data_record","form":"V","patient_id":"%05d","reported_date":1530230400000,"fields":{`, i)
	for j := range 16 {
		fmt.Fprintf(&b, `"field_%d":"a value of some length","n_%d":%d,`, j, j, j*1000003)
	}
	b.WriteString(`"note":"born in the rain"},"scheduled_tasks":[{"due":"2026-11-21","state":"pending"}]}`)
	return b.String()
}

const benchDocs = 500

func benchRevisions(depth int) (all []Write) {
	for i := range benchDocs {
		all = append(all, Write{fmt.Sprintf("doc-%04d", i), revision(depth, fmt.Sprintf("%x", i+4096), clinicDoc(i))})
	}
	return all
}

// bulkGetAnswer is how CouchDB answers for benchRevisions.
func bulkGetAnswer(all []Write) (text []byte, want []Want) {
	text = append(text, `{"results":[`...)
	for i, w := range all {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(appendRevision(append(text, `{"docs":[{"ok":`...), w.ID, w.Revision), `}],"id":"`+w.ID+`"}`...)
		want = append(want, Want{w.ID, w.Revision.Rev})
	}
	return append(text, `]}`...), want
}

// BenchmarkBulkGet reads 500 revisions of 1.2 KB over HTTP, 8 deep.
func BenchmarkBulkGet(b *testing.B) {
	text, want := bulkGetAnswer(benchRevisions(8))
	db := serve(b, always(200, string(text))).DB("d")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for g, err := range db.BulkGet(b.Context(), want, Get{}) {
			if err != nil || g.Revision == nil {
				b.Fatal(g, err)
			}
			n++
		}
		if n != benchDocs {
			b.Fatal(n)
		}
	}
}

// BenchmarkReadBulkGet is the same without HTTP, with shallow and deep paths.
func BenchmarkReadBulkGet(b *testing.B) {
	for _, depth := range []int{8, 1000} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			text, want := bulkGetAnswer(benchRevisions(depth))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r := newGetReader(bytes.NewReader(text), call{}, want)
				if _, err := r.readAll(func(g Got) bool { return g.Revision != nil }); err != nil || len(r.want) > 0 {
					b.Fatal(err, len(r.want))
				}
			}
		})
	}
}

// BenchmarkEncodeWrite checks and encodes 500 revisions of 1.2 KB, 8 deep.
func BenchmarkEncodeWrite(b *testing.B) {
	all := benchRevisions(8)
	db := &DB{name: "d"}
	b.ReportAllocs()
	for b.Loop() {
		batch := newBatch(db, all)
		if len(batch.documents) != benchDocs {
			b.Fatal(batch.written.Errs)
		}
		b.SetBytes(int64(len(batch.text)))
	}
}

// BenchmarkChanges reads 10,000 rows of two leaves.
func BenchmarkChanges(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"results":[` + "\n")
	for i := range 10_000 {
		if i > 0 {
			text.WriteString(",\n")
		}
		fmt.Fprintf(&text, `{"seq":"%d-%s","id":"doc-%d","changes":[{"rev":"%s"},{"rev":"%s"}]}`,
			i, strings.Repeat("g1AAAACI", 20), i, rev(3, fmt.Sprint(i)), rev(2, fmt.Sprint(i)))
	}
	text.WriteString(`],"last_seq":"1","pending":0}`)
	db := serve(b, always(200, text.String())).DB("d")
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		var last Change
		for row, err := range db.Changes(b.Context(), ChangesOptions{}) {
			if err != nil {
				b.Fatal(err)
			}
			last = row
		}
		if last.Seq != "1" {
			b.Fatal(last)
		}
	}
}
