package conflictgen

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// Mismatch is a document that did not end as the oracle says.
type Mismatch struct {
	ID       string `json:"id"`
	Scenario string `json:"scenario,omitempty"`
	What     string `json:"what"` // one line
}

// String is the mismatch on one line.
func (m Mismatch) String() string { return fmt.Sprintf("%s (%s): %s", m.ID, m.Scenario, m.What) }

// Check compares a database with what the oracle expects of the cases that
// were loaded into it: every document as it must be, attachments included; a
// document that is in review with all its live leaves as they were written;
// no other document with conflicts. reviews is the review queue, reasons by
// document id; it must hold the oracle's documents and no others.
func Check(ctx context.Context, server, db string, cases iter.Seq[Case], reviews map[string]couchmend.Reason) ([]Mismatch, error) {
	s := target{server: strings.TrimSuffix(server, "/"), db: db}
	var wrong []Mismatch
	unexpected := maps.Clone(reviews)
	for batch := range batches(cases) {
		shown, err := s.read(ctx, batch)
		if err != nil {
			return wrong, err
		}
		for i, c := range batch {
			what := shown[i].against(c)
			if reason := reviews[c.ID]; what == "" && reason != c.Want.Reason {
				what = fmt.Sprintf("in review for %q, want %q", reason, c.Want.Reason)
			}
			if what != "" {
				wrong = append(wrong, Mismatch{ID: c.ID, Scenario: c.Scenario, What: what})
			}
			delete(unexpected, c.ID)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(unexpected)) {
		wrong = append(wrong, Mismatch{ID: id, What: "in review, and no document of ours"})
	}
	return wrong, nil
}

// shown is a document as its readers see it.
type shown struct {
	Rev       string
	Deleted   bool
	Body      jsondoc.Value
	Conflicts []string
	Files     map[string][]byte
}

// read fetches the documents of a batch: one request for all, and one for
// those that have attachments.
func (s target) read(ctx context.Context, batch []Case) ([]shown, error) {
	keys := make([]string, len(batch))
	for i, c := range batch {
		keys[i] = c.ID
	}
	body, _ := json.Marshal(map[string]any{"keys": keys})
	var answer struct {
		Rows []struct {
			Value struct {
				Rev     string
				Deleted bool
			}
			Doc json.RawMessage
		}
	}
	if err := s.do(ctx, http.MethodPost, "/_all_docs?include_docs=true&conflicts=true", body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Rows) != len(batch) {
		return nil, s.failed("_all_docs", fmt.Errorf("%d rows for %d keys", len(answer.Rows), len(batch)))
	}
	docs := make([]shown, len(batch))
	var withFiles []int
	for i, row := range answer.Rows {
		docs[i] = shown{Rev: row.Value.Rev, Deleted: row.Value.Deleted}
		if row.Doc == nil || string(row.Doc) == "null" {
			continue
		}
		if docs[i].readBody(row.Doc) {
			withFiles = append(withFiles, i)
		}
	}
	return docs, s.readFiles(ctx, batch, docs, withFiles)
}

// readBody takes a document apart and reports whether it has attachments.
func (d *shown) readBody(doc []byte) (files bool) {
	var body []jsondoc.Member
	for _, m := range jsondoc.Value(doc).Members() {
		switch {
		case m.Name == "_conflicts":
			for _, rev := range m.Value.Elements() {
				d.Conflicts = append(d.Conflicts, rev.Text())
			}
		case m.Name == "_attachments":
			files = true
		case !strings.HasPrefix(m.Name, "_"):
			body = append(body, m)
		}
	}
	d.Body = jsondoc.Object(body)
	return files
}

// readFiles fetches the attachments of the documents numbered in which.
func (s target) readFiles(ctx context.Context, batch []Case, docs []shown, which []int) error {
	if len(which) == 0 {
		return nil
	}
	type item struct {
		ID  string `json:"id"`
		Rev string `json:"rev"`
	}
	var wanted []item
	for _, i := range which {
		wanted = append(wanted, item{batch[i].ID, docs[i].Rev})
	}
	body, _ := json.Marshal(map[string]any{"docs": wanted})
	var answer struct {
		Results []struct {
			Docs []struct {
				OK struct {
					Attachments map[string]struct{ Data []byte } `json:"_attachments"`
				}
			}
		}
	}
	if err := s.do(ctx, http.MethodPost, "/_bulk_get?attachments=true", body, &answer); err != nil {
		return err
	}
	if len(answer.Results) != len(which) {
		return s.failed("_bulk_get", fmt.Errorf("%d results for %d documents", len(answer.Results), len(which)))
	}
	for n, i := range which {
		docs[i].Files = map[string][]byte{}
		for _, d := range answer.Results[n].Docs {
			for name, a := range d.OK.Attachments {
				docs[i].Files[name] = a.Data
			}
		}
	}
	return nil
}

// against says in what the document is not as expected.
func (d shown) against(c Case) string {
	want := c.Want
	if want.Outcome == couchmend.Review || want.Outcome == couchmend.Nothing {
		return d.untouched(want)
	}
	switch {
	case d.Deleted != want.Deleted:
		return fmt.Sprintf("deleted: %v, want %v", d.Deleted, want.Deleted)
	case want.Deleted:
		return ""
	case d.Body == nil:
		return "not there"
	case len(d.Conflicts) > 0:
		return fmt.Sprintf("%s is left in conflict with %s", d.Rev, strings.Join(d.Conflicts, ", "))
	}
	if diff := Difference(want.Body, d.Body); diff != "" {
		return diff
	}
	return d.files(want)
}

// untouched says what has become of leaves that nobody may touch.
func (d shown) untouched(want Expectation) string {
	live := []string{d.Rev}
	for _, leaf := range want.Leaves[1:] {
		if i := slices.Index(d.Conflicts, leaf.String()); i >= 0 {
			live = append(live, leaf.String())
			d.Conflicts = slices.Delete(slices.Clone(d.Conflicts), i, i+1)
		}
	}
	if len(live) < len(want.Leaves) || len(d.Conflicts) > 0 || d.Rev != want.Leaves[0].String() {
		return fmt.Sprintf("live leaves %v and %v, want %v", live, d.Conflicts, want.Leaves)
	}
	return ""
}

func (d shown) files(want Expectation) string {
	if sameFiles(d.Files, want.Attachments) {
		return ""
	}
	for name, data := range want.Attachments {
		if string(d.Files[name]) != string(data) {
			return fmt.Sprintf("attachment %q is not the expected one", name)
		}
	}
	return fmt.Sprintf("%d attachments, want %d", len(d.Files), len(want.Attachments))
}
