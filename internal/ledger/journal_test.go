package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func revision(rev, body string) couchmend.Revision {
	return couchmend.Revision{Rev: couchmend.MustRev(rev), Path: []couchmend.Rev{couchmend.MustRev(rev), couchmend.MustRev("1-r")}, Body: []byte(body)}
}

func entry(db, id, kind string) ledger.Entry {
	merge := revision("3-m", `{"n":3}`)
	return ledger.Entry{
		Time: time.Unix(1_800_000_000, 5).UTC(), DB: db, ID: id, Seq: "7-x", Kind: kind, Status: "decided", By: "couchmend", Trace: "t",
		Decision: couchmend.Decision{Outcome: couchmend.Merge, Merge: &merge, Fields: []couchmend.Origin{{Path: "n", Why: "sum"}}},
		Leaves:   []couchmend.Revision{revision("2-b", `{"n":2}`), revision("2-a", `{"n":1}`)},
		Bases:    []couchmend.Revision{revision("1-r", `{}`)},
	}
}

func TestHistoryIsWhatWasAppendedInOrder(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		want := []ledger.Entry{entry("db", "a/ b", "merge"), entry("db", "a/ b", "bury"), entry("db", "a/ b", "undo")}
		check(t, l.Append(t.Context(), want[0], entry("db", "other", "merge"), want[1]))
		check(t, l.Append(t.Context(), want[2]))
		if got := must(l.History(t.Context(), "db", "a/ b"))(t); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if got := must(l.History(t.Context(), "db", "never"))(t); len(got) != 0 {
			t.Errorf("got %v of a document without history", got)
		}
	})
}

func TestTheJournalKeepsBodiesExactly(t *testing.T) {
	bodies := []string{
		`{"z":1,"a":1.0,"big":12345678901234567891,"exp":1e400,"neg":-0}`,
		`{"html":"<b>&amp;</b>","sep":"\u2028` + "\u2028" + `","esc":"\u00e9é\/"}`,
		`{"dup":[],"e":{},"nul":null,"s":"a  b\tc"}`,
		`{"large":"` + strings.Repeat("x<y", 400_000) + `"}`,
	}
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		for i, body := range bodies {
			id := fmt.Sprint("doc", i)
			leaf := revision("2-a", body)
			leaf.Attachments = []couchmend.Attachment{{Name: "a", ContentType: "x/y", Data: []byte("\x00\xff")}}
			check(t, l.Append(t.Context(), ledger.Entry{DB: "db", ID: id, Kind: "merge", Leaves: []couchmend.Revision{leaf}}))
			got := must(l.Bodies(t.Context(), "db", id, []couchmend.Rev{leaf.Rev, couchmend.MustRev("9-no")}))(t)
			if len(got) != 1 || !reflect.DeepEqual(got[leaf.Rev], leaf) {
				t.Errorf("body %d came back as %.80s", i, got[leaf.Rev].Body)
			}
		}
	})
}

func TestBodiesAreFoundInAnyEntryAsLeafBaseOrMerge(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		late := ledger.Entry{DB: "db", ID: "a", Kind: "merge", Leaves: []couchmend.Revision{revision("4-x", `{"n":4}`)}}
		check(t, l.Append(t.Context(), entry("db", "a", "merge"), late, entry("db", "b", "merge")))
		want := map[string][]couchmend.Rev{"a": nil, "b": nil, "none": {couchmend.MustRev("1-r")}, "asked nothing": nil}
		for _, rev := range []string{"4-x", "3-m", "2-b", "1-r"} {
			want["a"] = append(want["a"], couchmend.MustRev(rev))
		}
		want["b"] = append(want["b"], couchmend.MustRev("3-m"), couchmend.MustRev("4-x"))
		got := must(l.BodiesOf(t.Context(), "db", want))(t)
		if len(got["a"]) != 4 || len(got["b"]) != 1 || len(got["none"]) != 0 {
			t.Errorf("got %v", got)
		}
		if body := got["a"][couchmend.MustRev("3-m")].Body; string(body) != `{"n":3}` {
			t.Errorf("the merge's body is %s", body)
		}
	})
}

