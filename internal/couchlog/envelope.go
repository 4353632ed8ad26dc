package couchlog

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// unwrap takes off what Docker, syslog or journalctl put around a line, and
// tells what that knows of it.
func unwrap(line string) (e Entry, inner string) {
	if strings.HasPrefix(line, "{") {
		if e, inner, ok := unwrapJSON(line); ok {
			return e, inner
		}
	}
	if at := prefix.FindStringSubmatchIndex(line); at != nil {
		e.Time = prefixTime(line[at[2]:at[3]])
		return e, line[at[1]:]
	}
	if stamp, rest, ok := strings.Cut(line, " "); ok {
		if t, err := time.Parse(time.RFC3339Nano, stamp); err == nil { // docker logs -t
			return Entry{Time: t}, rest
		}
	}
	if name, rest, ok := strings.Cut(line, " | "); ok && strings.Trim(strings.TrimSpace(name), composed) == "" { // docker compose logs
		return e, rest
	}
	return e, line
}

// composed are the characters of a container's name.
const composed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// prefix is what syslog and journalctl put before a line: a time in one of
// their forms, the host, and the program with its process id.
var prefix = regexp.MustCompile(`^([A-Z][a-z]{2} [ 0-9]?\d \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT[0-9:.,]+(?:Z|[+-]\d\d:?\d\d)|\d+\.\d{6}) \S+ [^\s\[\]:]+(?:\[\d+\])?: `)

// prefixTime reads the time of a prefix. One without a year is of the past
// twelve months; one without a zone is of this machine's.
func prefixTime(text string) time.Time {
	text = strings.Replace(text, ",", ".", 1)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.UnixMicro(int64(seconds * 1e6))
	}
	t, err := time.ParseInLocation("2006 Jan _2 15:04:05.999999999", "2000 "+text, time.Local)
	if err != nil {
		return time.Time{}
	}
	now := time.Now()
	t = time.Date(now.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.Local)
	if t.After(now.Add(24 * time.Hour)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t
}

// unwrapJSON reads a line of `journalctl -o json`, or of Docker's json-file.
func unwrapJSON(line string) (e Entry, inner string, ok bool) {
	var j struct {
		Message  json.RawMessage `json:"MESSAGE"`
		Micros   string          `json:"__REALTIME_TIMESTAMP"`
		Priority string          `json:"PRIORITY"`
		Log      *string         `json:"log"`
		Time     time.Time       `json:"time"`
	}
	if json.Unmarshal([]byte(line), &j) != nil {
		return e, "", false
	}
	if j.Log != nil {
		return Entry{Time: j.Time}, strings.TrimRight(*j.Log, "\n"), true
	}
	if micros, err := strconv.ParseInt(j.Micros, 10, 64); err == nil {
		e.Time = time.UnixMicro(micros)
	}
	if n, err := strconv.Atoi(j.Priority); err == nil && n >= 0 && n < len(levels) {
		e.Level = levels[n]
	}
	if json.Unmarshal(j.Message, &inner) == nil {
		return e, inner, j.Message != nil
	}
	var numbers []int // so journalctl writes a message that is no UTF-8
	if json.Unmarshal(j.Message, &numbers) != nil {
		return e, "", false
	}
	raw := make([]byte, len(numbers))
	for i, n := range numbers {
		raw[i] = byte(n)
	}
	return e, strings.ToValidUTF8(string(raw), "\uFFFD"), true
}
