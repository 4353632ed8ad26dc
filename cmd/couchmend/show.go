package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/mend"
)

type showCmd struct {
	connection
	document
	JSON bool `name:"json" help:"Print all of it as one JSON object."`
}

// Help is the long help.
func (showCmd) Help() string {
	return "The tree shows the oldest revision on top: ● the winner, ○ a live leaf, ✕ a tombstone. Below it stand the leaves, what the policy makes of them, and the origin of each field that differed. Writes nothing."
}

// Run shows one document.
func (s *showCmd) Run(a *app) error { return s.show(a, false) }

// show shows a document; with onlyReview just one that waits for a person.
func (s *showCmd) show(a *app, onlyReview bool) error {
	done, err := s.glance()
	if err != nil {
		return err
	}
	defer done()
	var seen sight
	err = s.visit(a, func(c *mend.Couchmend) (err error) {
		seen, err = s.look(a, c)
		return err
	})
	if err != nil {
		return err
	}
	if onlyReview && seen.waits == nil {
		return notInReview(s.document)
	}
	if s.JSON {
		return a.printJSON(newShown(seen))
	}
	return seen.print(a)
}

// shown is what show prints as JSON.
type shown struct {
	DB       string               `json:"db"`
	ID       string               `json:"id"`
	Leaves   []couchmend.Rev      `json:"leaves"` // all of them, for resolve --leaves
	Live     []couchmend.Revision `json:"live"`   // the winner first
	Dead     []couchmend.Revision `json:"dead"`
	Bases    []couchmend.Revision `json:"bases"`
	NoBodies []couchmend.Rev      `json:"bases_without_body,omitempty"`
	Decision couchmend.Decision   `json:"decision"`
	Review   *ledger.Case         `json:"review,omitempty"`
	Last     *ledger.Entry        `json:"last,omitempty"`
}

func newShown(s sight) shown {
	v := shown{
		DB: s.conflict.DB, ID: s.conflict.ID, Decision: s.decision, Review: s.waits, Last: s.last,
		Live: slim(s.conflict.Leaves), Dead: slim(s.conflict.Dead),
	}
	for _, leaf := range s.leaves() {
		v.Leaves = append(v.Leaves, leaf.Rev)
	}
	v.Bases, v.NoBodies = slim(s.bases()), decide.Bases(s.conflict)
	v.Decision.Merge = slimOne(v.Decision.Merge)
	if s.last != nil {
		last := slimEntry(*s.last)
		v.Last = &last
	}
	return v
}

func slimOne(r *couchmend.Revision) *couchmend.Revision {
	if r == nil {
		return nil
	}
	return &slim([]couchmend.Revision{*r})[0]
}

func slimEntry(e ledger.Entry) ledger.Entry {
	e.Leaves, e.Bases, e.Decision.Merge = slim(e.Leaves), slim(e.Bases), slimOne(e.Decision.Merge)
	return e
}

// print shows a document to a person.
func (s sight) print(a *app) error {
	a.printf("%s/%s: %s\n\n", clean(s.conflict.DB), clean(s.conflict.ID), s.state())
	if err := s.tree.draw(a.stdout); err != nil {
		return err
	}
	a.printf("\n")
	if err := s.printLeaves(a); err != nil {
		return err
	}
	s.printCase(a)
	if s.decision.Outcome == couchmend.Nothing {
		return s.printLast(a)
	}
	a.printf("\nThe policy's answer: %s\n", verdict(s.decision))
	if m := s.decision.Merge; m != nil {
		a.printf("\n%s\n", pretty(m.Body))
		return printOrigins(a, s.decision)
	}
	s.printInvalid(a)
	s.printAsked(a)
	return nil
}

// printAsked shows the bodies of a conflict that a resolver left to a person.
func (s sight) printAsked(a *app) {
	reason := s.decision.Reason
	if reason != couchmend.ReasonResolver && reason != couchmend.ReasonResolverError && !reason.IsResolvers() {
		return
	}
	for _, r := range slices.Concat(s.bases(), s.conflict.Leaves) {
		a.printf("\n%s (%s):\n%s\n", clean(r.Rev.String()), s.name(r.Rev), pretty(r.Body))
	}
}

