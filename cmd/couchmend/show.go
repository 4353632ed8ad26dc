package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/mend"
)

type showCmd struct {
	connection
	place
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
	var seen *document.Sight
	err = s.visit(a, func(c *mend.Couchmend) (err error) {
		seen, err = s.look(a, c)
		return err
	})
	if err != nil {
		return err
	}
	if onlyReview && seen.Case == nil {
		return document.NotInReview(s.DB, s.ID)
	}
	if s.JSON {
		return a.printJSON(seen.Facts())
	}
	return sight{seen}.print(a)
}

// sight prints a document.
type sight struct{ *document.Sight }

// print shows a document to a person.
func (s sight) print(a *app) error {
	a.printf("%s/%s: %s\n\n", clean(s.Conflict.DB), clean(s.Conflict.ID), s.State())
	if err := drawTree(a.stdout, s.Tree); err != nil {
		return err
	}
	a.printf("\n")
	if err := s.printLeaves(a); err != nil {
		return err
	}
	s.printCase(a)
	if s.Decision.Outcome == couchmend.Nothing {
		return s.printLast(a)
	}
	a.printf("\nThe policy's answer: %s\n", verdict(s.Decision))
	if m := s.Decision.Merge; m != nil {
		a.printf("\n%s\n", pretty(m.Body))
		return printOrigins(a, s.Decision)
	}
	s.printInvalid(a)
	s.printAsked(a)
	return nil
}

// printAsked shows the bodies of a conflict that a resolver left to a person.
func (s sight) printAsked(a *app) {
	reason := s.Decision.Reason
	if reason != couchmend.ReasonResolver && reason != couchmend.ReasonResolverError && !reason.IsResolvers() {
		return
	}
	for _, r := range slices.Concat(s.Bases(), s.Conflict.Leaves) {
		a.printf("\n%s (%s):\n%s\n", clean(r.Rev.String()), s.Tree.Kind(r.Rev), pretty(r.Body))
	}
}

// printInvalid shows the bodies that a JSON Schema refused.
func (s sight) printInvalid(a *app) {
	if s.Decision.Draft != nil {
		a.printf("\nWhat the leaves would merge to:\n%s\n", pretty(s.Decision.Draft))
	}
	for _, leaf := range s.Conflict.Leaves {
		if slices.ContainsFunc(s.Decision.Violations, func(v couchmend.Violation) bool { return v.Leaf == leaf.Rev }) {
			a.printf("\n%s:\n%s\n", clean(leaf.Rev.String()), pretty(leaf.Body))
		}
	}
}

func (s sight) printLeaves(a *app) error {
	t := a.table(a.stdout, "LEAF", "IS", "BODY", "ATTACHMENTS").cut(3)
	for _, leaf := range s.Leaves() {
		t.add(leaf.Rev.String(), string(s.Tree.Kind(leaf.Rev)), plural(len(leaf.Body), "byte"), attachmentNames(leaf))
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
	if s.Case == nil {
		return
	}
	a.printf("\nIn review since %s: %s\n", when(s.Case.First), s.Case.Reason)
	for _, sentence := range s.Case.Evidence {
		a.printf("  %s\n", cleanLines(sentence))
	}
	if s.CaseMoved() {
		a.printf("  the document has changed since\n")
	}
	if s.Case.Dismissed {
		a.printf("  dismissed by %s: it stays as it is until the document changes\n", clean(s.Case.By))
	}
}

// printLast tells how a document that is not in conflict came to its body.
func (s sight) printLast(a *app) error {
	last := s.Last()
	if last == nil {
		return nil
	}
	a.printf("\nLast in the journal: %s by %s, %s: %s\n", last.Kind, clean(last.By), when(last.Time), verdict(last.Decision))
	return printOrigins(a, last.Decision)
}

// verdict says a decision, and what speaks for it on lines of their own.
func verdict(d couchmend.Decision) string {
	words := document.Verdict(d)
	if d.Outcome == couchmend.Nothing {
		return words
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
		t.add(cmp.Or(o.Path, "(the document)"), mergedValue(d, o), document.ShortList(o.From), o.Why)
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
				return document.Describe(att)
			}
		}
		return ""
	}
	return string(jsondoc.Value(d.Merge.Body).At(merge.ParsePath(o.Path)...))
}

// pretty writes a JSON object for people.
func pretty(body json.RawMessage) string { return cleanLines(string(document.Indent(body))) }
