package ledger

import (
	"testing"
)

func TestANoteIsThereForTheNextProcess(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []string{"", "one", "two"} {
		l, err := Open(t.Context(), Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Note(t.Context(), "alerts slack")
		if err != nil || string(got) != want {
			t.Errorf("process %d reads %q (%v), want %q", i, got, err, want)
		}
		for _, text := range []string{"other", []string{"one", "two", "three"}[i]} {
			if err := l.PutNote(t.Context(), "alerts slack", []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if other, err := l.Note(t.Context(), "alerts json"); err != nil || other != nil {
			t.Errorf("a note of another name: %q (%v)", other, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
