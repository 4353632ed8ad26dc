package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/mend"
)

//go:embed policy.yaml
var policyText []byte

// Options says what becomes of the demo after its stories are told.
type Options struct {
	Exit bool // end, instead of staying up
	JSON bool // tell the stories to a machine
	// Show puts the demo's couchmend before people, if it stays up, until hide is
	// called; url is where, "" if nowhere. May be nil.
	Show func(context.Context, *mend.Couchmend) (url string, hide func(), err error)
}

// Run plays the stories and tells them to out. It reports whether every check
// held: each document is what it has to be, nothing that anybody saved is
// missing, and all places agree. Unless Options.Exit, it then keeps couchmend
// at work on the server, and the phones at theirs, until ctx ends.
func Run(ctx context.Context, out io.Writer, o Options) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "couchmend-demo-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	w, err := newWorld(ctx)
	if err != nil {
		return false, err
	}
	defer w.close()
	policyFile := filepath.Join(dir, "couchmend.yaml")
	if err := os.WriteFile(policyFile, policyText, 0o600); err != nil {
		return false, err
	}
	state := filepath.Join(dir, "state")
	c, err := mend.Open(ctx, mend.Options{URL: w.server.server.URL, PolicyFile: policyFile, StateDir: state})
	if err != nil {
		return false, err
	}
	defer c.Close()
	told, err := play(ctx, w, c)
	if err != nil {
		return false, err
	}
	ok = !slices.ContainsFunc(told, func(t telling) bool { return len(t.Failed) > 0 })
	if o.JSON {
		err = tellJSON(out, told, ok)
	} else {
		tell(out, told, ok)
	}
	if err != nil || o.Exit {
		return ok, err
	}
	return ok, stay(ctx, out, o, w, c, policyFile, state)
}

