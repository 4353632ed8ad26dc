package main

import (
	"archive/tar"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/couchtest"
)

// The archive of a real look at documents, a policy and a log holds nothing that
// these say: neither names nor values, byte by byte.
func TestAnArchiveForABugReportHoldsNothingThatWasSaid(t *testing.T) {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"))
	s := newShop(t, strings.Replace(couchtest.NewServer(t, node).URL, "://", "://admin:secret@", 1))
	hash := func(c string) string { return strings.Repeat(c, 32) }
	leaf := func(id, c, said string) string {
		return `{"_id":"` + id + `","_rev":"2-` + hash(c) + `","_revisions":{"start":2,"ids":["` + hash(c) + `","` + hash("1") + `"]},"type":"sekretkind","said":"` + said + `","updated_by":"sekretuser"}`
	}
	var docs []string
	for _, id := range []string{"sekret-one", "sekret-two"} {
		for _, c := range []string{"a", "b", "c", "d"} {
			docs = append(docs, leaf(id, c, "sekret "+c))
		}
	}
	s.ask("POST", "/"+s.db+"/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`)
	dir := t.TempDir()
	policy, log, archive := filepath.Join(dir, "couchmend.yaml"), filepath.Join(dir, "couch.log"), filepath.Join(dir, "report.tar.gz")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(policy, "databases:\n  - { match: \"*\", policy: sekretpolicy } # sekret\npolicies:\n  sekretpolicy:\n    rules:\n      - { name: sekretrule, when: { type: sekretkind } }\n")
	write(log, "[notice] 2026-11-22T03:00:01.000000Z n@sekrethost <0.1.0> 0000000001 sekrethost 10.0.0.7 sekretuser PUT /"+s.db+"/sekret-one 409 ok 3\n")
	s.couchmend(exitReview, "run", "--once", "--listen", "off", "--policy", policy, "--db", s.db)
	s.couchmend(exitReview, "triage", s.db, "--policy", policy, "--watch", "0s", "--since", "200000h", "--couch-log", log, "--bundle", archive)

	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for r := tar.NewReader(z); ; files++ {
		head, err := r.Next()
		if err == io.EOF {
			break
		}
		text, err2 := io.ReadAll(r)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		for _, word := range []string{"sekret", s.db, s.url.Host, "10.0.0.7", hash("a"), dir} {
			if at := strings.Index(string(text), word); at >= 0 {
				t.Errorf("%s holds %q: …%s…", head.Name, word, text[max(0, at-80):min(len(text), at+80)])
			}
		}
	}
	if files != 7 { // README, report twice, versions, policy, two documents
		t.Errorf("%d files", files)
	}
}
