package main

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
)

// batchSize is the number of documents of the feed that go together.
const batchSize = 250

// baselineCmd does couchmend's requests and nothing between them: it reads the
// feed, the leaves and the bases, writes the winner's body as the merge, with
// one more id in its path as a mark would be, and buries the losers. It loses
// data by design.
type baselineCmd struct{}

// report is what the baseline took, as JSON.
type report struct {
	Documents int              `json:"documents"` // that had conflicts
	Buried    int              `json:"buried"`
	Seconds   float64          `json:"seconds"`
	Requests  map[string]int64 `json:"requests"`
}

// Run merges everything that is in conflict now, and reports.
func (baselineCmd) Run(ctx context.Context, c *cli) error {
	server, err := couch.Open(couch.Config{URL: c.CouchDB})
	if err != nil {
		return err
	}
	defer server.Close()
	b := baseline{db: server.DB(c.DB)}
	start := time.Now()
	if err := b.follow(ctx); err != nil {
		return err
	}
	b.report.Seconds = time.Since(start).Seconds()
	b.report.Requests = server.Requests()
	return json.NewEncoder(os.Stdout).Encode(b.report)
}

type baseline struct {
	db     *couch.DB
	report report
}

// follow reads the feed to where it ends now, a batch at a time.
func (b *baseline) follow(ctx context.Context) error {
	since := ""
	for {
		var batch []couch.Change
		rows, pending := 0, int64(0)
		for change, err := range b.db.Changes(ctx, couch.ChangesOptions{Since: since, Limit: batchSize}) {
			switch {
			case err != nil:
				return err
			case change.ID == "":
				since, pending = change.Seq, change.Pending
			case len(change.Leaves) > 1 && !change.Deleted:
				batch = append(batch, change)
				fallthrough
			default:
				rows++
			}
		}
		if err := b.mend(ctx, batch); err != nil {
			return err
		}
		if pending == 0 || rows == 0 {
			return nil
		}
	}
}

// mend takes the documents of one batch through all its requests.
func (b *baseline) mend(ctx context.Context, batch []couch.Change) error {
	var want []couch.Want
	for _, change := range batch {
		for _, leaf := range change.Leaves {
			want = append(want, couch.Want{ID: change.ID, Rev: leaf})
		}
	}
	leaves := map[string][]couchmend.Revision{}
	if err := b.read(ctx, want, func(id string, r couchmend.Revision) {
		if !r.Deleted {
			leaves[id] = append(leaves[id], r)
		}
	}); err != nil {
		return err
	}
	var bases []couch.Want
	var merges, burials []couch.Write
	for _, change := range batch {
		live := leaves[change.ID]
		if len(live) < 2 {
			continue
		}
		b.report.Documents++
		for _, loser := range live[1:] {
			if base, ok := common(live[0].Path, loser.Path); ok {
				bases = append(bases, couch.Want{ID: change.ID, Rev: base})
			}
			burials = append(burials, couch.Write{ID: change.ID, Revision: tombstone(loser)})
		}
		merges = append(merges, couch.Write{ID: change.ID, Revision: asMerge(live)})
	}
	if err := b.read(ctx, unique(bases), func(string, couchmend.Revision) {}); err != nil {
		return err
	}
	b.report.Buried += len(burials)
	if err := b.write(ctx, merges); err != nil {
		return err
	}
	return b.write(ctx, burials)
}

func (b *baseline) read(ctx context.Context, want []couch.Want, take func(string, couchmend.Revision)) error {
	for got, err := range b.db.BulkGet(ctx, want, couch.Get{}) {
		if err != nil {
			return err
		}
		if got.Revision != nil {
			take(got.ID, *got.Revision)
		}
	}
	return nil
}

func (b *baseline) write(ctx context.Context, revisions []couch.Write) error {
	if len(revisions) == 0 {
		return nil
	}
	written, err := b.db.Write(ctx, revisions)
	if err != nil {
		return err
	}
	for i, err := range written.Errs {
		if err != nil {
			return fmt.Errorf("writing %q: %w", revisions[i].ID, err)
		}
	}
	return nil
}

// common is the newest revision of two paths.
func common(a, b []couchmend.Rev) (couchmend.Rev, bool) {
	i := slices.IndexFunc(a, func(r couchmend.Rev) bool { return slices.Contains(b, r) })
	if i < 0 {
		return couchmend.Rev{}, false
	}
	return a[i], true
}

func unique(want []couch.Want) []couch.Want {
	seen := map[couch.Want]bool{}
	return slices.DeleteFunc(want, func(w couch.Want) bool {
		defer func() { seen[w] = true }()
		return seen[w]
	})
}

// asMerge is the winner once more, two generations on: [M, a mark, W…].
func asMerge(live []couchmend.Revision) couchmend.Revision {
	m := live[0]
	w, l := sha256.Sum256([]byte(m.Rev.String())), sha256.Sum256([]byte(live[1].Rev.String()))
	mark := couchmend.Rev{Gen: m.Rev.Gen + 1, Hash: "c0a1e5ce" + hex.EncodeToString(w[:2]) + hex.EncodeToString(l[:10])}
	return under(m, append([]couchmend.Rev{mark}, m.Path...))
}

// tombstone buries a leaf.
func tombstone(leaf couchmend.Revision) couchmend.Revision {
	return under(couchmend.Revision{Deleted: true, Body: json.RawMessage("{}")}, leaf.Path)
}

// under makes r a child of the newest revision of path.
func under(r couchmend.Revision, path []couchmend.Rev) couchmend.Revision {
	sum := md5.Sum(fmt.Appendf(nil, "%s %v", path[0], r.Deleted))
	r.Rev = couchmend.Rev{Gen: path[0].Gen + 1, Hash: hex.EncodeToString(sum[:])}
	r.Path = append([]couchmend.Rev{r.Rev}, path...)
	return r
}
