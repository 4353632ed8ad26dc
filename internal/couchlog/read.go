package couchlog

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"iter"
	"strings"
)

const (
	// maxLine is how many bytes of a line, and of an entry, are kept.
	maxLine = 64 << 10
	// maxUnread is how many lines in a row may be unreadable before the
	// stream is taken for something other than a log.
	maxUnread = 10_000
)

// ErrNoLog says that a stream holds nothing like CouchDB's log.
var ErrNoLog = errors.New("this is no log of CouchDB's: of its first 10,000 lines none can be read")

// Read yields the entries of a log in the order in which they stand. Lines that
// go on from the one before are part of its entry; those that stand before the
// first entry are passed over. An error, reading or ErrNoLog, is the last thing
// that it yields. Compression is found out.
func Read(from io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		r, err := plain(from)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		j := joiner{yield: yield}
		for unread := 0; ; {
			line, err := readLine(r)
			if line != "" || err == nil {
				if !j.line(line) {
					return
				}
				if unread++; !j.begun && unread == maxUnread {
					yield(Entry{}, ErrNoLog)
					return
				}
			}
			if err == io.EOF {
				j.flush()
				return
			}
			if err != nil {
				if j.flush() {
					yield(Entry{}, err)
				}
				return
			}
		}
	}
}

// plain takes gzip off a stream.
func plain(from io.Reader) (*bufio.Reader, error) {
	r := bufio.NewReaderSize(from, 64<<10)
	if head, _ := r.Peek(2); len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return r, nil
	}
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(unzipped, 64<<10), nil
}

// readLine reads a line without its end, cut after maxLine bytes.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if room := maxLine - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return strings.ToValidUTF8(strings.TrimRight(string(line), "\r\n"), "\uFFFD"), err
		}
	}
}

// joiner puts lines together to entries.
type joiner struct {
	yield func(Entry, error) bool
	entry Entry
	begun bool
	over  bool
}

// line takes a line in; false says that no more are wanted.
func (j *joiner) line(text string) bool {
	e, envelope := unwrap(text)
	next, ok := parse(envelope)
	if !ok {
		if j.begun && len(j.entry.Text) < maxLine {
			j.entry.Text += "\n" + envelope
		}
		return true
	}
	if next.Time.IsZero() {
		next.Time = e.Time
	}
	if next.Level == "" {
		next.Level = e.Level
	}
	more := j.flush()
	j.entry, j.begun = next, true
	return more
}

// flush yields the entry that is done.
func (j *joiner) flush() bool {
	if j.over {
		return false
	}
	if j.begun && j.entry.Node+j.entry.Text != "" {
		j.over = !j.yield(j.entry, nil)
	}
	j.entry = Entry{}
	return !j.over
}
