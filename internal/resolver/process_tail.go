package resolver

import (
	"bufio"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// tail is what a process wrote to standard error last: for people, who want to
// know how it ended. All of it is logged, within bounds.
type tail struct {
	log *slog.Logger
	mu  sync.Mutex
	end []byte
}

const (
	tailSize  = 2 << 10 // bytes of the tail
	lineSize  = 1 << 10 // bytes; a longer line is logged in pieces
	lineLimit = 10_000  // lines that one process may log
)

// readFrom reads until the end.
func (t *tail) readFrom(r io.Reader) {
	lines := bufio.NewReaderSize(r, lineSize)
	for n := 0; ; n++ {
		line, err := lines.ReadSlice('\n')
		t.keep(line)
		switch {
		case n < lineLimit && len(line) > 0:
			t.log.Debug("a resolver wrote to standard error", "text", strings.ToValidUTF8(strings.TrimRight(string(line), "\r\n"), "�"))
		case n == lineLimit:
			t.log.Debug("a resolver wrote too much to standard error: the rest is left out")
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (t *tail) keep(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, line...)
	if extra := len(t.end) - tailSize; extra > 0 {
		t.end = append(t.end[:0], t.end[extra:]...)
	}
}

// String is the end of a sentence: empty where there is nothing to tell.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.end), "�"))
	if text == "" {
		return ""
	}
	return ". It last wrote to standard error: " + text
}
