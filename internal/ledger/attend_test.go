package ledger_test

import (
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/ledger"
)

func lost(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	select {
	case <-l.Lost():
	case <-time.After(5 * time.Second):
		t.Fatal("it was not told that it lost the state")
	}
}

func TestWhoOnlyLooksGivesWayToAProcessThatMends(t *testing.T) {
	dir := t.TempDir()
	looking, err := ledger.Attend(t.Context(), ledger.Config{Dir: dir})
	check(t, err)
	defer looking.Close()
	go func() {
		<-looking.Lost()
		looking.Close()
	}()
	mending, err := ledger.Open(t.Context(), ledger.Config{Dir: dir})
	check(t, err)
	defer mending.Close()
	lost(t, looking)
	again, err := ledger.Attend(t.Context(), ledger.Config{Dir: dir})
	check(t, err)
	defer again.Close()
	check(t, mending.Pause(t.Context(), ledger.Pause{DB: "db"}))
	if pauses, err := again.Pauses(t.Context()); err != nil || len(pauses) != 1 {
		t.Errorf("through the process that mends: %v, %v", pauses, err)
	}
	mending.Close()
	lost(t, again)
}
