package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/mend"
)

type resolveCmd struct {
	connection
	place
	Pick   string   `xor:"what" placeholder:"REV" help:"Take this revision: a leaf, or an older one whose body CouchDB or the journal still has. The beginning of its id will do."`
	Merged string   `xor:"what" placeholder:"FILE" help:"Take the JSON document in this file; - is standard input."`
	Edit   bool     `xor:"what" help:"Edit the document with $VISUAL or $EDITOR, starting from the policy's merge or the winner."`
	Delete bool     `xor:"what" help:"Delete the document: every leaf gets a tombstone."`
	Leaves []string `placeholder:"REV,…" help:"The leaves that the decision was made from, as show --json prints them: if the document has others by now, nothing is written."`
	person
	writing
	JSON bool `name:"json" help:"Print what is written as JSON."`
}

// Help is the long help.
func (resolveCmd) Help() string {
	return `The decision is written on top of the winner and contains every leaf; then the others are buried. It is refused, in words what changed, if the document's leaves are not those that were shown.

Attachments: those of the picked revision, or the winner's. A document given with --merged or --edit may name others in _attachments: {"a.jpg": {"from": "3-…"}} takes that leaf's.

A document that has no live leaf left is created anew.`
}

// Run carries a person's decision out.
func (r *resolveCmd) Run(a *app) error {
	if r.Pick == "" && r.Merged == "" && !r.Edit && !r.Delete {
		return usage(errors.New("say what the document is to become: --pick REV, --merged FILE, --edit or --delete"))
	}
	seen, choice, err := r.choose(a)
	if err != nil {
		return err
	}
	var decision couchmend.Decision
	err = r.visit(a, func(c *mend.Couchmend) error {
		decision, err = r.decide(a, c, seen, choice)
		return err
	})
	if err != nil {
		return err
	}
	if err := r.tell(a, seen, decision); err != nil {
		return err
	}
	if decision.Merge == nil && len(decision.Bury) == 0 {
		return nil
	}
	if ok, err := a.confirm(r.writing, "Write this?"); !ok {
		return err
	}
	kind := "resolve"
	if r.Delete {
		kind = "delete"
	}
	err = r.visit(a, func(c *mend.Couchmend) error {
		return c.Mender.Apply(a.ctx, seen.Conflict, decision, kind, r.name(), r.Note)
	})
	if err == nil && !r.JSON {
		a.printf("Written.\n")
	}
	return err
}

// choose looks at the document and finds out what a person wants of it. The
// look is what the decision is checked against at the end (I3): it comes before
// the editing.
func (r *resolveCmd) choose(a *app) (seen *document.Sight, choice decide.Choice, err error) {
	var start []byte
	err = r.visit(a, func(c *mend.Couchmend) error {
		if seen, err = r.look(a, c); err != nil {
			return err
		}
		if err := r.sameLeaves(seen); err != nil {
			return err
		}
		if r.Pick != "" {
			picked, err := revision(a, c, seen, r.Pick)
			if err == nil {
				choice, err = document.Take(picked)
			}
			return err
		}
		start = seen.Draft()
		return nil
	})
	if err != nil || r.Pick != "" || r.Delete {
		return seen, choice, err
	}
	var text []byte
	if r.Edit {
		text, err = edit(a, start)
	} else {
		text, err = a.read(r.Merged)
	}
	if err == nil {
		choice, err = seen.Choice(text)
	}
	return seen, choice, err
}

// sameLeaves checks the leaves that were seen against those that were shown
// earlier, if --leaves tells.
func (r *resolveCmd) sameLeaves(seen *document.Sight) error {
	if len(r.Leaves) == 0 {
		return nil
	}
	var shown []couchmend.Rev
	for _, text := range r.Leaves {
		rev, err := couchmend.ParseRev(text)
		if err != nil {
			return usage(fmt.Errorf("--leaves: %w", err))
		}
		shown = append(shown, rev)
	}
	return seen.Pinned(shown)
}

// decide makes the choice a decision.
func (r *resolveCmd) decide(a *app, c *mend.Couchmend, seen *document.Sight, choice decide.Choice) (couchmend.Decision, error) {
	if r.Delete {
		return seen.Delete(r.name())
	}
	choice.By = r.name()
	return seen.Decide(a.ctx, c.Mender, choice)
}

// tell shows exactly what is going to be written.
func (r *resolveCmd) tell(a *app, seen *document.Sight, d couchmend.Decision) error {
	if r.JSON {
		return a.printJSON(d)
	}
	if d.Merge == nil && len(d.Bury) == 0 {
		a.printf("%s/%s is that already: nothing to write.\n", clean(r.DB), clean(r.ID))
		return nil
	}
	if d.Merge != nil {
		a.printf("%s, on top of %s:\n%s\n", d.Merge.Rev, seen.Leaves()[0].Rev, pretty(d.Merge.Body))
		for _, att := range d.Merge.Attachments {
			a.printf("  with %s: %s\n", clean(att.Name), clean(document.Describe(att)))
		}
	}
	for _, tombstone := range d.Bury {
		a.printf("%s buries %s\n", tombstone.Rev, tombstone.Path[1])
	}
	return nil
}

// maxMerged bounds what is read from --merged, in bytes: CouchDB takes
// documents of 8,000,000.
const maxMerged = 64 << 20

func (a *app) read(file string) ([]byte, error) {
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usage(err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxMerged+1))
	if err == nil && len(text) > maxMerged {
		err = usage(errors.New("the merged document is larger than any that CouchDB takes"))
	}
	return text, err
}

// edit lets a person change text in an editor. An editor that fails and a file
// that is left empty mean that nothing is to be done.
func edit(a *app, text []byte) ([]byte, error) {
	editor := os.Getenv("VISUAL")
	if editor == "" {
		editor = os.Getenv("EDITOR")
	}
	command := strings.Fields(editor)
	if len(command) == 0 {
		return nil, usage(errors.New("no editor is known: set EDITOR"))
	}
	f, err := os.CreateTemp("", "couchmend-*.json")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	run := exec.CommandContext(a.ctx, command[0], append(slices.Clone(command[1:]), f.Name())...)
	run.Stdin, run.Stdout, run.Stderr = a.stdin, a.stdout, a.stderr
	if err := run.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w; nothing was done", command[0], err)
	}
	edited, err := os.ReadFile(f.Name())
	if err == nil && len(bytes.TrimSpace(edited)) == 0 {
		err = errDeclined
	}
	return edited, err
}
