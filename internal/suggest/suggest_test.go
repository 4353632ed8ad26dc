package suggest_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/suggest"
	"github.com/couchmend/couchmend/internal/suggest/clinic"
)

func source(all iter.Seq[couchmend.Conflict]) suggest.Source {
	return func(yield func(couchmend.Conflict, error) bool) {
		for c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func TestDump(t *testing.T) {
	p, err := suggest.Propose(context.Background(), source(clinic.Conflicts(clinic.Options{Docs: 4000, Seed: 1, NoBase: 20})), suggest.Options{DB: "medic"})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(p.Text)
	os.WriteFile("/tmp/proposed.yaml", []byte(p.Text), 0o644)
}
