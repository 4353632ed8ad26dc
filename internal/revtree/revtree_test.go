package revtree

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

// path reads "3-c 2-b 1-a", and "W!3-l", the mark of 3-l as a merge with the
// winner W writes it: its generation is that of its place.
func path(text string) Path {
	var p Path
	for _, word := range strings.Fields(text) {
		if winner, marked, ok := strings.Cut(word, "!"); ok {
			m := WordMark(strings.ReplaceAll(marked, "_", " "))
			p = append(p, couchmend.Rev{Gen: p[len(p)-1].Gen - 1, Hash: m.Hash(couchmend.MustRev(winner))})
			continue
		}
		p = append(p, couchmend.MustRev(word))
	}
	return p
}

func rev(text string) couchmend.Rev { return couchmend.MustRev(text) }

func TestAMarkIsAnOrdinaryRevisionID(t *testing.T) {
	w := rev("3-9f1c2b77d0a34b6c8d2e4f6a8b0c1d2e")
	hash := MarkOf(rev("3-l")).Hash(w)
	if len(hash) != 32 || !strings.HasPrefix(hash, "c0a1e5ce") {
		t.Errorf("%s", hash)
	}
	// The digits are fixed for ever: documents out there hold them.
	if want := "c0a1e5ce" + "3508" + "113eeff7f050f1e8f70d"; hash != want {
		t.Errorf("mark of 3-l over %s: %s, want %s", w, hash, want)
	}
	if m, ok := AsMark(couchmend.Rev{Gen: 7, Hash: hash}); !ok || m != MarkOf(rev("3-l")) {
		t.Error("the mark does not read back")
	}
	if MarkOf(rev("3-l")).Hash(rev("4-x")) == hash {
		t.Error("two winners write one id")
	}
	for _, text := range []string{"3-c0a1e5ce", "3-l", "3-c0a1e5cf63e128a0a3fbcd9de8ba8d6e", "3-c0a1e5ce63e1zza0a3fbcd9de8ba8d6e0"} {
		if IsMark(rev(text)) {
			t.Errorf("%s is a mark", text)
		}
	}
}

func TestContainsIsThePathAndItsMarks(t *testing.T) {
	tree := New(path("6-m 3-w!3-l 3-w!2-k 3-w 2-b 1-a"), path("3-l 2-k 1-a"))
	contents := tree.Contains(rev("6-m"))
	for _, r := range []string{"6-m", "3-w", "2-b", "1-a", "3-l", "2-k"} {
		if !contents.Has(MarkOf(rev(r))) {
			t.Errorf("6-m does not contain %s", r)
		}
	}
	if len(contents) != 6 {
		t.Errorf("6-m contains %d revisions", len(contents))
	}
	if !tree.Contains(rev("3-l")).Has(MarkOf(rev("2-k"))) || tree.Contains(rev("3-w")).Has(MarkOf(rev("3-l"))) {
		t.Error("a mark counts below the merge that bears it")
	}
}

func TestPathsMeetAtTheirNewestSharedRevision(t *testing.T) {
	for _, c := range []struct {
		name, a, b, at string
		visible        bool
	}{
		{"a fork", "3-c 2-b 1-a", "3-d 2-b 1-a", "2-b", true},
		{"one above the other", "3-c 2-b 1-a", "2-b 1-a", "2-b", true},
		{"stemmed below the fork", "3-c 2-b", "3-d 2-b", "2-b", true},
		{"stemmed above the fork", "5-e 4-d 3-c", "3-x 2-b 1-a", "", false},
		{"two roots", "2-b 1-a", "2-y 1-x", "", true},
		{"one root unknown", "3-b 2-a", "2-y 1-x", "", false},
		{"marks left out above the fork", "5-m 3-w!incomplete 3-w 2-b 1-a", "3-l 2-b 1-a", "2-b", false},
		{"marks left out below the fork", "6-n 5-m 3-w!incomplete 3-w 1-a", "6-o 5-m 3-w!incomplete 3-w 1-a", "5-m", true},
		{"the same mark on both is no meeting", "5-m 3-w!2-x 3-w 2-b 1-a", "5-n 3-w!2-x 3-v 2-b 1-a", "2-b", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := New(path(c.a), path(c.b))
			for range 2 {
				got := tree.Meet(path(c.a)[0], path(c.b)[0])
				if got.At.String() != c.at || got.Visible != c.visible {
					t.Errorf("they meet at %q, visible %v", got.At, got.Visible)
				}
				c.a, c.b = c.b, c.a
			}
		})
	}
}

