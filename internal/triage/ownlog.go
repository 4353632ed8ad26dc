package triage

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
)

// ownLine is what matters of a line of couchmend's log.
type ownLine struct {
	Time    time.Time        `json:"time"`
	Message string           `json:"msg"`
	Status  string           `json:"resolver_status"`
	Millis  *float64         `json:"conflict_resolution_latency_ms"`
	Class   string           `json:"failure_class"`
	DB      string           `json:"db"`
	ID      string           `json:"doc_id"`
	Trace   string           `json:"trace_id"`
	Outcome string           `json:"outcome"`
	Rule    string           `json:"rule"`
	Reason  couchmend.Reason `json:"reason"`
	Error   string           `json:"error"`
}

const (
	// maxTraces is how many batches, and written documents, of couchmend's log
	// are remembered: the newest.
	maxTraces = 500_000
	// maxJoined is how many of its failures are looked up in CouchDB's log.
	maxJoined = 200
	// maxOwnLine bounds a line: leaf_revs of a document may be many.
	maxOwnLine = 4 << 20
)

// own is what couchmend's log says, in the form in which CouchDB's is compared
// with it.
type own struct {
	lines  map[string]int64 // by status
	traces recent           // request ids
	writes recent           // documents that were written, by hash; the time is of the newest write
	failed map[string][]int // request ids of failures: places in joined
	joined []Joined
}

// recent remembers when something was last seen: of the newest two halves of
// maxTraces. What is older is forgotten half by half.
type recent struct{ young, old map[uint64]int64 }

func (r *recent) add(key uint64, at time.Time) {
	if r.young == nil || len(r.young) >= maxTraces/2 {
		r.old, r.young = r.young, map[uint64]int64{}
	}
	r.young[key] = at.UnixMilli()
}

func (r *recent) find(key uint64) (time.Time, bool) {
	at, ok := r.young[key]
	if !ok {
		at, ok = r.old[key]
	}
	return time.UnixMilli(at), ok
}

func hashOf(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = io.WriteString(h, p)
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// readOwn reads couchmend's log: JSON lines, behind whatever journald or Docker
// puts before them, compressed or not. Lines that are none are passed over.
func (g *Gatherer) readOwn(from io.Reader, o *own) error {
	r, err := unzipped(from)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxOwnLine)
	for lines.Scan() {
		l, ok := parseOwn(lines.Text())
		if ok && !l.Time.Before(g.o.Since) && g.o.Visible(l.DB) {
			g.addOwn(l, o)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return errors.New("a line is longer than 4 MB: this is no log of couchmend's")
	}
	return lines.Err()
}

func unzipped(from io.Reader) (io.Reader, error) {
	r := bufio.NewReaderSize(from, 64<<10)
	if head, _ := r.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		return gzip.NewReader(r)
	}
	return r, nil
}

// parseOwn reads a line about how a document left a batch; false for others.
func parseOwn(line string) (l ownLine, ok bool) {
	at := strings.IndexByte(line, '{')
	if at < 0 {
		return l, false
	}
	text := line[at:]
	var outer struct {
		Message string  `json:"MESSAGE"`
		Log     *string `json:"log"`
	}
	if strings.Contains(text, `"MESSAGE"`) || strings.Contains(text, `"log"`) {
		if json.Unmarshal([]byte(text), &outer) == nil {
			switch {
			case outer.Message != "":
				text = outer.Message
			case outer.Log != nil:
				text = *outer.Log
			}
		}
	}
	err := json.Unmarshal([]byte(text), &l)
	return l, err == nil && l.Message == "conflict" && l.Status != "" && l.DB != ""
}

func (g *Gatherer) addOwn(l ownLine, o *own) {
	o.lines[l.Status]++
	if l.Trace != "" {
		o.traces.add(hashOf(l.Trace), l.Time)
	}
	if l.Status == "ok" {
		o.writes.add(hashOf(l.DB, l.ID), l.Time)
	}
	if l.Millis != nil && l.Status != "skipped" {
		g.took(l.Class, time.Duration(*l.Millis*float64(time.Millisecond)))
	}
	if l.Class == "" || l.Status != "error" && l.Status != "review" {
		return
	}
	g.addLogged(l)
	if l.Error == "" || l.Trace == "" || len(o.joined) >= maxJoined {
		return
	}
	o.failed[l.Trace] = append(o.failed[l.Trace], len(o.joined))
	o.joined = append(o.joined, Joined{Time: l.Time, Trace: l.Trace, DB: l.DB, ID: l.ID, Class: l.Class, Error: serverWords(l.Error), Answers: []Answer{}})
}
