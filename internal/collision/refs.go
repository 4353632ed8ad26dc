package collision

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
)

// Reference is one place in a live leaf where an id stands.
type Reference struct {
	DB  string        `json:"db"`
	Doc string        `json:"doc"`
	Rev couchmend.Rev `json:"rev"` // the leaf that was read
	// Losing says that the leaf is not the winner: readers don't see this
	// reference, and a merge may bring it back.
	Losing bool   `json:"losing,omitempty"`
	Place  Place  `json:"place"`
	ID     string `json:"id"`
	Kind   Kind   `json:"kind"`
	// Part says that the id is a word in a longer string, not all of it.
	Part bool `json:"part,omitempty"`
	// Self says that Doc is ID: the document that bears it.
	Self   bool `json:"self,omitempty"`
	Design bool `json:"design,omitempty"` // in a design document
	// Err says that the leaf could not be read: whether it refers to an id is
	// not known. Place, ID and Kind are empty.
	Err error `json:"-"`
}

// Kind is what of a document is or holds an id.
type Kind string

// The kinds of reference.
const (
	Value Kind = "value" // a string
	Key   Kind = "key"   // the name of a member; Place ends with it
	DocID Kind = "id"    // the document's own id
)

// Options says what counts as a reference. The zero one counts strings and names
// that are an id, exactly.
type Options struct {
	// Substrings counts ids that are a word in a longer string, too: "A" in
	// "read:report:A" and in the document id "A-info". A word ends where a
	// letter or digit meets anything else. In a longer id that was asked for
	// it doesn't count.
	Substrings bool
	// Progress, where there is one, is told now and then how many of how many
	// documents were read.
	Progress func(done, total int64)
}

// Find reads all live leaves of a database and yields what refers to ids,
// document by document as the server lists them; of those in conflict the losing
// leaves come later, some hundred together. Memory depends on the largest
// document alone (I11).
//
// A document that bears an id is a reference of its own (DocID, Self), once for
// each live leaf. Members of CouchDB's own (_attachments…), local documents and
// tombstones don't count. What is written meanwhile is seen or not.
//
// An error is the last thing that it yields; leaves that can't be read are
// References with Err.
func Find(ctx context.Context, db *couch.DB, ids []string, o Options) iter.Seq2[Reference, error] {
	return func(yield func(Reference, error) bool) {
		f, err := newFinder(ctx, db, ids, o, yield)
		if err != nil {
			yield(Reference{}, err)
			return
		}
		info, err := db.Info(ctx)
		if err != nil {
			yield(Reference{}, err)
			return
		}
		f.total = info.DocCount
		f.read(db.AllDocs(ctx, couch.AllDocsOptions{Docs: true, Conflicts: true}))
	}
}

const (
	// losersAtOnce is how many losing leaves are read in one request.
	losersAtOnce = 250
	// progressEvery is after how many documents Progress is told.
	progressEvery = 1000
)

// finder finds references in a list of documents.
type finder struct {
	ctx         context.Context
	db          *couch.DB
	walk        walk
	progress    func(done, total int64)
	done, total int64
	skip        string       // a document that is not looked at
	losers      []couch.Want // live leaves that are still to be read
	yield       func(Reference, error) bool
}

func newFinder(ctx context.Context, db *couch.DB, ids []string, o Options, yield func(Reference, error) bool) (*finder, error) {
	s, err := newSearch(ids)
	if err != nil {
		return nil, err
	}
	f := &finder{ctx: ctx, db: db, progress: o.Progress, yield: yield}
	f.walk = walk{search: s, substrings: o.Substrings}
	if f.progress == nil {
		f.progress = func(int64, int64) {}
	}
	return f, nil
}

// errEnough ends the reading when no more is wanted.
var errEnough = errors.New("enough")

func (f *finder) read(rows iter.Seq2[couch.DocRow, error]) {
	if err := f.all(rows); err != nil && err != errEnough {
		f.yield(Reference{}, err)
	}
}

