package splitter

import (
	"context"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
)

// bodiesAtOnce is how many leaves are read in one request.
const bodiesAtOnce = 200

// findings are what a search has found.
type findings struct {
	references map[string][]collision.Found // by the id that stands there
	unread     []collision.Found            // leaves that may refer to any of the ids
	// since is each database's place in its feed before it was read.
	since     map[string]string
	knowledge collision.Knowledge
}

// of returns what may refer to an id.
func (f findings) of(id string) []collision.Found { return slices.Concat(f.references[id], f.unread) }

// search looks through all databases of a request for what refers to ids, once
// for all of them, and for what can be known about that.
func (s *Splitter) search(ctx context.Context, ids []string, r Request) (findings, error) {
	f := findings{references: map[string][]collision.Found{}, since: map[string]string{}, knowledge: s.knowledge()}
	var all []collision.Found
	for _, name := range databases(r.DB, r.Also) {
		info, err := s.db(name).Info(ctx)
		if err != nil {
			return f, err
		}
		f.since[name] = info.UpdateSeq
		found, err := s.searchOne(ctx, name, ids, r.Substrings)
		if err != nil {
			return f, err
		}
		all = append(all, found...)
	}
	for _, one := range all {
		if one.Err != nil {
			f.unread = append(f.unread, one)
		} else {
			f.references[one.ID] = append(f.references[one.ID], one)
		}
	}
	var err error
	f.knowledge.Census, err = s.census(ctx, r.DB, ids, collision.Spots(all))
	return f, err
}

func (s *Splitter) searchOne(ctx context.Context, name string, ids []string, substrings bool) ([]collision.Found, error) {
	o := collision.Options{Substrings: substrings}
	if s.Progress != nil {
		o.Progress = func(done, total int64) { s.Progress(name, done, total) }
	}
	var refs []collision.Reference
	for ref, err := range collision.Find(ctx, s.db(name), ids, o) {
		if err != nil {
			return nil, err
		}
		if !ref.Self || ref.Kind != collision.DocID {
			refs = append(refs, ref)
		}
	}
	var all []collision.Found
	for piece := range slices.Chunk(refs, bodiesAtOnce) {
		found, err := s.bodies(ctx, name, piece)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// bodies reads the leaves in which references of one database stand.
func (s *Splitter) bodies(ctx context.Context, db string, refs []collision.Reference) ([]collision.Found, error) {
	found := make([]collision.Found, len(refs))
	at := map[couch.Want][]int{} // the references of each leaf
	var want []couch.Want
	for i, ref := range refs {
		found[i].Reference = ref
		if ref.Err != nil {
			continue
		}
		w := couch.Want{ID: ref.Doc, Rev: ref.Rev}
		if at[w] == nil {
			want = append(want, w)
		}
		at[w] = append(at[w], i)
	}
	n := 0
	for got, err := range s.db(db).BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return nil, err
		}
		for _, i := range at[want[n]] {
			switch {
			case got.Revision != nil:
				found[i].Body = got.Revision.Body
			case got.Err != nil:
				found[i].Err = got.Err
			default:
				found[i].Err = fault(db, got.ID, couchmend.KindConflict, "it changed while it was read")
			}
		}
		n++
	}
	return found, nil
}
