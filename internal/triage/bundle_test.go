package triage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/ledger"
)

// secrets are texts that no file of a redacted bundle may hold.
var secrets = struct {
	db, doc, user, peer, host, kind, rule, policy, reason, value, file, password, log, replication, error string
}{
	"sekretdb", "sekretdoc", "sekretuser", "203.0.113.77", "sekrethost", "sekretkind", "sekretrule", "sekretpolicy", "sekretreason", "sekretvalue",
	"sekretfile", "sekretpassword", "sekretlog", "sekretreplication", "sekreterror",
}

const secretMark = "sekret"

// fullReport has a secret in every place where documents, logs and people put
// words.
func fullReport(t *testing.T) *Report {
	t.Helper()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	g := New(Options{Now: func() time.Time { return at }, Since: at.Add(-time.Hour)})
	var err error
	if g.server, err = couch.Open(couch.Config{URL: "http://sekrethost:5984"}); err != nil {
		t.Fatal(err)
	}
	g.report.Server = Server{URL: "http://sekrethost:5984", Version: "3.5.0", Vendor: "ASF"}
	g.report.Databases = []Database{{Name: secrets.db, Documents: 100, Conflicts: 50, Looked: 50}}
	g.report.Pauses = []ledger.Pause{{DB: secrets.db, By: secrets.user, Reason: secrets.reason, Since: at.Add(-time.Hour)}}
	g.note(secrets.db, "The database was not surveyed.", fmt.Errorf("%s", secrets.error))
	first := []couch.Replication{
		{ID: secrets.replication, Database: "_replicator", DocID: secrets.doc, Source: "http://sekrethost:5984/sekretdb/", Target: "https://sekretelsewhere/sekretother", State: "running", Counted: true, WriteFailures: 3},
		{ID: "sekretjob", Source: "sekretdb", Target: "http://sekretelsewhere/x", State: "crashing", Error: "db_not_found: could not open sekretdb", Errors: 2},
	}
	g.report.Replications = g.compare(first, first, time.Second)
	for i := range 12 {
		body := fmt.Sprintf(`{"type":"sekretkind","updated_by":"sekretuser%d","note":"sekretvalue","updated_at":"2027-01-01T00:00:00Z"}`, i%2)
		o := observation{db: secrets.db, id: fmt.Sprintf("sekretdoc%d", i), at: at, open: true}
		for k := range 4 {
			rev := couchmend.MustRev(fmt.Sprintf("2-abad1dea%d%d", i, k))
			o.leaves = append(o.leaves, couchmend.Revision{Rev: rev, Path: []couchmend.Rev{rev, couchmend.MustRev("1-abad1dea")}, Body: json.RawMessage(strings.Replace(body, "0", fmt.Sprint(k), 1)),
				Attachments: []couchmend.Attachment{{Name: fmt.Sprintf("sekretfile%d.png", k), ContentType: "image/png", Digest: fmt.Sprint("md5-", k)}}})
		}
		g.survey.add(o)
	}
	for _, reason := range []couchmend.Reason{couchmend.ReasonRefused, couchmend.ReasonSchema, couchmend.ReasonOverlap, couchmend.ReasonTwoRoots, couchmend.ReasonResolverError, couchmend.ReasonAnnihilated, couchmend.ReasonResolver, couchmend.ReasonAttachment, couchmend.ReasonNotBuried} {
		class := map[couchmend.Reason]string{couchmend.ReasonRefused: "forbidden", couchmend.ReasonNotBuried: "write_refused", couchmend.ReasonSchema: "schema", couchmend.ReasonAttachment: "attachment"}[reason]
		if class == "" {
			class = "merge_logic"
		}
		g.addCase(ledger.Case{DB: secrets.db, ID: secrets.doc, Reason: reason, FailureClass: class, Rule: "sekretpolicy/sekretrule", First: at.Add(-30 * 24 * time.Hour),
			Evidence: []string{`forbidden: "sekretreason"`}, Fields: []string{"note", "_attachments/sekretfile.png"}})
	}
	own := `{"time":"2026-11-22T11:59:00Z","level":"WARN","msg":"conflict","resolver_status":"error","conflict_resolution_latency_ms":12,"failure_class":"write_timeout","db":"sekretdb","doc_id":"sekretdoc","trace_id":"0123456789abcdef0123456789abcdef","error":"bulk_docs sekretdb/\"sekretdoc\"@2-ab: sekreterror"}
{"time":"2026-11-22T11:59:00Z","msg":"conflict","resolver_status":"ok","conflict_resolution_latency_ms":3,"db":"sekretdb","doc_id":"sekretdoc3"}
`
	access := "[notice] 2026-11-22T11:59:%02d.000000Z n@sekrethost <0.1.0> %s sekrethost:5984 203.0.113.77 %s %s %s %d ok 7\n"
	var log strings.Builder
	fmt.Fprintf(&log, access, 1, "0123456789abcdef0123456789abcdef", "sekretuser", "POST", "/sekretdb/_bulk_docs", 500)
	fmt.Fprintf(&log, access, 2, "0123456789", "sekretuser", "PUT", "/sekretdb/sekretdoc3?rev=sekret", 409)
	fmt.Fprintf(&log, access, 3, "fedcba98765432100123456789abcdef", "sekretuser2", "PUT", "/sekretdb/_design/sekretdesign/_update/u/sekretdoc4", 409)
	fmt.Fprintf(&log, access, 4, "0123456789", "sekretuser", "PUT", "/sekretdb/_local/sekretcheckpoint", 409)
	fmt.Fprintf(&log, access, 5, "0123456789", "sekretuser", "GET", "/sekretdb/_sekrethandler/x?key=sekret", 403)
	log.WriteString("[error] 2026-11-22T11:59:06.000000Z n@h <0.1.0> -------- Replicator: couldn't write document `sekretdoc`, revision `1-abad1dea`, to target database `https://sekretelsewhere/sekretother`. Error: `forbidden`, reason: `sekretreason`.\n")
	if err := g.Logs(context.Background(), []Log{{"sekretlog", strings.NewReader(log.String())}}, []Log{{"sekretlog.json", strings.NewReader(own)}}); err != nil {
		t.Fatal(err)
	}
	return g.Report()
}

