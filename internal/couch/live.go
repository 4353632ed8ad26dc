package couch

import (
	"context"

	"github.com/couchmend/couchmend"
)

// LiveLeaves asks for the live leaves of many documents in one request, the
// winner first. A document that has none, deleted or missing, is not in the
// answer. A leaf whose id is no revision id is passed over, as Winners does.
func (db *DB) LiveLeaves(ctx context.Context, ids []string) (map[string][]couchmend.Rev, error) {
	live := make(map[string][]couchmend.Rev, len(ids))
	if len(ids) == 0 {
		return live, nil
	}
	var answer struct {
		Rows []struct {
			Key   string
			Error string
			Value struct{ Deleted bool }
			Doc   struct {
				Rev       string   `json:"_rev"`
				Conflicts []string `json:"_conflicts"`
			}
		}
	}
	c, err := db.askAbout(ctx, ids, "?include_docs=true&conflicts=true", &answer)
	if err != nil {
		return nil, err
	}
	for _, row := range answer.Rows {
		if row.Error != "" && row.Error != "not_found" {
			return nil, c.failed(rowKind(row.Error), &refusal{Name: row.Error})
		}
		if row.Value.Deleted || row.Doc.Rev == "" || live[row.Key] != nil {
			continue
		}
		for _, text := range append([]string{row.Doc.Rev}, row.Doc.Conflicts...) {
			if rev, err := couchmend.ParseRev(text); err == nil {
				live[row.Key] = append(live[row.Key], rev)
			}
		}
	}
	return live, nil
}
