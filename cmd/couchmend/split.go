package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/revtree"
	"github.com/couchmend/couchmend/internal/splitter"
	"github.com/couchmend/couchmend/mend"
)

type splitCmd struct {
	connection
	DB         string   `arg:"" optional:"" name:"db" help:"The database."`
	ID         string   `arg:"" optional:"" name:"doc" help:"The document's id, as it is: nothing in it is to be escaped. Write -- before one that begins with a dash."`
	Keep       string   `placeholder:"REV" help:"The version of this revision keeps the id. The beginning of a leaf's revision id will do."`
	Also       []string `placeholder:"DB" sep:"none" help:"Another database in which references are looked for. May be repeated."`
	Substrings bool     `short:"s" help:"Also change ids that are a word in a longer string: A in read:report:A, not in AB."`
	Plan       string   `xor:"what" placeholder:"FILE" help:"Write the plan into this file, to be looked through and edited, and do nothing else."`
	Apply      string   `xor:"what" placeholder:"FILE" help:"Carry out what this file says: a plan that --plan wrote."`
	Resume     bool     `xor:"what" help:"Go on with a split, or a rollback, that broke off."`
	Rollback   bool     `xor:"what" help:"Take a split back, wherever it got to."`
	List       bool     `xor:"what" help:"List the splits that are remembered, of all databases or of one."`
	person
	writing
	JSON bool `name:"json" help:"Print the plan and what was written as JSON, one object each."`
}

// Help is the long help.
func (splitCmd) Help() string {
	return `For several things that drew one id. Each becomes a document of its own, with its history and attachments; what refers to the old id is edited to refer to the one that it means; then the old leaves are buried.

Nothing is guessed: where it is not known what a reference means, it is asked on a terminal, or the plan's file is the place to say so. "leave" leaves a reference as it is.

Run again after a split it looks for references that came late. Where a rule says collision: split, run does all of this by itself, but for what is unclear.`
}

// Run splits a document.
func (r *splitCmd) Run(a *app) error {
	if r.List {
		return r.list(a)
	}
	if err := r.wantPlace(); err != nil {
		return err
	}
	switch {
	case r.Rollback:
		return r.rollback(a)
	case r.Resume:
		return r.carry(a, func(s *splitter.Splitter) (splitter.Report, error) { return s.Resume(a.ctx, r.DB, r.ID) })
	}
	if r.DryRun || r.Plan != "" {
		done, err := r.glance()
		if err != nil {
			return err
		}
		defer done()
	}
	split, err := r.make(a)
	if err != nil {
		return err
	}
	if split.Nothing() {
		if !r.JSON {
			a.printf("%s/%s was split on %s by %s, and nothing has come since: nothing to do.\n", clean(r.DB), clean(r.ID), when(split.State.Started), clean(split.State.By))
		}
		return nil
	}
	if r.Plan != "" {
		return r.writePlan(a, split)
	}
	if err := r.show(a, split); err != nil {
		return err
	}
	if !r.DryRun {
		if err := r.ask(a, split); err != nil {
			return err
		}
	}
	if ok, err := a.confirm(r.writing, "Write this?"); !ok {
		return err
	}
	return r.carry(a, func(s *splitter.Splitter) (splitter.Report, error) { return s.Apply(a.ctx, split) })
}

// splitter opens couchmend for a moment with what splits.
func (r *splitCmd) splitter(a *app, f func(*splitter.Splitter) error) error {
	return r.visit(a, func(c *mend.Couchmend) error {
		bar := a.progress()
		defer bar.close()
		shown := ""
		return f(&splitter.Splitter{Mender: c.Mender, By: r.name(), Note: r.Note, Progress: func(db string, done, total int64) {
			if db != shown {
				shown = db
				bar.begin(db)
			}
			bar.set(done, total)
		}})
	})
}

