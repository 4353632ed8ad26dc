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
	for row, err := range db.ConflictView(t.Context(), "mine", "conflicts") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d documents of %d", len(got), len(want))
	}
	for _, err := range db.ConflictView(t.Context(), "none", "conflicts") {
		wantKind(t, err, couchmend.KindNotFound)
	}
}
