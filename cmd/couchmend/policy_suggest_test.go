package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/suggest"
	"github.com/couchmend/couchmend/internal/suggest/clinic"
	"go.yaml.in/yaml/v3"
)

// clinicServer is a server whose database medic holds a clinic's conflicts.
func clinicServer(t *testing.T, o clinic.Options) string {
	t.Helper()
	node := couchtest.NewNode()
	if err := clinic.Put(clinic.Conflicts(o), node.CreateDB("medic").Put); err != nil {
		t.Fatal(err)
	}
	return couchtest.NewServer(t, node).URL
}

// command runs couchmend in a folder and returns what it printed.
func command(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{ctx: context.Background(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
	if code := run(a, args); code != want {
		t.Fatalf("%s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, errs.String())
	}
	return out.String()
}

// shares are the shares that a command printed as JSON, the total under "".
func shares(t *testing.T, total suggest.Share, rules []suggest.Share) map[string]suggest.Share {
	t.Helper()
	all := map[string]suggest.Share{"total": total}
	for _, r := range rules {
		all[r.Rule] = r
	}
	return all
}

func TestASuggestionsSharesAreThoseOfAScanByIt(t *testing.T) {
	t.Chdir(t.TempDir())
	url := clinicServer(t, clinic.Options{Docs: 800, Seed: 3, NoBase: 15})
	var proposal suggest.Proposal
	printed := command(t, exitOK, "policy", "suggest", "medic", "--couchdb", url, "--output", "medic.yaml", "--json")
	if err := json.Unmarshal([]byte(printed), &proposal); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile("medic.yaml"); err != nil || string(text) != proposal.Text {
		t.Fatalf("medic.yaml is not what was printed: %v", err)
	}
	var scanned struct{ Summary scanSummary }
	printed = command(t, exitReview, "scan", "medic", "--couchdb", url, "--policy", "medic.yaml", "--summary", "--json")
	if err := json.Unmarshal([]byte(printed), &scanned); err != nil {
		t.Fatal(err)
	}
	proposed := []suggest.Share{proposal.Otherwise}
	for _, r := range proposal.Rules {
		proposed = append(proposed, r.Share)
	}
	want := shares(t, scanned.Summary.Shares.Total, scanned.Summary.Shares.Rules)
	got := shares(t, proposal.Total, proposed)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("suggest says\n%v\nscan says\n%v", got, want)
	}
	if got["total"].Open != 800 || got["total"].Resolved <= proposal.Builtin.Resolved {
		t.Errorf("%+v of 800 conflicts; without a policy %+v", got["total"], proposal.Builtin)
	}
	command(t, exitOK, "policy", "check", "medic.yaml", "--runs", "10", "--strict")
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestASampleIsFairAndReadsLittle(t *testing.T) {
	t.Chdir(t.TempDir())
	url := clinicServer(t, clinic.Options{Docs: 1500, Seed: 4})
	var proposal suggest.Proposal
	printed := command(t, exitOK, "policy", "suggest", "medic", "--couchdb", url, "--sample", "300", "--json")
	if err := json.Unmarshal([]byte(printed), &proposal); err != nil {
		t.Fatal(err)
	}
	if proposal.Conflicts != 300 || proposal.Of < 1250 || proposal.Of > 1750 {
		t.Errorf("%d of about %d conflicts, want 300 of about 1,500", proposal.Conflicts, proposal.Of)
	}
	reports := 0
	for _, r := range proposal.Rules {
		if strings.HasPrefix(r.Name, "data_record") {
			reports += r.Conflicts
		}
	}
	if reports < 115 || reports > 185 {
		t.Errorf("%d of 300 are reports, where half of all are", reports)
	}
	if !strings.Contains(proposal.Text, "# Seen: a sample of 300 of about ") {
		t.Errorf("the text does not say that this is a sample:\n%.600s", proposal.Text)
	}
}

func TestASampleDoesNotDependOnTheOrderInWhichConflictsAreMet(t *testing.T) {
	var all []couchmend.Conflict
	for c := range clinic.Conflicts(clinic.Options{Docs: 300, Seed: 5}) {
		all = append(all, c)
	}
	draw := func(conflicts []couchmend.Conflict) []string {
		spool, err := newSpool()
		if err != nil {
			t.Fatal(err)
		}
		defer spool.close()
		s := &sample{size: 40, spool: spool}
		for _, c := range conflicts {
			f := found{}
			f.Conflict = c
			if _, err := s.found(f); err != nil {
				t.Fatal(err)
			}
		}
		var ids []string
		for c, err := range s.conflicts() {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, c.ID)
		}
		slices.Sort(ids)
		return ids
	}
	want := draw(all)
	slices.Reverse(all)
	if got := draw(all); len(got) != 40 || !slices.Equal(got, want) {
		t.Errorf("%d of %d documents were drawn in both orders", len(got), len(want))
	}
}

func TestASpoolGivesBackWhatItTook(t *testing.T) {
	spool, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	defer spool.close()
	for c := range clinic.Conflicts(clinic.Options{Docs: 50, Seed: 6, NoBase: 30}) {
		c.Leaves[0].Attachments = []couchmend.Attachment{{Name: "a.jpg", ContentType: "image/jpeg", Length: 1 << 20, Data: make([]byte, 1<<20)}}
		if err := spool.add(c); err != nil {
			t.Fatal(err)
		}
	}
	if size, err := spool.file.Seek(0, io.SeekEnd); err != nil || size > 1<<20 {
		t.Errorf("%d bytes: attachments are held whole (%v)", size, err)
	}
	all := slices.Collect(clinic.Conflicts(clinic.Options{Docs: 50, Seed: 6, NoBase: 30}))
	for range 2 { // as often as it is asked
		places := []int{0, 7, 49}
		for c, err := range spool.read(places) {
			if err != nil {
				t.Fatal(err)
			}
			want := all[places[0]]
			places = places[1:]
			c.Leaves[0].Attachments = nil
			if fmt.Sprint(c) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", c, want)
			}
		}
		if len(places) > 0 {
			t.Errorf("places %v were not given back", places)
		}
	}
}

func TestWhatIsReadStaysOutOfMemory(t *testing.T) {
	spool, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	defer spool.close()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s := &sample{size: maxSample, spool: spool}
	before := heap()
	for c := range clinic.Conflicts(clinic.Options{Docs: 2000, Seed: 7}) {
		f := found{}
		f.Conflict = c
		if _, err := s.found(f); err != nil {
			t.Fatal(err)
		}
	}
	if grown := int64(heap()) - int64(before); grown > 1<<19 {
		t.Errorf("2,000 conflicts take %d bytes of memory", grown)
	}
	if spool.written != 2000 {
		t.Errorf("%d were written", spool.written)
	}
}

func TestTheFileIsYAMLWhateverStandsInTheData(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	node := couchtest.NewNode()
	db := node.CreateDB("odd")
	for i := range 30 {
		put := func(rev, body string, path ...string) {
			r := couchmend.Revision{Rev: couchmend.MustRev(rev), Body: json.RawMessage(body)}
			for _, p := range append([]string{rev}, path...) {
				r.Path = append(r.Path, couchmend.MustRev(p))
			}
			if err := db.Put(r, fmt.Sprintf("odd\n%d: {[", i)); err != nil {
				t.Fatal(err)
			}
		}
		body := func(n int) string {
			return fmt.Sprintf(`{"type":"no","a\nb: [x]":["%d",%d],"*":%d,"x*y":[%d,"-"],"":%d,"# c":"%d\nv: 1"}`, n, i, n, n, n, n)
		}
		put("1-aa", body(0))
		put("2-bb", body(1), "1-aa")
		put("2-cc", body(2), "1-aa")
	}
	url := couchtest.NewServer(t, node).URL
	text := command(t, exitOK, "policy", "suggest", "odd", "--couchdb", url, "--examples")
	var top struct {
		Policies map[string]struct{ Rules []map[string]any }
	}
	if err := yaml.Unmarshal([]byte(text), &top); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if rules := top.Policies["odd"].Rules; len(rules) != 1 || fmt.Sprint(rules[0]["when"]) != "map[type:no]" {
		t.Errorf("%v\n%s", rules, text)
	}
	if err := os.WriteFile(filepath.Join(dir, "odd.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, exitReview, "scan", "odd", "--couchdb", url, "--policy", "odd.yaml", "--summary")
}
