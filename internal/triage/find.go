package triage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
)

// rules are what findings are drawn by. Each looks at a report alone.
var rules = []func(*finding){
	failingReplications, brokenReplications, refusedMerges, otherFailures, timeouts,
	applicationConflicts, ownConflicts, oldConflicts,
	deepDocuments, wrongTimes, hotFields, hotWriters, frequentConflicts,
	waitingLong, paused, unmended,
}

// shownFindings is how many findings a report has: the rest is of no weight
// beside them.
const shownFindings = 30

// Find draws the findings from a report's evidence, the heaviest first. flags
// are added to each command of couchmend's, see Options. It is a pure function.
func Find(r *Report, flags string) []Finding {
	f := &finding{Report: r, flags: flags, found: []Finding{}}
	for _, rule := range rules {
		rule(f)
	}
	slices.SortStableFunc(f.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.DB, b.DB), cmp.Compare(a.Title, b.Title))
	})
	return f.found[:min(len(f.found), shownFindings)]
}

// finding is a report while findings are drawn from it.
type finding struct {
	*Report
	flags string
	found []Finding
}

func (f *finding) add(one Finding) {
	one.Weight = min(max(one.Weight, 1), 99)
	one.Evidence = slices.DeleteFunc(one.Evidence, func(e string) bool { return e == "" })
	f.found = append(f.found, one)
}

// couchmend is a command of couchmend's for a shell, with the flags that lead
// to the same server.
func (f *finding) couchmend(verb string, args ...string) string {
	return "couchmend " + verb + f.flags + shell(args...)
}

// about is a command about one document.
func (f *finding) about(verb, db, id string) string {
	if strings.HasPrefix(id, "-") {
		return f.couchmend(verb, db) + " --" + shell(id)
	}
	return f.couchmend(verb, db, id)
}

// curl is a request for what couchmend has no verb for. The login comes from the
// environment.
func (f *finding) curl(path string) string {
	return `curl -s -u "$COUCHDB_USER:$COUCHDB_PASSWORD"` + shell(f.Server.URL+path)
}

// shell writes arguments for a POSIX shell, a space before each.
func shell(args ...string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%"
	var b strings.Builder
	for _, a := range args {
		b.WriteByte(' ')
		if a != "" && strings.Trim(a, plain) == "" {
			b.WriteString(a)
			continue
		}
		b.WriteString("'" + strings.ReplaceAll(a, "'", `'\''`) + "'")
	}
	return b.String()
}

// Shell writes arguments for a POSIX shell, a space before each, quoted where
// they need to be: for Options.Flags.
func Shell(args ...string) string { return shell(args...) }

// more is a weight that grows with how often something was seen: by 4 for each
// tenfold.
func more[N int | int64](n N) int {
	if n < 1 {
		return 0
	}
	return int(4 * math.Log10(float64(n)))
}

// plural counts things.
func plural[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// list names things in a sentence.
func list(names []string) string {
	const shown = 5
	quoted := make([]string, 0, shown)
	for _, n := range names[:min(len(names), shown)] {
		quoted = append(quoted, fmt.Sprintf("%q", n))
	}
	if len(names) > shown {
		quoted = append(quoted, fmt.Sprintf("%d more", len(names)-shown))
	}
	return strings.Join(quoted, ", ")
}

// share is a part of a whole in percent.
func share(part, whole int) string {
	if whole == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(whole))
}

func wasResolver(r couchmend.Reason) bool { return strings.HasPrefix(string(r), "resolver") }
