package collision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// View is a view by which CouchDB itself finds the documents that may refer to
// some ids, so that only these travel. It is in a design document of its own,
// which no application's views have to be built anew for. Building it takes
// CouchDB several times as long as Find takes: it is for servers behind a slow
// line.
type View struct {
	// Leftovers are design documents of other searches: left behind by a crash,
	// or in use right now.
	Leftovers []string

	db    *couch.DB
	ids   []string
	o     Options
	name  string
	files bool // the server may have written some
}

// viewPrefix begins the name of every such design document; viewEnd is behind
// all of them.
const viewPrefix, viewEnd = "couchmend-refs-", "couchmend-refs."

// OpenView makes the view and waits until it is built; o.Progress is told how
// far that is. Close must be called to remove it. The name of the design
// document follows from ids: what a crash left behind is used and removed by the
// next search for the same.
//
// It takes the rights of a database admin (KindForbidden), and a CouchDB:
// PouchDB's server is KindRefused.
func OpenView(ctx context.Context, db *couch.DB, ids []string, o Options) (*View, error) {
	s, err := newSearch(ids)
	if err != nil {
		return nil, err
	}
	design := viewDesign(s.ids)
	sum := sha256.Sum256(design)
	v := &View{db: db, ids: s.ids, o: o, name: viewPrefix + hex.EncodeToString(sum[:6])}
	if v.Leftovers, err = v.others(ctx); err != nil {
		return nil, err
	}
	err = db.PutDesign(ctx, v.name, design)
	switch couchmend.KindOf(err) {
	case couchmend.KindConflict: // left behind
		err = nil
	case couchmend.KindForbidden:
		return nil, &couchmend.Error{Op: "make view", DB: db.Name(), Kind: couchmend.KindForbidden,
			Err: fmt.Errorf("it takes the rights of a database admin; to search without a view takes no more than a reader's: %w", errors.Unwrap(err))}
	}
	if err == nil {
		err = v.build(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, v.Close(ctx))
	}
	return v, nil
}

// viewDesign is the design document. Its map function lets through whatever may
// hold an id and whatever is in conflict: Find's own eyes see the rest.
func viewDesign(ids []string) json.RawMessage {
	quoted := make([]jsondoc.Value, len(ids))
	for i, id := range ids {
		quoted[i] = jsondoc.String(id)
	}
	list := string(jsondoc.Array(quoted))
	list = strings.NewReplacer("\u2028", `\u2028`, "\u2029", `\u2029`).Replace(list) // ends of lines to JavaScript
	source := `function (doc) {
  var ids = ` + list + `;
  var text = JSON.stringify(doc);
  var held = doc._conflicts;
  for (var i = 0; i < ids.length && !held; i++) {
    held = text.indexOf(JSON.stringify(ids[i]).slice(1, -1)) >= 0;
  }
  if (held) emit(doc._id, null);
}`
	return json.RawMessage(fmt.Sprintf(`{"language":"javascript","autoupdate":false,`+
		`"options":{"include_design":true,"partitioned":false},"views":{"refs":{"map":%s}}}`, jsondoc.String(source)))
}

// others lists the design documents of other searches.
func (v *View) others(ctx context.Context) (names []string, err error) {
	for row, err := range v.db.AllDocs(ctx, couch.AllDocsOptions{Start: "_design/" + viewPrefix, End: "_design/" + viewEnd}) {
		if err != nil {
			return nil, err
		}
		if row.ID != "_design/"+v.name {
			names = append(names, row.ID)
		}
	}
	return names, nil
}

const (
	// lookEvery is how often the server is asked how far it is.
	lookEvery = 500 * time.Millisecond
	// stalled is how long nothing may move before the view itself is asked,
	// which says what is wrong.
	stalled = 2 * time.Minute
	// almost is how few changes the view may lack when it is asked: on a busy
	// database there are always some.
	almost = 1000
)

// build waits until the server has built the view.
func (v *View) build(ctx context.Context) error {
	total, least := int64(0), int64(-1)
	for moved := time.Now(); time.Since(moved) < stalled; {
		pending, building, err := v.db.ViewPending(ctx, v.name)
		switch {
		case couchmend.KindOf(err) == couchmend.KindNotFound:
			return v.unlike()
		case err != nil:
			return err
		}
		v.files = true
		if least < 0 || pending < least {
			least, moved = pending, time.Now()
		}
		total = max(total, pending)
		if v.o.Progress != nil {
			v.o.Progress(total-least, total)
		}
		if pending <= almost {
			return nil
		}
		if !building {
			if err := v.db.StartView(ctx, v.name, "refs"); err != nil {
				return v.refused(err)
			}
		}
		select {
		case <-ctx.Done():
			return &couchmend.Error{Op: "build view", DB: v.db.Name(), Kind: couchmend.KindOther, Err: context.Cause(ctx)}
		case <-time.After(lookEvery):
		}
	}
	return nil
}

// unlike says that the server is not one that builds views as CouchDB does.
func (v *View) unlike() error {
	return &couchmend.Error{Op: "build view", DB: v.db.Name(), Kind: couchmend.KindRefused,
		Err: errors.New("this server has no views like CouchDB's: search without a view")}
}

// refused is unlike where the server does not know what is asked of a view.
func (v *View) refused(err error) error {
	if couchmend.KindOf(err) == couchmend.KindRefused {
		return v.unlike()
	}
	return err
}

// Find is the function Find by way of the view, in the order of its keys.
// Progress is told of documents that it let through, in all not known before.
func (v *View) Find(ctx context.Context) iter.Seq2[Reference, error] {
	return func(yield func(Reference, error) bool) {
		f, err := newFinder(ctx, v.db, v.ids, v.o, yield)
		if err != nil {
			yield(Reference{}, err)
			return
		}
		f.skip = "_design/" + v.name
		f.read(func(yield func(couch.DocRow, error) bool) {
			for row, err := range v.db.View(ctx, v.name, "refs", couch.AllDocsOptions{Docs: true, Conflicts: true}) {
				if !yield(row, v.refused(err)) {
					return
				}
			}
		})
	}
}

// closing is how long Close may take: it is also called when all else has ended.
const closing = 30 * time.Second

// Close removes the design document and the files of its view, also where ctx
// has ended.
func (v *View) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	if err := v.db.DropDesign(ctx, v.name); err != nil {
		return fmt.Errorf("_design/%s is left behind: %w", v.name, err)
	}
	if !v.files {
		return nil
	}
	err := v.db.CleanViews(ctx)
	kinds := []couchmend.Kind{couchmend.KindForbidden, couchmend.KindNotFound, couchmend.KindOther} // somebody's next cleanup does it
	if slices.Contains(kinds, couchmend.KindOf(err)) {
		return nil
	}
	return err
}
