package couch

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/couchmend/couchmend"
)

const conflictsDesign = `{"views":{"conflicts":{"map":"function (doc) {\n  if (doc._conflicts) {\n    emit(doc._conflicts, null);\n  }\n}"}}}`

func aViewOfConflictsIsReadPageByPage(t *testing.T, db *DB) {
	root := revision(1, "1", `{}`)
	var all []Write
	var want []string
	for i := range viewPage + 700 { // all with the same key: the place of a page is that of its document
		id := fmt.Sprintf("d%04d", i)
		want = append(want, id)
		all = append(all, Write{id, child(root, "b", `{}`)}, Write{id, child(root, "a", `{}`)})
	}
	mustWrite(t, db, append(all, Write{"quiet", root})...)
	do(t, db, http.MethodPut, "/_design/mine", conflictsDesign)
	var got []string
	var at ViewPlace
	for more := true; more; {
		var rows []ConflictRow
		var err error
		if rows, more, err = db.ConflictRows(t.Context(), "mine", "conflicts", &at); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			got = append(got, row.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d documents of %d", len(got), len(want))
	}
	_, _, err := db.ConflictRows(t.Context(), "none", "conflicts", &ViewPlace{})
	wantKind(t, err, couchmend.KindNotFound)
}