func TestFoldKnowsHowLeavesJoin(t *testing.T) {
	for _, c := range []struct {
		name   string
		leaves []string // winner first
		how    How
		bases  string
	}{
		{"a fork", []string{"3-c 2-b 1-a", "3-a 2-b 1-a"}, ThreeWay, "2-b"},
		{"the winner contains the loser", []string{"5-m 3-w!3-l 3-w 1-a", "3-l 1-a"}, Contained, ""},
		{"the loser contains the winner", []string{"9-x 8-w 1-a", "6-m 3-l!9-x 3-l 1-a"}, Ahead, ""},
		{"edits above a merged branch", []string{"6-m 3-w!3-l 3-w!2-k 3-w 1-a", "4-m2 3-l 2-k 1-a"}, ThreeWay, "3-l"},
		{"a criss-cross", []string{"6-m 3-w!3-l 3-w 2-a", "6-k 3-l!3-w 3-l 2-a"}, ThreeWay, "3-w 3-l 2-a"},
		{"two roots", []string{"2-b 1-a", "1-x"}, TwoRoots, ""},
		{"a root unknown", []string{"3-b 2-a", "1-x"}, NoBase, ""},
		{"marks left out", []string{"5-m 3-w!incomplete 3-w 1-a", "3-l 1-a"}, NoBase, ""},
		{"both bear the mark of a revision that nobody knows", []string{"5-m 3-w!2-x 3-w 1-a", "4-n 2-l!2-x 2-l 1-a"}, NoBase, ""},
		{"a hold is no contents", []string{"5-m 3-w!hold_3-w 3-w 1-a", "5-k 3-w!hold_3-w 3-w 1-a"}, ThreeWay, "3-w"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var paths []Path
			for _, leaf := range c.leaves {
				paths = append(paths, path(leaf))
			}
			fold := New(paths...).Fold([]couchmend.Rev{paths[0][0], paths[1][0]})
			var bases []string
			for _, r := range fold.Bases() {
				bases = append(bases, r.String())
			}
			if fold.Steps[0].How != c.how || strings.Join(bases, " ") != c.bases {
				t.Errorf("joins as %d with bases %v, want %d with %s", fold.Steps[0].How, bases, c.how, c.bases)
			}
		})
	}
}

func TestMarksAreTheLosersRevisionsNewestFirst(t *testing.T) {
	tree := New(path("5-w 4-b 2-a 1-r"), path("4-l 3-k 2-a 1-r"), path("3-o 2-a 1-r"))
	got := tree.MarksFor(rev("5-w"), []couchmend.Rev{rev("4-l"), rev("3-o")}, 1000)
	want := path("9-m 5-w!4-l 5-w!3-k 5-w!3-o 5-w")[1:4]
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhereMarksAreLeftOutTheMergeSaysSo(t *testing.T) {
	long, other := Path{}, path("3-o 2-n 1-a")
	for gen := 40; gen > 1; gen-- {
		long = append(long, couchmend.Rev{Gen: gen, Hash: "l"})
	}
	long = append(long, rev("1-a"))
	winner := path("50-w 49-v 1-a")
	winner[2] = rev("48-u") // its beginning is cut off
	for _, c := range []struct {
		name   string
		winner Path
		losers []Path
		limit  int
		marks  int
		cut    bool
	}{
		{"room for all", path("41-w 1-a"), []Path{long, other}, 1000, 41, false},
		{"a quarter of the limit, the newest of each loser first", path("41-w 1-a"), []Path{long, other}, 50, 12, true},
		{"a winner of unknown root", winner, []Path{other}, 1000, 3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := New(append([]Path{c.winner}, c.losers...)...)
			var losers []couchmend.Rev
			for _, l := range c.losers {
				losers = append(losers, l[0])
			}
			marks := tree.MarksFor(c.winner[0], losers, c.limit)
			if said := !complete(marks[:1]); said != c.cut {
				t.Fatalf("incomplete: %v", said)
			} else if said {
				marks = marks[1:]
			}
			if len(marks) != c.marks {
				t.Errorf("%d marks", len(marks))
			}
			for _, l := range losers {
				if !slices.ContainsFunc(marks, func(r couchmend.Rev) bool { m, _ := AsMark(r); return m == MarkOf(l) }) {
					t.Errorf("loser %s has no mark", l)
				}
			}
		})
	}
}