// make makes the plan, with the decisions of a file where one is given.
func (r *splitCmd) make(a *app) (split *splitter.Split, err error) {
	request := splitter.Request{DB: r.DB, ID: r.ID, Also: r.Also, Substrings: r.Substrings}
	var text []byte
	if r.Apply != "" {
		if text, err = a.read(r.Apply); err != nil {
			return nil, err
		}
		head, err := collision.ReadHead(r.Apply, text)
		if err != nil {
			return nil, err
		}
		if head.DB != r.DB || head.ID != r.ID {
			return nil, usage(fmt.Errorf("%s is of %s/%q", r.Apply, head.DB, head.ID))
		}
		request.Keep = head.Keep
	}
	err = r.splitter(a, func(s *splitter.Splitter) error {
		if r.Keep != "" {
			if request.Keep, err = r.kept(a, s); err != nil {
				return err
			}
		}
		if split, err = s.Plan(a.ctx, request); err != nil || text == nil || split.Late {
			return err
		}
		split.Plan, err = split.Plan.Read(r.Apply, text)
		return err
	})
	return split, err
}

// kept finds the leaf whose version is to keep the id.
func (r *splitCmd) kept(a *app, s *splitter.Splitter) (couchmend.Rev, error) {
	leaves, err := s.Mender.Server.DB(r.DB).Leaves(a.ctx, r.ID)
	if err != nil {
		return couchmend.Rev{}, err
	}
	var found []couchmend.Rev
	for _, leaf := range leaves {
		if !leaf.Deleted && strings.HasPrefix(leaf.Rev.String(), strings.ToLower(r.Keep)) {
			found = append(found, leaf.Rev)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	rev, err := couchmend.ParseRev(r.Keep) // one in a leaf's history, in full
	if err != nil || len(found) > 1 {
		return rev, usage(fmt.Errorf("--keep %s: want the beginning of one live leaf's revision id", r.Keep))
	}
	return rev, nil
}

// writePlan writes the plan's file. It replaces none.
func (r *splitCmd) writePlan(a *app, split *splitter.Split) error {
	if split.Late {
		return usage(errors.New("it is split already, and what came late has no plan's file: leave out --plan"))
	}
	text, err := split.Plan.File()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(r.Plan, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usage(err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	a.printf("%s: %s, %s, %s of unknown meaning. Edit it, then --apply %s.\n", clean(r.Plan),
		plural(len(split.Plan.Versions), "version"), plural(len(split.Plan.References), "reference"), plural(len(split.Plan.Open()), "reference"), clean(filepath.Base(r.Plan)))
	return nil
}

// ask asks a person what references mean of which it is not known: once for
// all that stand at one place.
func (r *splitCmd) ask(a *app, split *splitter.Split) error {
	open := split.Plan.Open()
	if _, ok := terminal(a.stdin); !ok || r.Yes || len(open) == 0 {
		if len(open) > 0 {
			return usage(fmt.Errorf("of %s it is not known what they mean: write the plan with --plan FILE, say it there (to), and --apply FILE", plural(len(open), "reference")))
		}
		return nil
	}
	var names []string
	for _, v := range split.Plan.Versions {
		if !v.Deleted {
			names = append(names, v.Name)
		}
	}
	answers := map[string]string{}
	for i, ref := range split.Plan.References {
		if ref.To != "" {
			continue
		}
		place := ref.DB + " " + ref.Place.String()
		for answers[place] == "" {
			question := fmt.Sprintf("What does %s in %s mean? [%s/%s] ", clean(ref.Place.String()), clean(ref.Doc), clean(strings.Join(names, "/")), collision.Leave)
			line, err := a.answer(question)
			if err != nil || line == "" {
				return errDeclined
			}
			answers[place] = line
			if _, err := split.Plan.Answer(ref, answers[place]); err != nil {
				fmt.Fprintln(a.stderr, err)
				answers[place] = ""
			}
		}
		answered, err := split.Plan.Answer(ref, answers[place])
		if err != nil {
			return err
		}
		split.Plan.References[i] = answered
	}
	return nil
}

// show shows what would be done.
func (r *splitCmd) show(a *app, split *splitter.Split) error {
	p := split.Plan
	if r.JSON {
		for i, v := range p.Versions {
			if v.Revision != nil {
				one := document.Slim([]couchmend.Revision{*v.Revision})[0]
				p.Versions[i].Revision = &one
			}
		}
		return a.printJSON(map[string]any{"plan": p, "late": split.Late})
	}
	if split.Late {
		a.printf("%s/%s was split on %s. Since then came:\n", clean(p.DB), clean(p.ID), when(split.State.Started))
	} else {
		for _, line := range p.Judgement.Evidence() {
			a.printf("%s\n", clean(line))
		}
	}
	for _, line := range slices.Concat(p.Doubts, p.Waits) {
		a.printf("! %s\n", clean(line))
	}
	a.printf("\n")
	if split.Late {
		return showReferences(a, p)
	}
	t := a.table(a.stdout, "VERSION", "FROM", "BECOMES", "LOOKS LIKE").cut(3)
	for _, v := range p.Versions {
		t.add(v.Name, document.ShortList(v.Leaves), becomes(v), v.Summary)
	}
	if err := t.flush(); err != nil {
		return err
	}
	a.printf("\n")
	if err := showReferences(a, p); err != nil {
		return err
	}
	var buried []couchmend.Rev
	for _, tombstone := range p.Bury {
		leaf, _ := revtree.SplitFrom(tombstone.Path)
		buried = append(buried, leaf)
	}
	if len(p.Bury) > 0 {
		a.printf("Buried, last: %s\n", document.ShortList(buried))
	}
	return nil
}

func becomes(v collision.Version) string {
	switch {
	case v.Keep:
		return v.NewID + " (keeps the id)"
	case v.Moved:
		return v.NewID + " (moved before)"
	case v.Deleted:
		return "(deleted)"
	}
	return v.NewID
}

func showReferences(a *app, p collision.Plan) error {
	if len(p.References) == 0 {
		a.printf("Nothing refers to %s.\n", clean(p.ID))
		return nil
	}
	t := a.table(a.stdout, "DB", "DOCUMENT", "PATH", "OLD", "NEW", "MEANS", "SURE", "WHY").cut(7)
	for _, ref := range p.References {
		means, value := ref.To, ref.New
		if means == "" {
			means = "?"
		}
		if value == "" {
			value = "-"
		}
		t.add(ref.DB, ref.Doc, ref.Place.String(), ref.Old, value, means, string(ref.Confidence), ref.Reason)
	}
	if err := t.flush(); err != nil {
		return err
	}
	a.printf("\n")
	return nil
}

// carry has something written, and says what.
func (r *splitCmd) carry(a *app, do func(*splitter.Splitter) (splitter.Report, error)) error {
	var report splitter.Report
	err := r.splitter(a, func(s *splitter.Splitter) (err error) {
		report, err = do(s)
		return err
	})
	if r.JSON {
		return errors.Join(err, a.printJSON(map[string]any{"report": report}))
	}
	if err != nil {
		return err
	}
	for _, part := range []struct {
		what string
		n    int
	}{
		{"created", len(report.Created)}, {"edited for their references", report.Documents}, {"merged, since somebody saved them meanwhile", len(report.Merged)},
		{"leaves buried", len(report.Buried)}, {"late leaves moved", len(report.Followed)}, {"leaves restored", len(report.Restored)}, {"new documents deleted", len(report.Deleted)},
	} {
		if part.n > 0 {
			a.printf("%d %s\n", part.n, part.what)
		}
	}
	for _, left := range report.Left {
		a.printf("left: %s\n", clean(left))
	}
	a.printf("Written (%s).\n", strings.ReplaceAll(string(report.Stage), "_", " "))
	if len(report.Left) > 0 {
		return exitError{exitReview}
	}
	return nil
}

// rollback takes a split back, once it was shown what that is.
func (r *splitCmd) rollback(a *app) error {
	var found *splitter.Split
	err := r.splitter(a, func(s *splitter.Splitter) (err error) {
		found, err = s.Find(a.ctx, r.DB, r.ID)
		return err
	})
	if err != nil {
		return err
	}
	if found != nil && !r.JSON {
		a.printf("The split of %s by %s (%s). These documents are deleted, what refers to them says %s again, and its leaves are live again:\n",
			when(found.State.Started), clean(found.State.By), strings.ReplaceAll(string(found.State.Stage), "_", " "), clean(r.ID))
		for _, v := range found.Plan.Versions {
			if v.Revision != nil {
				a.printf("  %s (%s)\n", clean(v.NewID), clean(v.Name))
			}
		}
	}
	if found != nil {
		if ok, err := a.confirm(r.writing, "Take it back?"); !ok {
			return err
		}
	}
	return r.carry(a, func(s *splitter.Splitter) (splitter.Report, error) { return s.Rollback(a.ctx, r.DB, r.ID) })
}
