package demo

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestEveryStoryEndsAsItHasTo(t *testing.T) {
	var out bytes.Buffer
	ok, err := Run(t.Context(), &out, Options{Exit: true})
	if err != nil || !ok {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, s := range stories {
		if !strings.Contains(out.String(), s.title) {
			t.Errorf("%q is not told", s.title)
		}
	}
}

func TestAMachineIsToldTheSame(t *testing.T) {
	var out bytes.Buffer
	if _, err := Run(t.Context(), &out, Options{Exit: true, JSON: true}); err != nil {
		t.Fatal(err)
	}
	var told struct {
		OK      bool
		Stories []struct{ ID string }
	}
	if err := json.Unmarshal(out.Bytes(), &told); err != nil || !told.OK || len(told.Stories) != len(stories) {
		t.Errorf("%v %v, %d stories", err, told.OK, len(told.Stories))
	}
}

func TestALostSaveIsSeen(t *testing.T) {
	w, err := newWorld(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := offline("d", `{"a":0}`, `{"a":1}`, `{"a":2}`)(w); err != nil {
		t.Fatal(err)
	}
	loser := w.server.live("d")[1]
	if err := w.request(w.server, "DELETE", "d", "?rev="+loser.Rev.String(), ""); err != nil {
		t.Fatal(err)
	}
	if lost := w.lost(w.server, "d"); len(lost) != 1 || lost[0] != loser.Rev {
		t.Errorf("lost %v, want %s", lost, loser.Rev)
	}
}
