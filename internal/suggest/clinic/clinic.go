// Package clinic makes the conflicts of a health deployment in the manner of
// the Community Health Toolkit, for tests: reports that phones and a server
// edit, patients, tasks, feedback. What happens to each field is known, because
// the edits are: see the comments at each kind.
package clinic

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
)

// Options say what is made.
type Options struct {
	Docs int
	Seed uint64
	// NoBase is the share of documents, in percent, whose base is gone.
	NoBase int
}

// body is a document in the making.
type body = map[string]any

// kind makes documents of one kind.
type kind struct {
	share int // of 100
	make  func(*rand.Rand, int) body
	// edit makes one side's edit; sides are 0 and 1.
	edit func(r *rand.Rand, b body, side int)
}

func kinds() []kind {
	return []kind{
		{50, report, editReport},
		{30, person, editPerson},
		{10, task, editTask},
		{8, feedback, editFeedback},
		{2, settings, editSettings},
	}
}

// Conflicts yields documents in conflict: a base and two leaves, of which one
// has one edit, the other up to three.
func Conflicts(o Options) iter.Seq[couchmend.Conflict] {
	return func(yield func(couchmend.Conflict) bool) {
		for n := range o.Docs {
			if !yield(conflict(o, n)) {
				return
			}
		}
	}
}

func conflict(o Options, n int) couchmend.Conflict {
	r := rand.New(rand.NewPCG(o.Seed, uint64(n)))
	k := pick(n)
	first := k.make(r, n)
	root := couchmend.Rev{Gen: 1, Hash: hash(r)}
	c := couchmend.Conflict{DB: "medic", ID: fmt.Sprintf("%016x", r.Uint64()), RevsLimit: 1000}
	base := couchmend.Revision{Rev: root, Path: []couchmend.Rev{root}, Body: text(first)}
	if r.IntN(100) >= o.NoBase {
		c.Bases = map[couchmend.Rev]couchmend.Revision{root: base}
	}
	for side := range 2 {
		b, path := clone(first), []couchmend.Rev{root}
		edits := 1
		if side == 0 {
			edits += r.IntN(3)
		}
		for range edits {
			k.edit(r, b, side)
			path = slices.Insert(path, 0, couchmend.Rev{Gen: path[0].Gen + 1, Hash: hash(r)})
		}
		c.Leaves = append(c.Leaves, couchmend.Revision{Rev: path[0], Path: path, Body: text(b)})
	}
	slices.SortFunc(c.Leaves, func(a, b couchmend.Revision) int { return b.Rev.Compare(a.Rev) })
	return c
}

// pick deals the kinds out by their shares.
func pick(n int) kind {
	at := n * 37 % 100 // 37 has no factor in common with 100: each hundred has all
	all := kinds()
	for _, k := range all {
		if at -= k.share; at < 0 {
			return k
		}
	}
	return all[0]
}

func hash(r *rand.Rand) string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }

func text(b body) json.RawMessage {
	t, err := json.Marshal(b)
	if err != nil {
		panic(err) // what this package makes can be written
	}
	return t
}

func clone(b body) body {
	c := body{}
	for name, v := range b {
		switch v := v.(type) {
		case body:
			c[name] = clone(v)
		case []any:
			elements := slices.Clone(v)
			for i, e := range elements {
				if inner, ok := e.(body); ok {
					elements[i] = clone(inner)
				}
			}
			c[name] = elements
		default:
			c[name] = v
		}
	}
	return c
}

var began = time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)

func moment(minutes int) string {
	return began.Add(time.Duration(minutes) * time.Minute).Format(time.RFC3339)
}

// later moves a moment on.
func later(r *rand.Rand, was any) string {
	t, err := time.Parse(time.RFC3339, was.(string))
	if err != nil {
		panic(err) // made by moment
	}
	return t.Add(time.Duration(1+r.IntN(100_000)) * time.Second).Format(time.RFC3339)
}

// report: edit_count is a Lamport clock, read a set, fields.visits a counter,
// fields.lmp has its clock beside it, scheduled_tasks have the key group,
// last_contacted only rises, deleted is a soft deletion. patient_name is
// anything. fields.doses means a counter in one form and a word in another.
func report(r *rand.Rand, n int) body {
	form := []string{"pregnancy", "delivery", "death"}[n%3]
	fields := body{"patient_name": word(r), "visits": r.IntN(5), "lmp": day(r), "lmp_changed": moment(r.IntN(1000)), "doses": 0}
	if form == "death" {
		fields["doses"] = word(r)
	}
	var tasks []any
	for group := 1; group <= 3; group++ {
		tasks = append(tasks, body{"group": group, "state": "scheduled", "due": moment(group * 10_000), "sent": 0})
	}
	return body{
		"type": "data_record", "form": form, "edit_count": 1, "fields": fields, "scheduled_tasks": tasks,
		"read": []any{"clerk"}, "reported_date": 1767254400000 + n, "last_contacted": moment(n % 1000), "deleted": false,
	}
}