func TestAMergesPathGoesDownOneGenerationAStep(t *testing.T) {
	winner := path("5-w 4-b 3-a")
	got := MergePath("m", Placed(rev("5-w"), MarkOf(rev("4-l")), MarkOf(rev("3-k"))), winner, 5)
	if len(got) != 5 || got[0] != rev("8-m") || got[3] != rev("5-w") {
		t.Errorf("%v", got)
	}
	for i := range got {
		if got[i].Gen != 8-i {
			t.Errorf("%s at place %d", got[i], i)
		}
	}
}

func TestTombstonesAreCouchDBs(t *testing.T) {
	recording, err := os.ReadFile("../../couchtest/testdata/couchdb-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Revisions []struct {
			Parent, Members string
			Deleted         bool
			Rev             couchmend.Rev
		}
	}
	if err := json.Unmarshal(recording, &vectors); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, v := range vectors.Revisions {
		if !v.Deleted || v.Members != "" {
			continue
		}
		n++
		if got := Tombstone(rev(v.Parent)); got != v.Rev {
			t.Errorf("tombstone of %s: %s, recorded %s", v.Parent, got, v.Rev)
		}
	}
	if n == 0 {
		t.Error("the recording holds no bare tombstone")
	}
}

func TestARecreationShowsInThePath(t *testing.T) {
	parent := rev("2-b")
	grave := Tombstone(parent)
	again := Path{{Gen: 4, Hash: "n"}, grave, parent, rev("1-a")}
	if !Recreated(again) || Recreated(again[1:]) || Recreated(path("4-n 3-x 2-b 1-a")) {
		t.Error("only a revision above a bare tombstone is a re-creation")
	}
}

func TestAHoldBindsUntilItIsReleased(t *testing.T) {
	// An undo of 5-m = 3-w + 3-l wrote 7-x over it and 5-y over the loser.
	const winner = "7-x 5-m!hold_5-m 5-m 3-w!3-l 3-w 1-a"
	const loser = "5-y 3-l!hold_3-l 3-l 1-a"
	for _, c := range []struct {
		name       string
		live, dead []string
		held       string
	}{
		{"both restored leaves", []string{winner, loser}, nil, "3-l 5-m"},
		{"a restored leaf beside one that knows of nothing", []string{loser, "3-w 1-a"}, nil, "3-l"},
		{"two edits of one restored leaf", []string{"6-p " + loser, "6-q " + loser}, nil, ""},
		{"released", []string{"8-z 5-y!release_3-l " + "6-f " + loser, "3-w 1-a"}, nil, ""},
		{"the other restored leaf was deleted", []string{"8-e " + winner, "4-o 3-w 1-a"}, []string{"6-t " + loser}, ""},
		{"no marks at all", []string{"3-w 1-a", "3-l 1-a"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var live, dead []couchmend.Rev
			var paths []Path
			for _, l := range c.live {
				paths = append(paths, path(l))
				live = append(live, path(l)[0])
			}
			for _, d := range c.dead {
				paths = append(paths, path(d))
				dead = append(dead, path(d)[0])
			}
			var held []string
			for _, r := range New(paths...).OpenHolds(live, dead) {
				held = append(held, r.String())
			}
			if strings.Join(held, " ") != c.held {
				t.Errorf("held: %v, want %q", held, c.held)
			}
		})
	}
}