func TestEachGoesThroughTheJournalFromATimeOn(t *testing.T) {
	onBoth(t, ledger.Config{}, func(t *testing.T, l *ledger.Ledger) {
		var many []ledger.Entry
		for i := range 1200 { // more than two pages
			many = append(many, ledger.Entry{DB: "db", ID: fmt.Sprint(i), Kind: "merge"})
		}
		check(t, l.Append(t.Context(), many...))
		time.Sleep(5 * time.Millisecond)
		since := time.Now()
		check(t, l.Append(t.Context(), entry("db", "late", "merge"), entry("other", "late", "merge")))
		count := func(db string, since time.Time) (n int) {
			t.Helper()
			check(t, l.Each(t.Context(), db, since, func(e ledger.Entry) error {
				if e.Kind != "merge" || n < 1200 && since.IsZero() && e.ID != fmt.Sprint(n) {
					t.Fatalf("entry %d is %+v", n, e)
				}
				n++
				return nil
			}))
			return n
		}
		if a, b, c, d := count("", time.Time{}), count("db", time.Time{}), count("", since), count("db", since); a != 1202 || b != 1201 || c != 2 || d != 1 {
			t.Errorf("got %d, %d, %d, %d entries; want 1202, 1201, 2, 1", a, b, c, d)
		}
		stop := errors.New("enough")
		if err := l.Each(t.Context(), "", time.Time{}, func(ledger.Entry) error { return stop }); err != stop {
			t.Errorf("got %v, want what the function returned", err)
		}
	})
}

func TestAFullJournalSaysSoAndKeepsWhatItHas(t *testing.T) {
	onBoth(t, ledger.Config{JournalBytes: 200 << 10}, func(t *testing.T, l *ledger.Ledger) {
		fat := func(i int) ledger.Entry {
			return ledger.Entry{DB: "db", ID: "d", Kind: fmt.Sprint(i), Leaves: []couchmend.Revision{revision("2-a", `"`+strings.Repeat("x", 10<<10)+`"`)}}
		}
		kept := 0
		var err error
		for err == nil && kept < 100 { // batches, whole or not at all, then single ones
			if err = l.Append(t.Context(), fat(kept), fat(kept+1)); err == nil {
				kept += 2
			}
		}
		wantKind(t, err, couchmend.KindFull)
		for err = nil; err == nil && kept < 100; {
			if err = l.Append(t.Context(), fat(kept)); err == nil {
				kept++
			}
		}
		wantKind(t, err, couchmend.KindFull)
		history := must(l.History(t.Context(), "db", "d"))(t)
		if len(history) != kept || kept == 0 || history[0].Kind != "0" {
			t.Errorf("%d entries from %q, want %d from 0", len(history), history[0].Kind, kept)
		}
		// A large one that has no room either.
		large := ledger.Entry{DB: "db", ID: "d", Kind: "large", Leaves: []couchmend.Revision{revision("2-a", `"`+strings.Repeat("x", 300<<10)+`"`)}}
		wantKind(t, l.Append(t.Context(), large), couchmend.KindFull)
		put(t, l, item("db", "work goes on", 1))
	})
}

const crashDir = "COUCHMEND_TEST_CRASH_DIR"

// appendUntilKilled is the child process of the next test.
func appendUntilKilled(dir string) {
	l, err := ledger.Open(background, ledger.Config{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for i := 0; ; i++ {
		id := fmt.Sprint(i)
		if err := l.Append(background, entry("db", id, "merge"), entry("db", id, "bury")); err != nil {
			fmt.Println("error", err)
		}
		if err := l.PutCases(background, ledger.Case{DB: "db", ID: id}); err != nil {
			fmt.Println("error", err)
		}
		fmt.Println("stored", i)
	}
}

func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir)
	out := must(child.StdoutPipe())(t)
	check(t, child.Start())
	stored := -1
	for stored < 200 {
		if _, err := fmt.Fscanf(out, "stored %d\n", &stored); err != nil {
			t.Fatal("the child failed after ", stored, err)
		}
	}
	check(t, child.Process.Kill())
	_ = child.Wait()

	l := open(t, ledger.Config{Dir: dir})
	for i := range stored + 1 {
		if history := must(l.History(t.Context(), "db", fmt.Sprint(i)))(t); len(history) != 2 {
			t.Fatalf("document %d of %d has %d entries", i, stored, len(history))
		}
	}
	if cases := must(l.CountCases(t.Context()))(t)[""]; cases < stored+1 {
		t.Errorf("%d cases, want %d", cases, stored+1)
	}
}

func TestTenThousandEntriesAreOnDiskInSeconds(t *testing.T) {
	l := open(t, ledger.Config{Dir: t.TempDir()})
	begin := time.Now()
	for batch := range 40 {
		var entries []ledger.Entry
		for i := range 250 {
			e := entry("db", fmt.Sprint(batch*250+i), "merge")
			pad := revision("2-c", `{"pad":"`+strings.Repeat("some text, ", 300)+`"}`)
			e.Leaves = append(e.Leaves, pad)
			entries = append(entries, e)
		}
		check(t, l.Append(t.Context(), entries...))
	}
	took := time.Since(begin)
	t.Logf("10,000 entries of 4 KB in batches of 250: %v", took)
	if took > 20*time.Second { // about 1 s on an idle machine
		t.Errorf("took %v", took)
	}
}
