package couchlog

import (
	"strconv"
	"strings"
	"time"
)

// noRequest is what CouchDB writes where an entry is about no request.
const noRequest = "--------"

// oldTime is how CouchDB 1 writes the time.
const oldTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// parse reads the first line of an entry; false where it is none, but goes on
// from the entry before it.
func parse(line string) (Entry, bool) {
	if e, ok := parseNew(line); ok {
		return e, true
	}
	if e, ok := parseOld(line); ok {
		return e, true
	}
	if e, ok := parseSyslog(line); ok {
		return e, true
	}
	return parseBare(line)
}

// parseNew reads "[level] time node pid request text": what CouchDB 2 and 3
// write to files and to standard error.
func parseNew(line string) (Entry, bool) {
	rest, ok := strings.CutPrefix(line, "[")
	level, rest, closed := strings.Cut(rest, "] ")
	if !ok || !closed || !isWord(level) {
		return Entry{}, false
	}
	stamp, rest, _ := strings.Cut(rest, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return Entry{}, false
	}
	node, rest, _ := strings.Cut(rest, " ")
	e := Entry{Time: at, Level: level, Node: node}
	return e, e.take(rest)
}

// parseOld reads "[date] [level] [pid] text", CouchDB 1.
func parseOld(line string) (Entry, bool) {
	rest, ok := strings.CutPrefix(line, "[")
	stamp, rest, closed := strings.Cut(rest, "] [")
	if !ok || !closed {
		return Entry{}, false
	}
	at, err := time.Parse(oldTime, stamp)
	if err != nil {
		return Entry{}, false
	}
	level, rest, _ := strings.Cut(rest, "] [")
	_, text, closed := strings.Cut(rest, "] ")
	if !closed || !isWord(level) {
		return Entry{}, false
	}
	return Entry{Time: at.UTC(), Level: level, Text: text, Access: oldAccess(text)}, true
}

// parseSyslog reads "<priority>1 time host app pid request - text", RFC 5424,
// as CouchDB sends it to syslog.
func parseSyslog(line string) (Entry, bool) {
	rest, ok := strings.CutPrefix(line, "<")
	number, rest, closed := strings.Cut(rest, ">1 ")
	priority, err := strconv.Atoi(number)
	fields := strings.SplitN(rest, " ", 7)
	if !ok || !closed || err != nil || priority < 0 || len(fields) < 7 || fields[5] != "-" {
		return Entry{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, fields[0])
	if err != nil {
		return Entry{}, false
	}
	e := Entry{Time: at, Level: levels[priority%8], Node: fields[1]}
	return e, isPid(fields[3]) && e.take(fields[3]+" "+fields[4]+" "+fields[6])
}

// levels are syslog's, by number.
var levels = [8]string{"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"}

// parseBare reads "node pid request text", which is what CouchDB hands to
// journald; the level stands before it until journald takes it off.
func parseBare(line string) (Entry, bool) {
	var e Entry
	if len(line) > 3 && line[0] == '<' && line[2] == '>' && '0' <= line[1] && line[1] <= '7' {
		e.Level, line = levels[line[1]-'0'], line[3:]
	}
	node, rest, _ := strings.Cut(line, " ")
	if !strings.Contains(node, "@") {
		return e, false
	}
	e.Node = node
	return e, e.take(rest)
}

// take reads "pid request text".
func (e *Entry) take(rest string) bool {
	pid, rest, ok := strings.Cut(rest, " ")
	if !ok || !isPid(pid) {
		return false
	}
	request, text, _ := strings.Cut(rest, " ")
	if request != noRequest {
		e.Request = request
	}
	e.Text, e.Access = text, newAccess(text)
	return true
}

func isPid(text string) bool {
	return strings.HasPrefix(text, "<") && strings.HasSuffix(text, ">") || text == "emulator" || text == "undefined"
}

func isWord(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz") == ""
}

// newAccess reads "host peer user METHOD path status ok ms"; nil where it is
// something else. Nothing in it but the path's end is in doubt: a user's name
// may hold spaces.
func newAccess(text string) *Access {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Split(line, " ")
	n := len(fields)
	if n < 8 {
		return nil
	}
	took, err := strconv.ParseInt(fields[n-1], 10, 64)
	status, ok := statusOf(fields[n-3])
	method := n - 5
	if err != nil || !ok || took < 0 || took > int64(365*24*time.Hour/time.Millisecond) || !isMethod(fields[method]) || !strings.HasPrefix(fields[n-4], "/") {
		return nil
	}
	a := &Access{
		Host: fields[0], Peer: fields[1], User: strings.Join(fields[2:method], " "), Method: fields[method], Path: fields[n-4],
		Status: status, Took: time.Duration(took) * time.Millisecond,
	}
	if a.User == "undefined" {
		a.User = ""
	}
	return a
}

// oldAccess reads "peer - - METHOD path status".
func oldAccess(text string) *Access {
	fields := strings.Split(text, " ")
	if len(fields) != 6 || fields[1] != "-" || fields[2] != "-" {
		return nil
	}
	status, ok := statusOf(fields[5])
	if !ok || !isMethod(fields[3]) || !strings.HasPrefix(fields[4], "/") {
		return nil
	}
	return &Access{Peer: fields[0], Method: fields[3], Path: fields[4], Status: status, Took: -1}
}

func statusOf(text string) (int, bool) {
	status, err := strconv.Atoi(text)
	return status, err == nil && status >= 100 && status < 600
}

func isMethod(text string) bool {
	return text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
