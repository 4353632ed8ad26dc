package triage

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

var seenAt = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// branch is a revision whose path is given as "3-c 2-b 1-a".
func branch(path, body string) couchmend.Revision {
	r := couchmend.Revision{Body: json.RawMessage(body)}
	for _, text := range strings.Fields(path) {
		r.Path = append(r.Path, couchmend.MustRev(text))
	}
	r.Rev = r.Path[0]
	return r
}

func observed(leaves ...couchmend.Revision) observation {
	return observation{db: "medic", id: "d", leaves: leaves, at: seenAt, open: true}
}

func reportOf(all ...observation) *Report {
	s := newSurvey(DefaultWriters, DefaultClocks)
	for _, o := range all {
		s.add(o)
	}
	r := &Report{At: seenAt}
	s.report(r, 24*time.Hour)
	return r
}

func TestADeepTreeSaysHowItCameAbout(t *testing.T) {
	many := func(format, body string) []couchmend.Revision {
		var leaves []couchmend.Revision
		for i := range 4 {
			leaves = append(leaves, branch(fmt.Sprintf(format, i), fmt.Sprintf(body, i)))
		}
		return leaves
	}
	for name, c := range map[string]struct {
		leaves []couchmend.Revision
		want   []Sign
	}{
		"a device that went on editing offline":     {append([]couchmend.Revision{branch("9-w 1-a", `{}`)}, many("4-d%[1]d 3-c%[1]d 2-b%[1]d 1-a", `{"updated_by":"p%d"}`)...), []Sign{SignOffline}},
		"old edits that arrive late":                {append([]couchmend.Revision{branch("6-w 5-v 4-u 3-t 2-s 1-a", `{}`)}, many("2-b%d 1-a", `{"updated_by":"p%d"}`)...), []Sign{SignStale}},
		"writers at the same moment":                {many("2-b%d 1-a", `{"updated_by":"p%d"}`), []Sign{SignBurst}},
		"one client that does not read before":      {many("2-b%d 1-a", `{"updated_by":"p","n":%d}`), []Sign{SignRepeat, SignBurst}},
		"a clock that is days ahead":                {many("2-b%d 1-a", `{"updated_by":"p%d","updated_at":"2026-11-29T12:00:00Z"}`), []Sign{SignClock, SignBurst}},
		"marks in a path are not edits of a person": {append([]couchmend.Revision{branch("9-w 1-a", `{}`)}, many("4-d%[1]d 3-c0a1e5ce111122222222222222222222 2-c0a1e5ce333322222222222222222222 1-a", `{"updated_by":"p%d"}`)...), []Sign{SignBurst}},
	} {
		t.Run(name, func(t *testing.T) {
			r := reportOf(observed(c.leaves...))
			if len(r.Deep) != 1 || !slices.Equal(r.Deep[0].Signs, c.want) {
				t.Errorf("got %+v, want %v", r.Deep, c.want)
			}
		})
	}
	if r := reportOf(observed(many("2-b%d 1-a", `{"n":%d}`)[:3]...)); len(r.Deep) > 0 {
		t.Error("three leaves are called many")
	}
}

func TestWritersAreTakenFromTheFieldThatTellsThemApart(t *testing.T) {
	r := reportOf(
		observed(branch("2-c 1-a", `{"reported_by":"zoe","updated_by":"ann"}`), branch("2-b 1-a", `{"reported_by":"zoe","updated_by":"bob"}`)),
		observed(branch("2-c 1-a", `{"reported_by":"zoe"}`), branch("2-b 1-a", `{"reported_by":"zoe"}`)),
		observed(branch("2-c 1-a", `{"n":1}`), branch("2-b 1-a", `{"n":2}`)),
	)
	var names []string
	for _, g := range r.Conflicts.Writers {
		names = append(names, fmt.Sprint(g.Name, g.Open))
	}
	if fmt.Sprint(names) != "[ann1 bob1 zoe1]" || fmt.Sprint(r.Conflicts.WriterFields) != "map[reported_by:2 updated_by:2]" {
		t.Errorf("got %v by %v", names, r.Conflicts.WriterFields)
	}
	if p := r.Conflicts.Pairs; len(p) != 1 || p[0].Name != "ann × bob" {
		t.Errorf("pairs %+v", p)
	}
}

func TestAClockIsWrongThatIsAheadOfNowOrBehindItsBase(t *testing.T) {
	base := branch("1-a", `{"updated_at":"2026-11-22T11:00:00Z"}`)
	for name, c := range map[string]struct {
		body string
		want float64
	}{
		"ahead":                       {`{"updated_at":"2026-11-22T13:00:00Z"}`, 3600},
		"ahead, in milliseconds":      {fmt.Sprintf(`{"updated_at":%d}`, seenAt.Add(time.Hour).UnixMilli()), 3600},
		"ahead, in seconds":           {fmt.Sprintf(`{"updated_at":%d}`, seenAt.Add(time.Hour).Unix()), 3600},
		"behind what it was made of":  {`{"updated_at":"2026-11-22T10:00:00Z"}`, -3600},
		"right":                       {`{"updated_at":"2026-11-22T11:30:00Z"}`, 0},
		"a minute off":                {`{"updated_at":"2026-11-22T12:01:00Z"}`, 0},
		"a number that is no moment":  {`{"updated_at":7}`, 0},
		"a number beyond all moments": {`{"updated_at":1e300}`, 0},
		"no moment":                   {`{"updated_at":"soon"}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := observed(branch("2-c 1-a", c.body), branch("2-b 1-a", `{"updated_at":"2026-11-22T11:30:00Z"}`))
			o.bases = []couchmend.Revision{base}
			r := reportOf(o)
			switch {
			case c.want == 0 && len(r.Clocks) > 0, c.want != 0 && (len(r.Clocks) != 1 || r.Clocks[0].Ahead != c.want):
				t.Errorf("got %+v, want %v", r.Clocks, c.want)
			}
		})
	}
}

// What a survey holds is bounded, whatever documents are called.
func TestASurveyIsBounded(t *testing.T) {
	s := newSurvey(DefaultWriters, DefaultClocks)
	for i := range 3 * maxGroups {
		o := observed(branch("2-c 1-a", fmt.Sprintf(`{"type":"t%d","f%d":1,"updated_by":"w%d","updated_at":"2030-01-01T00:00:00Z"}`, i, i, i)),
			branch("2-b 1-a", `{}`), branch("2-d 1-a", `{}`), branch("2-e 1-a", `{}`))
		o.id = fmt.Sprint(i)
		s.add(o)
	}
	for _, n := range []int{len(s.types), len(s.fields), len(s.writers)} {
		if n > maxGroups {
			t.Errorf("%d groups", n)
		}
	}
	if len(s.deeps) > 10*shownDeep || len(s.clocks) > 10*shownDeep {
		t.Errorf("%d deep documents, %d clocks", len(s.deeps), len(s.clocks))
	}
	r := &Report{}
	s.report(r, time.Hour)
	if len(r.Deep) != shownDeep || len(r.Clocks) != shownDeep || len(r.Conflicts.Types) != shownGroups {
		t.Errorf("%d, %d, %d are shown", len(r.Deep), len(r.Clocks), len(r.Conflicts.Types))
	}
}
