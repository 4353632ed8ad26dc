package couch

import (
	"fmt"
	"testing"
)

func liveLeavesAreToldWinnerFirst(t *testing.T, db *DB) {
	root := revision(1, "1", `{}`)
	dead := child(root, "4", `{}`)
	dead.Deleted = true
	var all []Write
	for _, id := range oddIDs {
		all = append(all, Write{id, root}, Write{id, child(root, "2", `{}`)}, Write{id, child(root, "3", `{}`)}, Write{id, dead})
	}
	gone := child(root, "5", `{}`)
	gone.Deleted = true
	mustWrite(t, db, append(all, Write{"gone", root}, Write{"gone", gone}, Write{"one", root})...)
	live, err := db.LiveLeaves(t.Context(), append([]string{"gone", "one", "never", "one"}, oddIDs...))
	if err != nil {
		t.Fatal(err)
	}
	winner, loser := child(root, "3", `{}`).Rev, child(root, "2", `{}`).Rev
	for _, id := range oddIDs {
		if got, want := fmt.Sprint(live[id]), fmt.Sprintf("[%s %s]", winner, loser); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if len(live["one"]) != 1 || len(live["gone"])+len(live["never"]) > 0 || len(live) != len(oddIDs)+1 {
		t.Errorf("%v", live)
	}
}
