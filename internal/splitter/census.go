package splitter

import (
	"context"
	"maps"
	"slices"

	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/couch"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

const (
	// sampled is how many other ids at a spot are asked what they name.
	sampled = 48
	// censusRows is how many documents are looked through for them.
	censusRows = 50_000
)

// census asks what the same spots name in other documents of their types: ids of
// db, which is where the ids in question are.
func (s *Splitter) census(ctx context.Context, db string, ids []string, spots []collision.Spot) (collision.Census, error) {
	census := collision.Census{}
	if len(spots) == 0 {
		return census, nil
	}
	samples, err := s.sample(ctx, ids, spots)
	if err != nil {
		return nil, err
	}
	types, err := s.types(ctx, db, samples)
	if err != nil {
		return nil, err
	}
	for spot, ids := range samples {
		census[spot] = map[string]int{}
		for id := range ids {
			if t, ok := types[id]; ok {
				census[spot][t]++
			}
		}
	}
	return census, nil
}

// sample gathers ids that stand at spots, others than those in question.
func (s *Splitter) sample(ctx context.Context, questioned []string, spots []collision.Spot) (map[collision.Spot]map[string]bool, error) {
	samples := map[collision.Spot]map[string]bool{}
	wanting := map[string]map[string][]collision.Spot{} // by database and type
	for _, spot := range spots {
		samples[spot] = map[string]bool{}
		if wanting[spot.DB] == nil {
			wanting[spot.DB] = map[string][]collision.Spot{}
		}
		wanting[spot.DB][spot.Type] = append(wanting[spot.DB][spot.Type], spot)
	}
	for db, byType := range wanting {
		rows := 0
		for row, err := range s.db(db).AllDocs(ctx, couch.AllDocsOptions{Docs: true}) {
			if err != nil {
				return nil, err
			}
			parsed, err := jsondoc.Parse(row.Text)
			if err != nil {
				continue // one document's fault: it tells nothing
			}
			rows++
			body := parsed.Get("doc")
			kind := decide.TypeOf(body)
			byType[kind] = slices.DeleteFunc(byType[kind], func(spot collision.Spot) bool {
				for _, id := range spot.Named(body) {
					if len(samples[spot]) < sampled && !slices.Contains(questioned, id) {
						samples[spot][id] = true
					}
				}
				return len(samples[spot]) == sampled
			})
			if len(byType[kind]) == 0 {
				delete(byType, kind)
			}
			if len(byType) == 0 || rows == censusRows {
				break
			}
		}
	}
	return samples, nil
}

// types reads which type the documents of sampled ids have.
func (s *Splitter) types(ctx context.Context, db string, samples map[collision.Spot]map[string]bool) (map[string]string, error) {
	ids := map[string]bool{}
	for _, of := range samples {
		maps.Copy(ids, of)
	}
	types := map[string]string{}
	for piece := range slices.Chunk(slices.Sorted(maps.Keys(ids)), bodiesAtOnce) {
		winners, err := s.db(db).Winners(ctx, piece)
		if err != nil {
			return nil, err
		}
		var want []couch.Want
		for _, id := range piece {
			if w := winners[id]; !w.Missing && !w.Deleted {
				want = append(want, couch.Want{ID: id, Rev: w.Rev})
			}
		}
		for got, err := range s.db(db).BulkGet(ctx, want, couch.Get{}) {
			if err != nil {
				return nil, err
			}
			if got.Revision != nil {
				types[got.ID] = decide.TypeOf(jsondoc.Value(got.Revision.Body))
			}
		}
	}
	return types, nil
}