func editReport(r *rand.Rand, b body, side int) {
	fields := b["fields"].(body)
	b["edit_count"] = b["edit_count"].(int) + 1
	if chance(r, 40) {
		b["read"] = with(b["read"].([]any), user(r))
	}
	if chance(r, 30) {
		fields["visits"] = fields["visits"].(int) + 1 + r.IntN(2)
	}
	if chance(r, 15) {
		fields["lmp"], fields["lmp_changed"] = day(r), later(r, fields["lmp_changed"])
	}
	if chance(r, 30) {
		t := b["scheduled_tasks"].([]any)[r.IntN(3)].(body)
		t["state"] = []string{"sent", "muted", "cleared"}[r.IntN(3)]
	}
	if chance(r, 20) {
		t := b["scheduled_tasks"].([]any)
		b["scheduled_tasks"] = append(t, body{"group": 10 + len(t) + 100*side, "state": "scheduled", "due": moment(5), "sent": 0})
	}
	if chance(r, 30) {
		b["last_contacted"] = later(r, b["last_contacted"])
	}
	if chance(r, 10) {
		fields["patient_name"] = word(r)
	}
	if n, counts := fields["doses"].(int); counts && chance(r, 30) {
		fields["doses"] = n + 1
	} else if !counts && chance(r, 30) {
		fields["doses"] = word(r)
	}
	if side == 1 && chance(r, 3) {
		b["deleted"] = true
	}
}

// person: versions is a vector clock, notes is text of several lines,
// alternative_phones a set from which numbers are also taken out, name
// anything, contacted_on a day that moves either way.
func person(r *rand.Rand, n int) body {
	return body{
		"type": "person", "name": word(r), "versions": body{"server": 1},
		"notes":              strings.Join([]string{word(r), word(r), word(r), word(r), word(r), ""}, "\n"),
		"alternative_phones": []any{number(r), number(r)}, "contacted_on": day(r), "sex": []string{"female", "male"}[n%2],
	}
}

func editPerson(r *rand.Rand, b body, side int) {
	versions := b["versions"].(body)
	actor := fmt.Sprintf("phone-%d", side)
	was, _ := versions[actor].(int)
	versions[actor] = was + 1
	if chance(r, 60) {
		lines := strings.Split(b["notes"].(string), "\n")
		lines[2*side+r.IntN(2)] = word(r)
		b["notes"] = strings.Join(lines, "\n")
	}
	if phones := b["alternative_phones"].([]any); chance(r, 20) {
		b["alternative_phones"] = append(slices.Clone(phones), number(r))
	} else if chance(r, 10) && len(phones) > 0 {
		b["alternative_phones"] = slices.Clone(phones[1:])
	}
	if chance(r, 10) {
		b["name"] = word(r)
	}
	if chance(r, 20) {
		b["contacted_on"] = day(r)
	}
}

// task: state_history is a log, state a word, priority_level a number that only
// rises and whose name does not say why.
func task(r *rand.Rand, n int) body {
	return body{"type": "task", "state": "ready", "priority_level": r.IntN(3), "state_history": []any{body{"state": "draft", "at": moment(n % 500)}}}
}

func editTask(r *rand.Rand, b body, _ int) {
	b["state"] = []string{"done", "failed", "cancelled"}[r.IntN(3)]
	b["state_history"] = append(slices.Clone(b["state_history"].([]any)), body{"state": b["state"], "at": moment(1000 + r.IntN(50_000))})
	if chance(r, 50) {
		b["priority_level"] = b["priority_level"].(int) + 1 + r.IntN(2)
	}
}

// feedback: updated_at is a wall clock, votes an object of counters by user.
func feedback(r *rand.Rand, n int) body {
	return body{"type": "feedback", "message": word(r), "updated_at": moment(n % 500), "votes": body{}}
}

func editFeedback(r *rand.Rand, b body, _ int) {
	b["updated_at"] = later(r, b["updated_at"])
	votes := b["votes"].(body)
	if chance(r, 50) {
		voter := user(r)
		was, _ := votes[voter].(int)
		votes[voter] = was + 1
	}
	if chance(r, 30) {
		b["message"] = word(r)
	}
}

// settings have no type, and are too few to say anything.
func settings(r *rand.Rand, _ int) body { return body{"locale": "en", "limit": r.IntN(50)} }

func editSettings(r *rand.Rand, b body, side int) {
	b["locale"] = []string{"fr", "ne", "sw"}[r.IntN(3)]
	if side == 0 {
		b["limit"] = r.IntN(50)
	}
}

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func with(set []any, element any) []any {
	if slices.Contains(set, element) {
		return set
	}
	return append(slices.Clone(set), element)
}

func word(r *rand.Rand) string {
	letters := make([]byte, 5+r.IntN(6))
	for i := range letters {
		letters[i] = byte('a' + r.IntN(26))
	}
	return string(letters)
}

func user(r *rand.Rand) string   { return fmt.Sprintf("user-%d", r.IntN(40)) }
func number(r *rand.Rand) string { return fmt.Sprintf("+977%09d", r.IntN(1_000_000_000)) }
func day(r *rand.Rand) string {
	return began.AddDate(0, 0, r.IntN(300)).Format(time.DateOnly)
}

// Put calls write with the revisions of conflicts, bases first, as a server
// should be given them.
func Put(conflicts iter.Seq[couchmend.Conflict], write func(couchmend.Revision, string) error) error {
	for c := range conflicts {
		for _, r := range slices.Concat(slices.Collect(maps.Values(c.Bases)), c.Leaves) {
			if err := write(r, c.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
