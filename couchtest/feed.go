package couchtest

import (
	"net/http"
	"strconv"
	"time"
)

// CouchDB's defaults for feeds that wait.
const (
	defaultTimeout   = 60 * time.Second
	defaultHeartbeat = 60 * time.Second
)

// feed is one client's view of a list that grows: a database's changes, or the
// server's databases.
type feed struct {
	source    source
	kind      string // normal, longpoll or continuous
	since     uint64
	limit     int
	heartbeat time.Duration // 0: none, and the feed ends at timeout
	timeout   time.Duration
	sent      int // rows
}

// source is what a feed shows.
type source interface {
	// rows calls f with rows after since, oldest first, until there are no
	// more or limit are reached. It returns up to where it has read, and how
	// many rows remain (-1: not said).
	rows(since uint64, limit int, f func(row []byte)) (last uint64, pending int)
	// news is closed when there may be more rows; over when there will be none.
	news() <-chan struct{}
	over() <-chan struct{}
	// id is a sequence number as clients see it.
	id(seq uint64) string
}

// feed reads the parameters that all feeds share.
func (c *call) feed(s source) (*feed, *apiError) {
	f := &feed{source: s, kind: c.query.Get("feed"), timeout: defaultTimeout}
	switch f.kind {
	case "":
		f.kind = "normal"
	case "live":
		f.kind = "continuous"
	case "normal", "longpoll", "continuous":
	default:
		return nil, badRequest("Supported `feed` types: normal, continuous, live, longpoll, eventsource")
	}
	var err *apiError
	if f.limit, err = c.number("limit", 1<<50); err != nil {
		return nil, err
	}
	milliseconds, err := c.number("timeout", int(defaultTimeout/time.Millisecond))
	if err != nil {
		return nil, err
	}
	f.timeout = min(defaultTimeout, time.Duration(milliseconds)*time.Millisecond)
	switch heartbeat := c.query.Get("heartbeat"); heartbeat {
	case "", "false":
	case "true":
		f.heartbeat = defaultHeartbeat
	default:
		ms, convErr := strconv.Atoi(heartbeat)
		if convErr != nil || ms <= 0 {
			return nil, badRequest("The heartbeat value should be a positive integer (in milliseconds).")
		}
		f.heartbeat = time.Duration(ms) * time.Millisecond
	}
	return f, nil
}

// run sends the feed until it ends.
func (f *feed) run(c *call) *apiError {
	var end, beat <-chan time.Time
	if f.heartbeat == 0 {
		timer := time.NewTimer(f.timeout)
		defer timer.Stop()
		end = timer.C
	} else {
		ticker := time.NewTicker(f.heartbeat)
		defer ticker.Stop()
		beat = ticker.C
	}
	f.begin(c)
	for {
		news := f.source.news() // before reading, so that nothing is missed
		pending := f.batch(c)
		if f.finished() {
			f.finish(c, pending)
			return nil
		}
		switch f.await(c, news, end, beat) {
		case over:
			f.finish(c, pending)
			return nil
		case cut:
			return nil
		}
	}
}

// waking is why a feed stops waiting.
type waking int

const (
	again waking = iota // there may be more rows
	over                // there will be none, or the time is up
	cut                 // the client or the node has gone
)

// await sends what there is, and heartbeats until something happens.
func (f *feed) await(c *call, news <-chan struct{}, end, beat <-chan time.Time) waking {
	for {
		if err := http.NewResponseController(c.w).Flush(); err != nil {
			return cut
		}
		select {
		case <-news:
			return again
		case <-beat:
			c.w.Write([]byte{'\n'})
		case <-end:
			return over
		case <-f.source.over():
			return over
		case <-c.node.closed:
			return cut
		case <-c.r.Context().Done():
			return cut
		}
	}
}

// finished reports whether nothing more is to be waited for.
func (f *feed) finished() bool {
	switch f.kind {
	case "normal":
		return true
	case "longpoll":
		return f.sent > 0
	default:
		return f.sent >= f.limit
	}
}

func (f *feed) begin(c *call) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "must-revalidate")
	c.w.WriteHeader(http.StatusOK)
	if f.kind != "continuous" {
		c.w.Write([]byte("{\"results\":[\n"))
	}
}

// batchBytes is how much is gathered before it is sent.
const batchBytes = 256 << 10

// batch sends the rows that are there.
func (f *feed) batch(c *call) (pending int) {
	var buffer []byte
	f.since, pending = f.source.rows(f.since, f.limit-f.sent, func(row []byte) {
		switch {
		case f.kind == "continuous":
			buffer = append(append(buffer, row...), '\n')
		case f.sent > 0:
			buffer = append(append(buffer, ",\r\n"...), row...)
		default:
			buffer = append(buffer, row...)
		}
		f.sent++
		if len(buffer) >= batchBytes {
			c.w.Write(buffer)
			buffer = buffer[:0]
		}
	})
	c.w.Write(buffer)
	return pending
}

// finish says up to where the feed has come.
func (f *feed) finish(c *call, pending int) {
	last := appendString(nil, f.source.id(f.since))
	tail := ""
	if pending >= 0 {
		tail = `,"pending":` + strconv.Itoa(pending)
	}
	begin := "\n],\n\"last_seq\":"
	if f.kind == "continuous" {
		begin = `{"last_seq":`
	}
	c.w.Write([]byte(begin + string(last) + tail + "}\n"))
}
