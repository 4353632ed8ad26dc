package triage

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func stamp(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// signWords say what a sign means.
var signWords = map[Sign]string{
	SignOffline: "a branch of several edits: a device that went on editing offline",
	SignStale:   "a leaf that grew from a revision far behind the winner's: an old edit that arrived late",
	SignBurst:   "siblings of one revision: writers that do not wait for each other",
	SignRepeat:  "one writer made most of the leaves: a client that writes again without reading first",
	SignClock:   "times that cannot be right: a device whose clock is off",
}

// deepDocuments: many live leaves, grouped by what they suggest.
func deepDocuments(f *finding) {
	type group struct {
		db    string
		first Sign
	}
	seen := map[group][]Deep{}
	var order []group
	for _, d := range f.Deep {
		g := group{db: d.DB}
		if len(d.Signs) > 0 {
			g.first = d.Signs[0]
		}
		if seen[g] == nil {
			order = append(order, g)
		}
		seen[g] = append(seen[g], d)
	}
	for _, g := range order {
		docs := seen[g]
		worst := docs[0]
		one := Finding{
			Kind: "deep", DB: g.db, Weight: 56 + more(len(docs)) + min(worst.Leaves/4, 8),
			Title: fmt.Sprintf("%s: %s with more than three live leaves", g.db, plural(len(docs), "document")),
			Says:  "Each leaf is an edit that was saved and is missing from what readers see.",
			Next:  f.about("show", worst.DB, worst.ID),
		}
		if g.first != "" {
			one.Title += ": " + short[g.first]
			one.Says += " The trees show " + signsOf(docs) + "."
		}
		if g.first == SignOffline || g.first == SignStale {
			one.Says += " Have that device replicate more often, and both ways before it is edited on."
		}
		const most = 3
		for _, d := range docs[:min(len(docs), most)] {
			one.Evidence = append(one.Evidence, d.says())
		}
		f.add(one)
	}
}

// signsOf says what documents suggest, each sign once.
func signsOf(docs []Deep) string {
	var words []string
	for _, d := range docs {
		for _, s := range d.Signs {
			if !slices.Contains(words, signWords[s]) {
				words = append(words, signWords[s])
			}
		}
	}
	return strings.Join(words, "; ")
}

// short are the signs in titles.
var short = map[Sign]string{
	SignOffline: "a device edited offline", SignStale: "late edits", SignBurst: "writers at the same moment",
	SignRepeat: "a client that repeats itself", SignClock: "clock skew",
}

func (d *Deep) says() string {
	says := fmt.Sprintf("%q: %s, %s deep", d.ID, plural(d.Leaves, "live leaf"), plural(d.Depth, "edit"))
	says = strings.Replace(says, "leafs", "leaves", 1)
	if d.Behind > 0 {
		says += fmt.Sprintf(", parted %s ago", plural(d.Behind, "edit"))
	}
	if len(d.Writers) > 0 {
		says += ", by " + list(d.Writers)
	}
	return says + "."
}

// wrongTimes: clocks that are ahead or behind.
func wrongTimes(f *finding) {
	type group struct{ db, writer string }
	seen := map[group][]Clock{}
	var order []group
	for _, c := range f.Clocks {
		g := group{c.DB, c.Writer}
		if seen[g] == nil {
			order = append(order, g)
		}
		seen[g] = append(seen[g], c)
	}
	for _, g := range order {
		clocks := seen[g]
		worst := clocks[0]
		who := "a writer's"
		if g.writer != "" {
			who = fmt.Sprintf("%q's", g.writer)
		}
		f.add(Finding{
			Kind: "clock_skew", DB: g.db, Weight: 52 + more(len(clocks)),
			Title:    fmt.Sprintf("%s: %s clock is wrong by up to %s", g.db, who, span(worst.Ahead)),
			Says:     "A rule that takes the latest by a wall clock lets such a writer win, or lose, every time. Set the clock; or let the rule order edits by a counter (lamport, sequence, vector).",
			Evidence: []string{fmt.Sprintf("%s. In %q, revision %s: %s %s.", plural(len(clocks), "such revision"), worst.ID, worst.Rev, worst.Field, worst.says())},
			Next:     f.about("diff", worst.DB, worst.ID),
		})
	}
}

func (c *Clock) says() string {
	if c.Ahead > 0 {
		return "is " + span(c.Ahead) + " after the moment at which it was seen"
	}
	return "is " + span(c.Ahead) + " before the time of the revision that it was edited from"
}

// span writes seconds for people.
func span(seconds float64) string {
	d := time.Duration(max(seconds, -seconds) * float64(time.Second))
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// looked is how many conflicts of a database the groups are counted from.
func (f *finding) looked(db string) (n int) {
	for _, d := range f.Databases {
		if d.Name == db {
			n = d.Looked
		}
	}
	mended := 0
	for _, g := range f.Conflicts.Types {
		if g.DB == db {
			mended += g.Mended
		}
	}
	return n + mended
}

// manyConflicts is how many conflicts a pattern must be seen in.
const manyConflicts = 10

// hotFields: one field is what most conflicts are about.
func hotFields(f *finding) {
	told := map[string]bool{}
	for _, g := range f.Conflicts.Fields {
		n, all := g.Open+g.Mended, f.looked(g.DB)
		if told[g.DB] || n < manyConflicts || 2*n < all || f.tells(g.Name) {
			continue
		}
		told[g.DB] = true
		f.add(Finding{
			Kind: "hot_field", DB: g.DB, Weight: 36 + more(n),
			Title:    fmt.Sprintf("%s: most conflicts are about the field %q", g.DB, g.Name),
			Says:     "Writers meet in this field. If it is a list, a counter or a status that everybody writes, a strategy merges it (union, sum, max); where it can, keep it in a document of its own.",
			Evidence: []string{fmt.Sprintf("It differs in %d of %d conflicts looked at (%s); %.1f an hour.", n, all, share(n, all), g.PerHour)},
			Next:     f.couchmend("policy suggest", g.DB),
		})
	}
}

// tells reports whether a field tells of a revision's writer or time: it differs
// wherever anything does.
func (f *finding) tells(field string) bool {
	return f.Conflicts.WriterFields[field] > 0 || f.Conflicts.ClockFields[field] > 0
}

// hotWriters: the same two writers collide again and again.
func hotWriters(f *finding) {
	told := map[string]bool{}
	for _, groups := range [][]Group{f.Conflicts.Pairs, f.Conflicts.Writers} {
		for _, g := range groups {
			n, all := g.Open+g.Mended, f.looked(g.DB)
			if told[g.DB] || n < manyConflicts || 2*n < all {
				continue
			}
			told[g.DB] = true
			f.add(Finding{
				Kind: "hot_writer", DB: g.DB, Weight: 40 + more(n),
				Title:    fmt.Sprintf("%s: most conflicts are of %s", g.DB, strings.ReplaceAll(fmt.Sprintf("%q", g.Name), pairSign, `" and "`)),
				Says:     "Where one of them is a program, it may write as soon as the other has: let it wait until the document has settled, or keep what it adds in a document of its own.",
				Evidence: []string{fmt.Sprintf("%d of %d conflicts looked at (%s), up to %d leaves.", n, all, share(n, all), g.Leaves.Max)},
				Next:     f.couchmend("scan", g.DB),
			})
		}
	}
}

// frequentConflicts: a good part of a database is in conflict.
func frequentConflicts(f *finding) {
	for _, d := range f.Databases {
		if d.Conflicts < manyConflicts || int64(d.Conflicts)*100 < d.Documents {
			continue
		}
		at := "There are"
		if d.Partly {
			at = "There are at least"
		}
		f.add(Finding{
			Kind: "conflict_rate", DB: d.Name, Weight: 38 + more(d.Conflicts),
			Title:    fmt.Sprintf("%s: %s of its documents are in conflict", d.Name, share(d.Conflicts, int(max(d.Documents, int64(d.Conflicts))))),
			Says:     "It is more than what now and then happens: two sides edit the same documents.",
			Evidence: []string{fmt.Sprintf("%s %d documents in conflict of %d, with %.1f live leaves each and %d at most.", at, d.Conflicts, d.Documents, d.Leaves.Mean, d.Leaves.Max)},
			Next:     f.couchmend("scan", d.Name) + " --summary",
		})
	}
}

// reviewAge is how long a document may wait for a person.
const reviewAge = 7 * 24 * time.Hour

// waitingLong: nobody looks at what waits.
func waitingLong(f *finding) {
	for _, x := range f.Failures {
		if x.Review == 0 || x.Oldest.IsZero() || f.At.Sub(x.Oldest) < reviewAge || x.Reason == "" {
			continue
		}
		f.add(Finding{
			Kind: "review_age", DB: x.DB, Weight: 32 + more(x.Review),
			Title:    fmt.Sprintf("%s: %s for a person for up to %.0f days (%s)", x.DB, waits(x.Review), f.At.Sub(x.Oldest).Hours()/24, x.Reason),
			Says:     "Nothing else will mend them. What lies in their losing leaves is missing from what readers see.",
			Evidence: []string{x.counts()},
			Next:     f.couchmend("review list", "--db", x.DB, "--reason", string(x.Reason)),
		})
	}
}

func waits(n int) string {
	if n == 1 {
		return "1 document waits"
	}
	return fmt.Sprintf("%d documents wait", n)
}

// paused: conflicts pile up because somebody said so.
func paused(f *finding) {
	for _, p := range f.Pauses {
		name := p.DB
		if name == "" {
			name = "all databases"
		}
		one := Finding{
			Kind: "paused", DB: p.DB, Weight: 42,
			Title:    "Mending is paused: " + name,
			Says:     "Nothing is written until it ends; conflicts are found and wait.",
			Evidence: []string{fmt.Sprintf("By %s, %s ago: %q.", p.By, span(f.At.Sub(p.Since).Seconds()), p.Reason)},
			Next:     f.couchmend("resume"),
		}
		if p.DB != "" {
			one.Next = f.couchmend("resume", p.DB)
		}
		f.add(one)
	}
}

// unmended: there are conflicts and no couchmend has looked at them.
func unmended(f *finding) {
	for _, d := range f.Databases {
		if d.Conflicts == 0 || d.Mended > 0 || d.Paused || d.Conflicts <= d.Review {
			continue
		}
		f.add(Finding{
			Kind: "unmended", DB: d.Name, Weight: 34 + more(d.Conflicts),
			Title:    fmt.Sprintf("%s: %s that nothing mends", d.Name, plural(d.Conflicts, "conflict")),
			Says:     "The journal has no decision on this database since then, and its conflicts are not all in review: no couchmend follows it, or one with its state elsewhere does.",
			Evidence: []string{fmt.Sprintf("%s, %d of them in review; 0 decisions since %s.", plural(d.Conflicts, "conflict"), d.Review, stamp(f.Since))},
			Next:     f.couchmend("run", "--once", "--dry-run", "--db", d.Name),
		})
	}
}
