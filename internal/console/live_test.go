package console

import (
	"net/http/httptest"
	"testing"
	"time"
)

func TestAPageListensForLongerThanAnAnswerMayTake(t *testing.T) {
	c := newClinic(t, nil)
	slow := httptest.NewUnstartedServer(c.console)
	slow.Config.ReadTimeout, slow.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	slow.Start()
	t.Cleanup(slow.Close)
	c.http = slow
	b := c.browser()
	b.get("/cases")
	heard := b.listen()
	time.Sleep(500 * time.Millisecond)
	c.waits("ward", "a", "person")
	select {
	case <-heard:
	case <-time.After(5 * time.Second):
		t.Error("its connection has ended")
	}
}
