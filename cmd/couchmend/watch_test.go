package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend/couchtest"
)

// runLog is a log that is read while it is written.
type runLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *runLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// console returns the address that the log names, once it does.
func (l *runLog) console() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(l.text.String()) {
		var line struct{ Msg, URL string }
		if json.Unmarshal([]byte(text), &line) == nil && line.Msg == "console" {
			return line.URL
		}
	}
	return ""
}

func TestARunServesMetricsAndHealth(t *testing.T) {
	node := couchtest.NewNode()
	node.CreateDB("medic")
	url := couchtest.NewServer(t, node).URL
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log runLog
	ended := make(chan int, 1)
	go func() {
		a := &app{ctx: ctx, stdin: strings.NewReader(""), stdout: io.Discard, stderr: &log}
		ended <- run(a, []string{"run", "--couchdb", url, "--state", t.TempDir(), "--listen", "127.0.0.1:0"})
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (int, string) {
		resp, err := client.Get(log.console() + path)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, fmt.Sprint(string(text), err)
	}
	until := func(path string, words ...string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			status, text := get(path)
			lacks := slices.DeleteFunc(slices.Clone(words), func(word string) bool { return strings.Contains(text, word) })
			if status == http.StatusOK && len(lacks) == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %d without %q: %s", path, status, lacks, text)
			}
		}
	}
	until("/readyz", `"status": "ok"`)
	until("/healthz", `"status": "ok"`)
	until("/metrics", "couchmend_ready 1", "couchmend_build_info{", `couchmend_feed_lag_changes{db="medic"} 0`)
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
