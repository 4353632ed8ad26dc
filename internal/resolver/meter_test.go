package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// slow answers after a while, with an error where there is one.
type slow struct {
	took time.Duration
	err  error
}

func (r slow) Resolve(context.Context, *couchmend.Revision, []couchmend.Revision) (json.RawMessage, error) {
	time.Sleep(r.took)
	return json.RawMessage("1"), r.err
}

func TestResolverTimeIsMeteredPerRule(t *testing.T) {
	var m Meter
	if len(m.Snapshot()) != 0 {
		t.Error("a meter that measured nothing has figures")
	}
	quick := m.Wrap("medic/people", slow{took: time.Millisecond})
	long := m.Wrap("medic/people", slow{took: 20 * time.Millisecond, err: errors.New("no")})
	review := m.Wrap("iot/pumps", slow{err: couchmend.ErrReview})
	var asking sync.WaitGroup
	for range 10 {
		asking.Go(func() {
			if v, err := ask(t, quick, "1"); v != "1" || err != nil {
				t.Error(v, err)
			}
			_, _ = ask(t, review, "1")
		})
	}
	if v, err := ask(t, long, "1"); v != "1" || err == nil {
		t.Error(v, err)
	}
	asking.Wait()
	got := m.Snapshot()
	if len(got) != 2 || got[0].Rule != "iot/pumps" || got[1].Rule != "medic/people" {
		t.Fatal(got)
	}
	if r := got[0]; r.Calls != 10 || r.Reviews != 10 || r.Failures != 0 {
		t.Errorf("%+v", r)
	}
	if r := got[1]; r.Calls != 11 || r.Reviews != 0 || r.Failures != 1 || r.Max < 20*time.Millisecond || r.Total < 30*time.Millisecond || r.Max > r.Total {
		t.Errorf("%+v", r)
	}
	for _, r := range got {
		within := int64(0)
		for _, n := range r.Within {
			within += n
		}
		if within != r.Calls {
			t.Errorf("%s: %d calls, of which %d are counted by their time", r.Rule, r.Calls, within)
		}
	}
}