// printInvalid shows the bodies that a JSON Schema refused.
func (s sight) printInvalid(a *app) {
	if s.decision.Draft != nil {
		a.printf("\nWhat the leaves would merge to:\n%s\n", pretty(s.decision.Draft))
	}
	for _, leaf := range s.conflict.Leaves {
		if slices.ContainsFunc(s.decision.Violations, func(v couchmend.Violation) bool { return v.Leaf == leaf.Rev }) {
			a.printf("\n%s:\n%s\n", clean(leaf.Rev.String()), pretty(leaf.Body))
		}
	}
}

func (s sight) printLeaves(a *app) error {
	t := a.table(a.stdout, "LEAF", "IS", "BODY", "ATTACHMENTS").cut(3)
	for _, leaf := range s.leaves() {
		t.add(leaf.Rev.String(), s.name(leaf.Rev), plural(len(leaf.Body), "byte"), attachmentNames(leaf))
	}
	return t.flush()
}

func attachmentNames(r couchmend.Revision) string {
	names := make([]string, len(r.Attachments))
	for i, a := range r.Attachments {
		names[i] = a.Name
	}
	return strings.Join(names, ", ")
}

func (s sight) printCase(a *app) {
	if s.waits == nil {
		return
	}
	a.printf("\nIn review since %s: %s\n", when(s.waits.First), s.waits.Reason)
	for _, sentence := range s.waits.Evidence {
		a.printf("  %s\n", cleanLines(sentence))
	}
	if s.moved() {
		a.printf("  the document has changed since\n")
	}
	if s.waits.Dismissed {
		a.printf("  dismissed by %s: it stays as it is until the document changes\n", clean(s.waits.By))
	}
}

// moved reports whether a case is about other leaves than the document has.
func (s sight) moved() bool {
	return mender.Moved(withLeaves(document{}, s.waits.Leaves), s.leaves()) != nil
}

// printLast tells how a document that is not in conflict came to its body.
func (s sight) printLast(a *app) error {
	if s.last == nil {
		return nil
	}
	a.printf("\nLast in the journal: %s by %s, %s: %s\n", s.last.Kind, clean(s.last.By), when(s.last.Time), verdict(s.last.Decision))
	return printOrigins(a, s.last.Decision)
}

// verdict says a decision in one line.
func verdict(d couchmend.Decision) string {
	var words string
	switch d.Outcome {
	case couchmend.Merge:
		words = "merge"
	case couchmend.Keep:
		words = "the winner's body stands, as a merge"
	case couchmend.Bury:
		words = "the winner contains every loser; they are buried"
	case couchmend.Delete:
		words = "delete"
	case couchmend.Nothing:
		return "nothing to do"
	default:
		words = fmt.Sprintf("%s (%s)", d.Outcome, d.Reason)
	}
	if d.Rule != "" {
		words += ", by rule " + d.Rule
	}
	for _, sentence := range d.Evidence {
		words += "\n  " + sentence
	}
	return cleanLines(words)
}

// cleanLines is clean for text of several lines.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// printOrigins tells of each field that differed where its value came from.
func printOrigins(a *app, d couchmend.Decision) error {
	t := a.table(a.stdout, "FIELD", "VALUE", "FROM", "WHY").cut(1, 2, 3)
	for _, o := range d.Fields {
		t.add(cmp.Or(o.Path, "(the document)"), mergedValue(d, o), shortRevs(o.From), o.Why)
	}
	if len(d.Fields) > 0 {
		a.printf("\n")
	}
	return t.flush()
}

// mergedValue is what the merge has at an origin's path.
func mergedValue(d couchmend.Decision, o couchmend.Origin) string {
	if o.Removed {
		return "(removed)"
	}
	if d.Merge == nil {
		return ""
	}
	if name, ok := strings.CutPrefix(o.Path, "_attachments/"); ok {
		for _, att := range d.Merge.Attachments {
			if att.Name == name {
				return describe(att)
			}
		}
		return ""
	}
	return string(jsondoc.Value(d.Merge.Body).At(merge.ParsePath(o.Path)...))
}

// pretty writes a JSON object for people.
func pretty(body json.RawMessage) string { return cleanLines(string(indent(body))) }

// indent spreads a JSON object over lines; its literals stay as they are.
func indent(body json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") != nil { // it was read from CouchDB, so it is valid
		return body
	}
	return b.Bytes()
}
