package triage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/cases"
)

// Bundle is what a bug report needs, in one archive.
type Bundle struct {
	Report *Report
	// Policy is the text of the policy file; PolicyDigest names it.
	Policy       []byte
	PolicyDigest string
	// Documents are examples, with all that they were decided from.
	Documents []couchmend.Conflict
	// Plain leaves names and values as they are. What the policy says of
	// passwords and files is left out all the same.
	Plain bool
}

// readMe is the archive's own description.
const readMe = `couchmend triage --bundle

report.txt      the evidence and the findings, for people
report.json     the same, with more rows
policy.yaml     the policy, without comments, passwords and names of files
versions.json   of couchmend, of CouchDB, of this machine; the policy's digest
documents/      conflicts with their leaves and bases, an example each
`

const readMeRedacted = `
It is redacted: shape and equality, not content. Each name of a database, a
document, a user, a host stands for another one, the same for the same in
report, policy and the names of documents; values inside of documents stand for
others, the same for the same within one document, in the same order. Revision
ids stand for others, too: those in the report are not those in documents/.
Names of fields, numbers of documents, sizes, times and durations in the report
are as they were.
`

// Write writes the archive: a gzipped tar. What the Bundle holds is not
// changed.
func (b Bundle) Write(w io.Writer) error {
	report, describes := b.Report, readMe
	veil := newVeil()
	if !b.Plain {
		report, describes = veil.report(*b.Report), readMe+readMeRedacted
	}
	policy, err := redactPolicy(b.Policy, veil, b.Plain)
	if err != nil {
		return err
	}
	files := []file{
		{"README.txt", []byte(describes)},
		{"report.txt", []byte(report.Text())},
		{"report.json", pretty(report)},
		{"versions.json", pretty(b.versions())},
	}
	if len(policy) > 0 {
		files = append(files, file{"policy.yaml", policy})
	}
	for i, c := range b.Documents {
		files = append(files, file{fmt.Sprintf("documents/%03d.json", i+1), pretty(b.document(c, veil))})
	}
	return b.archive(w, files)
}

type file struct {
	name string
	text []byte
}

func (b Bundle) archive(w io.Writer, files []file) error {
	zipped := gzip.NewWriter(w)
	out := tar.NewWriter(zipped)
	for _, f := range files {
		head := &tar.Header{Name: "couchmend-triage/" + f.name, Mode: 0o600, Size: int64(len(f.text)), ModTime: b.Report.At, Format: tar.FormatPAX}
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		if _, err := out.Write(f.text); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return zipped.Close()
}

func pretty(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return []byte(fmt.Sprintf("%q\n", err.Error()))
	}
	return b.Bytes()
}

func (b Bundle) versions() map[string]string {
	return map[string]string{
		"couchmend": b.Report.Server.Couchmend, "couchdb": b.Report.Server.Version, "vendor": b.Report.Server.Vendor,
		"go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH, "policy_digest": b.PolicyDigest,
	}
}

// document is an example as the bundle shows it: attachments without their
// bytes.
func (b Bundle) document(c couchmend.Conflict, v *veil) couchmend.Conflict {
	if !b.Plain {
		db, id := v.db(c.DB), v.doc(c.ID)
		c = cases.Redact(c)
		c.DB, c.ID = db, id
	}
	bare := func(r couchmend.Revision) couchmend.Revision {
		r.Attachments = each(r.Attachments, func(a couchmend.Attachment) couchmend.Attachment {
			a.Data = nil
			return a
		})
		return r
	}
	c.Leaves, c.Dead = each(c.Leaves, bare), each(c.Dead, bare)
	bases := map[couchmend.Rev]couchmend.Revision{}
	for rev, r := range c.Bases {
		bases[rev] = bare(r)
	}
	c.Bases = bases
	return c
}

// Example is a document that shows what a finding is about.
type Example struct{ DB, ID string }

// Examples are documents of a report that are worth being looked at: a few of
// each kind of evidence, at most so many in all.
func (r *Report) Examples(most int) []Example {
	var lists [][]Example
	add := func(all []Example) { lists = append(lists, all) }
	for _, f := range r.Failures {
		var of []Example
		for _, id := range f.Docs {
			of = append(of, Example{f.DB, id})
		}
		add(of)
	}
	var deep, clocks, conflicts []Example
	for _, d := range r.Deep {
		deep = append(deep, Example{d.DB, d.ID})
	}
	for _, c := range r.Clocks {
		clocks = append(clocks, Example{c.DB, c.ID})
	}
	if r.Logs != nil {
		for _, c := range r.Logs.Callers {
			for _, d := range c.Docs {
				conflicts = append(conflicts, Example{c.DB, d.ID})
			}
		}
	}
	add(deep)
	add(clocks)
	add(conflicts)
	return inTurn(lists, most)
}

// inTurn takes the first of each list, then the second, and so on, each once.
func inTurn(lists [][]Example, most int) []Example {
	var all []Example
	taken := map[Example]bool{}
	for place, left := 0, true; left; place++ {
		left = false
		for _, l := range lists {
			if place >= len(l) {
				continue
			}
			left = true
			if one := l[place]; !taken[one] && one.ID != "" && len(all) < most {
				taken[one] = true
				all = append(all, one)
			}
		}
	}
	return all
}
