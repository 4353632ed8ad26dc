package triage

import (
	"strings"
	"testing"
	"time"
)

const ownText = `{"time":"2026-11-22T11:59:00Z","level":"INFO","msg":"conflict","resolver_status":"ok","conflict_resolution_latency_ms":3,"failure_class":"","db":"medic","doc_id":"d","trace_id":"0123456789abcdef0123456789abcdef"}`

func TestCouchmendsLogIsReadBehindWhatCarriesIt(t *testing.T) {
	for name, line := range map[string]string{
		"as it is":           ownText,
		"journalctl":         "Nov 22 11:59:00 host couchmend[7]: " + ownText,
		"journalctl -o json": `{"MESSAGE":` + quoted(ownText) + `,"PRIORITY":"6"}`,
		"docker's json-file": `{"log":` + quoted(ownText+"\n") + `,"stream":"stderr"}`,
	} {
		l, ok := parseOwn(line)
		if !ok || l.DB != "medic" || l.ID != "d" || l.Status != "ok" || l.Trace == "" || l.Millis == nil || *l.Millis != 3 {
			t.Errorf("%s: got %+v, %v", name, l, ok)
		}
	}
	for _, line := range []string{"", "{", "hello", `{"msg":"summary","merged":1}`, `{"msg":"conflict"}`, `{"msg":"conflict","resolver_status":3}`} {
		if l, ok := parseOwn(line); ok {
			t.Errorf("%q is read as %+v", line, l)
		}
	}
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

// FuzzOwnLog: whatever the text, reading ends, and what is read names a database.
func FuzzOwnLog(f *testing.F) {
	f.Add(ownText)
	f.Add(`{"MESSAGE":"{\"msg\":\"conflict\"}","log":null}`)
	f.Fuzz(func(t *testing.T, line string) {
		if l, ok := parseOwn(line); ok && (l.DB == "" || l.Status == "") {
			t.Errorf("%+v", l)
		}
	})
}

// What is remembered of a log is bounded, and the newest is what stays.
func TestTheNewestTracesAreRemembered(t *testing.T) {
	var r recent
	for i := range uint64(2 * maxTraces) {
		r.add(i, time.UnixMilli(int64(i)))
	}
	if n := len(r.young) + len(r.old); n > maxTraces {
		t.Errorf("%d are remembered", n)
	}
	if _, ok := r.find(2*maxTraces - 1); !ok {
		t.Error("the newest is forgotten")
	}
	if _, ok := r.find(2*maxTraces - maxTraces/2); !ok {
		t.Error("one of the newest half is forgotten")
	}
	if _, ok := r.find(0); ok {
		t.Error("the oldest is remembered")
	}
}
