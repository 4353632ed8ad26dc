package pouchserver_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/pouchserver"
)

func TestServerAnswersAsPouchDBAndEndsWithItsTest(t *testing.T) {
	var url string
	t.Run("running", func(t *testing.T) {
		url = pouchserver.Start(t)
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var hello map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&hello); err != nil {
			t.Fatal(err)
		}
		if hello["express-pouchdb"] != "Welcome!" {
			t.Errorf("the server said %v", hello)
		}
	})
	if url == "" {
		t.Skip("no server was started")
	}
	client := http.Client{Timeout: 5 * time.Second}
	if resp, err := client.Get(url); err == nil {
		resp.Body.Close()
		t.Error("the server outlived its test")
	}
}

func TestMissingNodeSkipsOrFailsAsAsked(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range []struct{ require, want string }{{"", "skipped"}, {"1", "failed"}} {
		t.Setenv(pouchserver.RequireEnv, c.require)
		tb := &recorder{TB: t}
		done := make(chan struct{})
		go func() { // Skip and Fatal end the goroutine that calls them
			defer close(done)
			pouchserver.Start(tb)
		}()
		<-done
		if tb.outcome != c.want || !strings.Contains(tb.message, "node is not installed") {
			t.Errorf("%s=%q: %s with %q, want %s", pouchserver.RequireEnv, c.require, tb.outcome, tb.message, c.want)
		}
	}
}
