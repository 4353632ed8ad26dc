package ledger_test

import (
	"context"
	"sync"
	"testing"

	"github.com/couchmend/couchmend/internal/ledger"
)

func TestACommandMayComeWhileARunStarts(t *testing.T) {
	for range 10 {
		c := ledger.Config{Dir: t.TempDir()}
		var commands, group sync.WaitGroup
		commands.Add(2)
		group.Go(func() {
			l, err := ledger.Open(context.Background(), c)
			if err != nil {
				t.Errorf("the run: %v", err)
				return
			}
			defer l.Close()
			defer commands.Wait()
			for range 3 {
				visitor, err := ledger.Connect(context.Background(), c)
				if err != nil {
					t.Errorf("beside the run: %v", err)
					return
				}
				_ = visitor.Close()
			}
		})
		for range 2 {
			group.Go(func() {
				defer commands.Done()
				l, err := ledger.Connect(context.Background(), c)
				if err != nil {
					t.Errorf("the command: %v", err)
					return
				}
				_ = l.Close()
			})
		}
		group.Wait()
	}
}