func (f *finder) all(rows iter.Seq2[couch.DocRow, error]) error {
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := f.row(row); err != nil {
			return err
		}
		if f.done++; f.done%progressEvery == 0 {
			f.progress(f.done, f.total)
		}
		if len(f.losers) >= losersAtOnce {
			if err := f.readLosers(); err != nil {
				return err
			}
		}
	}
	f.progress(f.done, f.total)
	return f.readLosers()
}

var conflicts = []byte(`"_conflicts"`)

// row looks at a winner. Few are parsed: those that may hold an id, or have
// other leaves.
func (f *finder) row(row couch.DocRow) error {
	if !f.walk.search.mayHold(row.Text) && !bytes.Contains(row.Text, conflicts) || row.ID == f.skip {
		return nil
	}
	winner := Reference{DB: f.db.Name(), Doc: row.ID}
	others, err := f.walk.row(row.Text, winner)
	if err != nil {
		return f.unread(winner, err)
	}
	for _, text := range others {
		rev, err := couchmend.ParseRev(text)
		if err != nil { // CouchDB takes such from a careless replica
			if err := f.unread(Reference{DB: f.db.Name(), Doc: row.ID, Losing: true}, err); err != nil {
				return err
			}
			continue
		}
		f.losers = append(f.losers, couch.Want{ID: row.ID, Rev: rev})
	}
	return f.give()
}

// give yields what the walk has found.
func (f *finder) give() error {
	for _, ref := range f.walk.found {
		if !f.yield(ref, nil) {
			return errEnough
		}
	}
	return nil
}

func (f *finder) unread(leaf Reference, err error) error {
	if couchmend.KindOf(err) == couchmend.KindOther {
		err = &couchmend.Error{Op: "refs", DB: leaf.DB, ID: leaf.Doc, Rev: leaf.Rev, Kind: couchmend.KindServer, Err: err}
	}
	leaf.Err = err
	if !f.yield(leaf, nil) {
		return errEnough
	}
	return nil
}

// readLosers reads the losing leaves that have gathered.
func (f *finder) readLosers() error {
	var gone []string // documents of which a leaf is no more
	err := f.persist(func() error {
		for got, err := range f.db.BulkGet(f.ctx, f.losers, couch.Get{}) {
			switch {
			case err != nil:
				return err
			case got.Missing:
				gone = append(gone, got.ID)
			case got.Err != nil:
				err = f.unread(Reference{DB: f.db.Name(), Doc: got.ID, Rev: got.Rev, Losing: true}, got.Err)
			default:
				err = f.leaf(got.ID, *got.Revision, true)
			}
			if err != nil {
				return err
			}
			f.losers = f.losers[1:]
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range slices.Compact(gone) {
		if err := f.again(id); err != nil {
			return err
		}
	}
	return nil
}

// again looks at a document one of whose leaves was buried and compacted away
// since its row was read: what that one referred to may be in a new leaf now.
func (f *finder) again(id string) error {
	var leaves []couchmend.Revision
	err := f.persist(func() (err error) {
		leaves, err = f.db.Leaves(f.ctx, id)
		return err
	})
	if couchmend.KindOf(err) == couchmend.KindNotFound {
		return nil
	}
	for i, leaf := range leaves {
		if err := f.leaf(id, leaf, i > 0); err != nil {
			return err
		}
	}
	return err
}

const (
	// tries is how often a request is made that gets no answer.
	tries = 4
	// firstPause is before the second of them; it grows fourfold.
	firstPause = 200 * time.Millisecond
)

// persist makes a request until it is answered.
func (f *finder) persist(request func() error) error {
	for try := 1; ; try++ {
		err := request()
		kind := couchmend.KindOf(err)
		if kind != couchmend.KindUnreachable && kind != couchmend.KindServer || try == tries {
			return err
		}
		select {
		case <-f.ctx.Done():
			return err
		case <-time.After(firstPause << (2*try - 2)):
		}
	}
}

// leaf looks at one leaf that was read alone.
func (f *finder) leaf(id string, leaf couchmend.Revision, losing bool) error {
	if leaf.Deleted {
		return nil
	}
	ref := Reference{DB: f.db.Name(), Doc: id, Rev: leaf.Rev, Losing: losing}
	if err := f.walk.body(leaf.Body, ref); err != nil {
		return f.unread(ref, err)
	}
	return f.give()
}
