package alert

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const group, repeat = time.Minute, time.Hour

func firing(keys ...string) []Alert {
	var all []Alert
	for _, k := range keys {
		all = append(all, Alert{Key: k, Summary: k})
	}
	return all
}

// hear takes in what fires after d, and returns what is told then.
func hear(m *Memory, d time.Duration, keys ...string) string {
	now := noon.Add(d)
	m.Take(now, firing(keys...))
	message, due := m.Due(now, group, repeat)
	if !due {
		return ""
	}
	m.Deliver(now, message)
	return words(message)
}

func words(m Message) string {
	text := ""
	for _, a := range m.Firing {
		text += "+" + a.Key
	}
	for _, a := range m.Resolved {
		text += "-" + a.Key
	}
	if m.Others > 0 {
		text += fmt.Sprint(" others ", m.Others)
	}
	return text
}

func TestWhatBeginsAndEndsTogetherIsToldTogetherAndOnce(t *testing.T) {
	m := &Memory{}
	for _, c := range []struct {
		at   time.Duration
		keys []string
		want string
	}{
		{0, []string{"a"}, ""},                               // the group waits
		{30 * time.Second, []string{"a", "b"}, ""},           //
		{60 * time.Second, []string{"a", "b"}, "+a+b"},       // a has waited for it
		{75 * time.Second, []string{"a", "b"}, ""},           // told
		{30 * time.Minute, []string{"a"}, ""},                // b ends
		{31 * time.Minute, []string{"a"}, "-b others 1"},     //
		{61 * time.Minute, []string{"a"}, "+a"},              // and a goes on
		{62 * time.Minute, nil, ""},                          // a ends
		{62*time.Minute + 30*time.Second, []string{"a"}, ""}, // and is back: nothing was said
		{64 * time.Minute, []string{"a"}, ""},                //
		{65 * time.Minute, []string{"a", "c"}, ""},           // c comes
		{65*time.Minute + 30*time.Second, []string{"a"}, ""}, // and goes unsaid
		{70 * time.Minute, []string{"a"}, ""},                //
		{71 * time.Minute, nil, ""},                          //
		{72 * time.Minute, nil, "-a"},                        //
		{10 * time.Hour, nil, ""},                            //
	} {
		if got := hear(m, c.at, c.keys...); got != c.want {
			t.Errorf("after %v: %q, want %q", c.at, got, c.want)
		}
	}
}

func TestWhatWasNotDeliveredIsToldAsItStandsLater(t *testing.T) {
	m := &Memory{}
	m.Take(noon, firing("a", "b"))
	if _, due := m.Due(noon.Add(group), group, repeat); !due {
		t.Fatal("nothing is due")
	}
	// The receiver is away; meanwhile b ends and c begins.
	if got := hear(m, 10*time.Minute, "a", "c"); got != "+a+c" {
		t.Errorf("told %q", got)
	}
}

func TestAMemoryIsTheSameAfterItWasStored(t *testing.T) {
	m := &Memory{}
	hear(m, 0, "a")
	hear(m, time.Minute, "a")
	hear(m, 2*time.Minute)
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := recall(data)
	if err != nil || !reflect.DeepEqual(again.List(), m.List()) {
		t.Errorf("got %+v (%v), want %+v", again.List(), err, m.List())
	}
	if got := hear(&again, 3*time.Minute); got != "-a" {
		t.Errorf("told %q", got)
	}
}

// The laws of telling, whatever fires when: nothing is told twice within
// repeat, an end only after its beginning, and what lasts is told in time.
func TestTellingKeepsItsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &Memory{}
		said := map[string]time.Time{}  // told and not told to be over
		since := map[string]time.Time{} // fires without a break
		now := noon
		for range rapid.IntRange(1, 60).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(1, 1200).Draw(t, "seconds")) * time.Second)
			var keys []string
			for _, k := range []string{"a", "b", "c"} {
				if !rapid.Bool().Draw(t, k) {
					delete(since, k)
					continue
				}
				keys = append(keys, k)
				if since[k].IsZero() {
					since[k] = now
				}
			}
			m.Take(now, firing(keys...))
			message, due := m.Due(now, group, repeat)
			if due && rapid.Bool().Draw(t, "delivered") {
				m.Deliver(now, message)
				for _, a := range message.Firing {
					if at, told := said[a.Key]; told && now.Sub(at) < repeat {
						t.Fatalf("%s is told again after %v", a.Key, now.Sub(at))
					}
					if since[a.Key].IsZero() {
						t.Fatalf("%s does not fire", a.Key)
					}
					said[a.Key] = now
				}
				for _, a := range message.Resolved {
					if _, told := said[a.Key]; !told || !since[a.Key].IsZero() {
						t.Fatalf("%s is told to be over", a.Key)
					}
					delete(said, a.Key)
				}
			}
			for k, begun := range since {
				if _, told := said[k]; !told && now.Sub(begun) >= group && !due {
					t.Fatalf("%s has lasted for %v unsaid", k, now.Sub(begun))
				}
			}
		}
	})
}
