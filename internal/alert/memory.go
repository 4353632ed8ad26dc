package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Memory is what one receiver was told, and what it is to be told. It is kept
// in the state, so that neither a restart nor another process tells it again.
type Memory struct {
	Known map[string]*Told `json:"known"` // by key
}

// Told is an alert, and how far its receiver knows of it.
type Told struct {
	Alert Alert     `json:"alert"`
	First time.Time `json:"first"`         // it fired
	Sent  time.Time `json:"sent,omitzero"` // it was told last; zero: not yet
	Gone  time.Time `json:"gone,omitzero"` // it stopped firing, and that was not told
}

// Take takes note of what fires now.
func (m *Memory) Take(now time.Time, firing []Alert) {
	if m.Known == nil {
		m.Known = map[string]*Told{}
	}
	fires := map[string]bool{}
	for _, a := range firing {
		fires[a.Key] = true
		if known := m.Known[a.Key]; known != nil {
			known.Alert, known.Gone = a, time.Time{}
		} else {
			m.Known[a.Key] = &Told{Alert: a, First: now}
		}
	}
	for k, t := range m.Known {
		switch {
		case fires[k]:
		case t.Sent.IsZero(): // came and went unsaid
			delete(m.Known, k)
		case t.Gone.IsZero():
			t.Gone = now
		}
	}
}

// Message is what is told at once.
type Message struct {
	At       time.Time `json:"sent"`
	Firing   []Alert   `json:"firing"`   // new ones, and those that are told again
	Resolved []Alert   `json:"resolved"` // told before, and over
	Others   int       `json:"others"`   // that fire still, and were told
	Console  string    `json:"console,omitempty"`
	Test     bool      `json:"test,omitempty"`
}

// Due returns what is to be told now, if anything is. What begins or ends is
// told together with all else of the time group; what goes on is told again
// after repeat.
func (m *Memory) Due(now time.Time, group, repeat time.Duration) (Message, bool) {
	out := Message{At: now, Firing: []Alert{}, Resolved: []Alert{}}
	due := false
	for _, k := range slices.Sorted(maps.Keys(m.Known)) {
		switch t := m.Known[k]; {
		case !t.Gone.IsZero():
			out.Resolved = append(out.Resolved, t.Alert)
			due = due || now.Sub(t.Gone) >= group
		case t.Sent.IsZero():
			out.Firing = append(out.Firing, t.Alert)
			due = due || now.Sub(t.First) >= group
		case now.Sub(t.Sent) >= repeat:
			out.Firing = append(out.Firing, t.Alert)
			due = true
		default:
			out.Others++
		}
	}
	return out, due
}

// Deliver takes note that a message was delivered.
func (m *Memory) Deliver(now time.Time, told Message) {
	for _, a := range told.Firing {
		if t := m.Known[a.Key]; t != nil {
			t.Sent = now
		}
	}
	for _, a := range told.Resolved {
		delete(m.Known, a.Key)
	}
}

// List returns what is known, by key.
func (m *Memory) List() []Told {
	all := make([]Told, 0, len(m.Known))
	for _, t := range m.Known {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Told) int { return cmp.Compare(a.Alert.Key, b.Alert.Key) })
	return all
}