const secretPolicy = `# sekretcomment
couchdb: { url: "https://sekrethost:6984", username: sekretuser, password_file: /run/sekretfile }
databases:
  - { match: sekretdb, policy: sekretpolicy } # sekretcomment
policies:
  sekretpolicy:
    rules:
      - name: sekretrule
        when: { type: sekretkind, count: { $gt: 421337 } }
        schema: sekretfile.json
        resolver: { exec: [sekretprogram, --sekret] }
        clock: { timestamp: updated_at }
        fields: { read: union, "**": latest }
        references: { patient: sekretkind }
    otherwise: review
`

func secretConflict() couchmend.Conflict {
	leaf := func(hash, text string) couchmend.Revision {
		rev := couchmend.MustRev("2-abad1dea" + hash)
		return couchmend.Revision{Rev: rev, Path: []couchmend.Rev{rev, couchmend.MustRev("1-abad1dea")}, Body: json.RawMessage(`{"note":"` + text + `","by":["sekretuser"],"n":421337}`),
			Attachments: []couchmend.Attachment{{Name: "sekretfile.png", ContentType: "image/png", Digest: "md5-sekret", Data: []byte("sekretbytes")}}}
	}
	base := couchmend.Revision{Rev: couchmend.MustRev("1-abad1dea"), Path: []couchmend.Rev{couchmend.MustRev("1-abad1dea")}, Body: json.RawMessage(`{"note":"sekretbase"}`)}
	return couchmend.Conflict{DB: secrets.db, ID: secrets.doc, Leaves: []couchmend.Revision{leaf("b", "sekretvalue"), leaf("a", "sekretother")}, Bases: map[couchmend.Rev]couchmend.Revision{base.Rev: base}, RevsLimit: 1000}
}

// filesOf unpacks an archive.
func filesOf(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(head.Name, "couchmend-triage/")] = string(text)
	}
}

func archived(t *testing.T, plain bool) map[string]string {
	t.Helper()
	var b bytes.Buffer
	bundle := Bundle{Report: fullReport(t), Policy: []byte(secretPolicy), PolicyDigest: "d1", Documents: []couchmend.Conflict{secretConflict()}, Plain: plain}
	before := fmt.Sprintf("%+v", *bundle.Report)
	if err := bundle.Write(&b); err != nil {
		t.Fatal(err)
	}
	if after := fmt.Sprintf("%+v", *bundle.Report); after != before {
		t.Error("writing the archive changed the report")
	}
	return filesOf(t, b.Bytes())
}

