package main

import (
	"bufio"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"io"
	"iter"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/mender"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/mend"
)

// sample is a sweep of one database that keeps a fair sample of its open
// conflicts: those whose ids have the smallest hashes, so that the same
// documents are taken whatever their order. Once it has enough it reads only
// documents that would be taken: of a million conflicts a few ten thousand are
// read. What was dismissed is not open.
type sample struct {
	db         string
	size       int
	spool      *spool
	kept       ranks
	unreadable int
}

// rank is a conflict in a sample: the hash of its id, and its place in the
// spool.
type rank struct {
	hash  uint64
	place int
}

// ranks is a heap with the largest hash on top.
type ranks []rank

func (r ranks) Len() int           { return len(r) }
func (r ranks) Less(i, j int) bool { return r[i].hash > r[j].hash }
func (r ranks) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *ranks) Push(x any)        { *r = append(*r, x.(rank)) }
func (r *ranks) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

func hashOf(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// databases is the one that was named. Whether it exists is seen when it is
// read.
func (s *sample) databases(context.Context, *mend.Couchmend) ([]string, error) {
	return []string{s.db}, nil
}

// mender decides by the built-in policy: the one in use may not know the
// database.
func (s *sample) mender(c *mend.Couchmend) *mender.Mender {
	builtin := policy.Builtin()
	rules := func(id string, body jsondoc.Value) *merge.Rule { return builtin.Select(body, id) }
	return mender.New(mender.Config{
		Server: c.Server, Ledger: c.Ledger,
		Rules: func(string) (decide.Rules, string) { return rules, builtin.Name },
	})
}

func (s *sample) wants(id string) bool {
	return len(s.kept) < s.size || hashOf(id) < s.kept[0].hash
}

func (s *sample) pause() error { return nil }

func (s *sample) found(f found) (full bool, err error) {
	switch {
	case f.waiting && f.waits.Dismissed || !s.wants(f.Conflict.ID):
		return false, nil
	case f.Err != nil:
		s.unreadable++
		return false, nil
	}
	heap.Push(&s.kept, rank{hashOf(f.Conflict.ID), s.spool.written})
	if len(s.kept) > s.size {
		heap.Pop(&s.kept)
	}
	return false, s.spool.add(f.Conflict)
}

// open is about how many conflicts are open: exact, unless some were left out.
func (s *sample) open() int {
	if s.spool.written <= s.size {
		return len(s.kept)
	}
	share := float64(s.kept[0].hash) / math.MaxUint64 // of all ids that are below the largest kept one
	return int(math.Round(float64(len(s.kept)) / share))
}

// conflicts yields the sample, as often as it is ranged over.
func (s *sample) conflicts() iter.Seq2[couchmend.Conflict, error] {
	places := make([]int, len(s.kept))
	for i, r := range s.kept {
		places[i] = r.place
	}
	slices.Sort(places)
	return s.spool.read(places)
}

// spool is conflicts in a temporary file, so that they can be looked at several
// times without being read from the server, or held in memory, again (I11). It
// has no name and is gone with the process.
type spool struct {
	file    *os.File
	out     *bufio.Writer
	enc     *gob.Encoder
	written int
}

func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "couchmend-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // some systems can't, while it is open: close tries again
	out := bufio.NewWriter(f)
	return &spool{file: f, out: out, enc: gob.NewEncoder(out)}, nil
}

func (s *spool) close() {
	_ = s.file.Close()
	if err := os.Remove(s.file.Name()); !errors.Is(err, os.ErrNotExist) {
		return // it is in the temporary directory
	}
}

func (s *spool) add(c couchmend.Conflict) error {
	s.written++
	return s.enc.Encode(withoutFiles(c))
}

// withoutFiles puts hashes in the place of attachments' bytes: decisions only
// compare them.
func withoutFiles(c couchmend.Conflict) couchmend.Conflict {
	slim := func(r couchmend.Revision) couchmend.Revision {
		r.Attachments = slices.Clone(r.Attachments)
		for i, a := range r.Attachments {
			if a.Data != nil {
				sum := sha256.Sum256(a.Data)
				r.Attachments[i].Data = sum[:]
			}
		}
		return r
	}
	c.Leaves, c.Bases = slices.Clone(c.Leaves), maps.Clone(c.Bases)
	for i, r := range c.Leaves {
		c.Leaves[i] = slim(r)
	}
	for rev, r := range c.Bases {
		c.Bases[rev] = slim(r)
	}
	return c
}

// read yields the conflicts at places, which are in order.
func (s *spool) read(places []int) iter.Seq2[couchmend.Conflict, error] {
	return func(yield func(couchmend.Conflict, error) bool) {
		if err := s.out.Flush(); err != nil {
			yield(couchmend.Conflict{}, err)
			return
		}
		dec := gob.NewDecoder(bufio.NewReader(io.NewSectionReader(s.file, 0, math.MaxInt64)))
		at := 0
		for _, place := range places {
			var c couchmend.Conflict
			for ; at <= place; at++ {
				c = couchmend.Conflict{}
				if err := dec.Decode(&c); err != nil {
					yield(couchmend.Conflict{}, err)
					return
				}
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}