// stay keeps the clinic going until ctx ends.
func stay(ctx context.Context, out io.Writer, o Options, w *world, c *mend.Couchmend, policyFile, state string) error {
	url, hide := "", func() {}
	if o.Show != nil {
		var err error
		if url, hide, err = o.Show(ctx, c); err != nil {
			return err
		}
	}
	defer hide()
	invite(out, w, url, policyFile, state)
	ctx, cancel := context.WithCancelCause(ctx)
	var life sync.WaitGroup
	defer life.Wait()
	defer cancel(nil)
	life.Go(func() {
		if err := w.live(ctx); err != nil {
			cancel(err)
		}
	})
	err := c.Run(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// play brings the stories about and lets couchmend work between their acts.
func play(ctx context.Context, w *world, c *mend.Couchmend) ([]telling, error) {
	conflicts := map[string][]couchmend.Revision{}
	act := func(compacted bool) error {
		for _, s := range stories {
			if s.compacted == compacted {
				if err := s.play(w); err != nil {
					return fmt.Errorf("%s: %w", s.id, err)
				}
			}
			if s.later != nil && compacted {
				if err := s.later(w); err != nil {
					return err
				}
			}
		}
		if err := w.sync(w.asha, w.ben); err != nil {
			return err
		}
		if compacted {
			w.server.db.Compact()
		}
		for _, s := range stories {
			if live := w.server.live(s.id); len(live) > 1 || s.compacted == compacted {
				conflicts[s.id] = live
			}
		}
		if err := c.Once(ctx); err != nil {
			return err
		}
		return nil
	}
	if err := act(false); err != nil {
		return nil, err
	}
	if err := act(true); err != nil {
		return nil, err
	}
	if err := w.sync(w.asha, w.ben); err != nil {
		return nil, err
	}
	var told []telling
	for _, s := range stories {
		t, err := retell(ctx, w, c, s, conflicts[s.id])
		if err != nil {
			return nil, err
		}
		told = append(told, t)
	}
	return told, nil
}

// telling is a story with its end.
type telling struct {
	ID       string             `json:"id"`
	Title    string             `json:"title"`
	Tale     string             `json:"tale"`
	Conflict []version          `json:"conflict"` // the leaves that were in conflict, winner first
	Became   version            `json:"became"`
	Outcome  couchmend.Outcome  `json:"outcome"`
	Reason   couchmend.Reason   `json:"reason,omitempty"`
	Evidence []string           `json:"evidence,omitempty"`
	Fields   []couchmend.Origin `json:"fields,omitempty"`
	Failed   []string           `json:"failed,omitempty"` // checks that did not hold

	by map[couchmend.Rev]string
}

// version is what one revision says.
type version struct {
	Rev   couchmend.Rev `json:"rev"`
	By    string        `json:"by,omitempty"`
	Body  exactText     `json:"body"`
	Files []string      `json:"files,omitempty"`
}

// exactText is a body, printed as it is.
type exactText string

// MarshalJSON prints it unquoted: a body is JSON already.
func (t exactText) MarshalJSON() ([]byte, error) { return []byte(t), nil }

// retell collects what became of a story and checks it.
func retell(ctx context.Context, w *world, c *mend.Couchmend, s story, conflict []couchmend.Revision) (telling, error) {
	t := telling{ID: s.id, Title: s.title, Tale: s.tale, Outcome: couchmend.Nothing, by: w.savedBy}
	for _, leaf := range conflict {
		t.Conflict = append(t.Conflict, versionOf(w, leaf))
	}
	live := w.server.live(s.id)
	if len(live) > 0 {
		t.Became = versionOf(w, live[0])
	}
	history, err := c.Ledger.History(ctx, dbName, s.id)
	if err != nil {
		return t, err
	}
	if len(history) > 0 {
		last := history[len(history)-1].Decision
		t.Outcome, t.Fields = last.Outcome, last.Fields
	}
	found, inReview, err := c.Ledger.Case(ctx, dbName, s.id)
	if err != nil {
		return t, err
	}
	if inReview {
		t.Outcome, t.Reason, t.Evidence = couchmend.Review, found.Reason, found.Evidence
	}
	t.Failed = check(w, s, found, live)
	return t, nil
}

func versionOf(w *world, r couchmend.Revision) version {
	v := version{Rev: r.Rev, By: w.savedBy[r.Rev], Body: exactText(r.Body)}
	for _, a := range r.Attachments {
		v.Files = append(v.Files, a.Name)
	}
	return v
}

// check returns in words what of a story's end is not as it has to be.
func check(w *world, s story, found ledger.Case, live []couchmend.Revision) []string {
	var failed []string
	fail := func(format string, args ...any) { failed = append(failed, fmt.Sprintf(format, args...)) }
	if found.Reason != s.review {
		fail("in review for %q, want %q", found.Reason, s.review)
	}
	if s.review == "" {
		switch {
		case len(live) != 1:
			fail("%d live revisions, want one", len(live))
		case !jsondoc.Equal(jsondoc.Value(live[0].Body), jsondoc.Value(s.want)):
			fail("it is %s, want %s", live[0].Body, s.want)
		}
		var contents []string
		for _, a := range live[0].Attachments {
			contents = append(contents, string(a.Data))
		}
		slices.Sort(contents)
		if !slices.Equal(contents, s.files) {
			fail("attachments %q, want %q", contents, s.files)
		}
	}
	for _, p := range w.places() {
		if lost := w.lost(p, s.id); len(lost) > 0 {
			fail("%s misses what was saved as %v", p.name, lost)
		}
		if got := p.winner(s.id); len(live) > 0 && got != live[0].Rev {
			fail("%s shows %s, the server %s", p.name, got, live[0].Rev)
		}
		if n := len(p.live(s.id)); n != len(live) {
			fail("%s has %d live revisions, the server %d", p.name, n, len(live))
		}
	}
	return failed
}

// names puts who saved a revision in the place of its id.
func (t telling) names(text string) string {
	for rev, by := range t.by {
		text = strings.ReplaceAll(text, rev.String(), by)
	}
	return text
}