func TestNothingThatWasSaidIsInARedactedBundle(t *testing.T) {
	report := fullReport(t)
	kinds := map[string]bool{}
	for _, f := range report.Findings {
		kinds[f.Kind] = true
	}
	if len(kinds) < 12 { // or the test looks at little
		t.Fatalf("findings of %d kinds: %v", len(kinds), kinds)
	}
	files := archived(t, false)
	if len(files) != 6 {
		t.Fatalf("files %v", files)
	}
	for name, text := range files {
		for _, word := range []string{secretMark, secrets.peer, "421337", "abad1dea", "c2VrcmV0"} {
			if at := strings.Index(text, word); at >= 0 {
				t.Errorf("%s holds %q: …%s…", name, word, text[max(0, at-100):min(len(text), at+100)])
			}
		}
	}
	var is Report
	if err := json.Unmarshal([]byte(files["report.json"]), &is); err != nil {
		t.Fatal(err)
	}
	if len(is.Findings) != len(report.Findings) {
		t.Errorf("%d findings, %d redacted", len(report.Findings), len(is.Findings))
	}
	for i := range is.Findings {
		if is.Findings[i].Weight != report.Findings[i].Weight {
			t.Errorf("finding %d weighs %d, redacted %d", i, report.Findings[i].Weight, is.Findings[i].Weight)
		}
	}
}

// Equality stays: a name stands for the same name in every file.
func TestARedactedBundleKeepsWhatIsAlike(t *testing.T) {
	files := archived(t, false)
	var is Report
	if err := json.Unmarshal([]byte(files["report.json"]), &is); err != nil {
		t.Fatal(err)
	}
	db, doc := is.Databases[0].Name, is.Failures[0].Docs[0]
	if is.Replications[0].SourceDB != db && is.Replications[1].SourceDB != db || is.Failures[0].DB != db || is.Logs.Callers[0].DB != db {
		t.Errorf("%s has other names, too", db)
	}
	if !strings.Contains(files["documents/001.json"], `"`+db+`"`) || !strings.Contains(files["documents/001.json"], `"`+doc+`"`) || !strings.Contains(files["policy.yaml"], "match: "+db) {
		t.Errorf("%s and %s are not in all files:\n%s\n%s", db, doc, files["policy.yaml"], files["documents/001.json"])
	}
	rule := is.Failures[0].Rule
	for _, part := range strings.Split(rule, "/") {
		if !strings.Contains(files["policy.yaml"], part) {
			t.Errorf("the policy has no %q:\n%s", part, files["policy.yaml"])
		}
	}
	for _, word := range []string{"union", "latest", "updated_at", "otherwise: review", "note"} {
		if !strings.Contains(files["policy.yaml"]+files["documents/001.json"], word) {
			t.Errorf("the shape is gone: no %q", word)
		}
	}
}

func TestAPlainBundleHidesPasswordsAndFilesAlone(t *testing.T) {
	files := archived(t, true)
	for name, words := range map[string][]string{
		"report.txt":         {"sekretdb", "sekretuser"},
		"documents/001.json": {"sekretvalue", "421337"},
		"policy.yaml":        {"match: sekretdb", "type: sekretkind"},
	} {
		for _, w := range words {
			if !strings.Contains(files[name], w) {
				t.Errorf("%s has no %q:\n%s", name, w, files[name])
			}
		}
	}
	for _, word := range []string{"sekretfile", "sekretcomment", "sekretprogram", "sekretuser"} {
		if strings.Contains(files["policy.yaml"], word) {
			t.Errorf("the policy shows %q:\n%s", word, files["policy.yaml"])
		}
	}
}

// FuzzRedactPolicy: whatever a policy is, redacting ends, and no text of it
// that is not the policy's language is left.
func FuzzRedactPolicy(f *testing.F) {
	f.Add(secretPolicy)
	f.Add("a: &x [sekret, *x]")
	f.Add("policies: {sekret: {rules: [{when: {$or: [{a: sekret}, {b: {$in: [sekret]}}]}}]}}")
	f.Add("- - ? sekret\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, err := redactPolicy([]byte(text), newVeil(), false)
		if err != nil {
			return
		}
		if again, err := redactPolicy([]byte(text), newVeil(), false); err != nil || !bytes.Equal(out, again) {
			t.Fatalf("%s, then %s, %v", out, again, err)
		}
	})
}
