package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names are the values that a conversation's variables are bound to, as text.
type names map[string]string

var (
	variable = regexp.MustCompile(`\$[a-z]+[0-9]*`)
	short    = regexp.MustCompile(`@([0-9]*)([a-f])\b`)
)

// spell writes short revisions out in full, @2b as 2-bbbb… and @b as bbbb…
// (32 digits), and puts the values of bound variables in their places. What is
// not bound stays, a selector's $exists for one.
func (n names) spell(text string) string {
	text = short.ReplaceAllStringFunc(text, func(s string) string {
		m := short.FindStringSubmatch(s)
		hash := strings.Repeat(m[2], 32)
		if m[1] == "" {
			return hash
		}
		return m[1] + "-" + hash
	})
	return variable.ReplaceAllStringFunc(text, func(s string) string {
		if value, ok := n[s[1:]]; ok {
			return value
		}
		return s
	})
}

// bind matches as match does, and binds variables only if all of it matches.
func (n names) bind(pattern, answer any) error {
	tried := maps.Clone(n)
	err := tried.match(pattern, answer)
	if err == nil {
		maps.Copy(n, tried)
	}
	return err
}

// match holds an answer against a pattern, both JSON. An object must have the
// pattern's members and may have more; a member "$absent" must not be there.
// An array must have the pattern's elements and no others, in order, or in any
// order after a first element "$set", or with others between after "$has".
// "$any" is any value. Any other string "$name" is a variable: its first
// match binds it, later ones must equal it. Numbers are compared as they are
// spelled: 1.0 is not 1.
func (n names) match(pattern, answer any) error {
	switch p := pattern.(type) {
	case map[string]any:
		return n.matchObject(p, answer)
	case []any:
		return n.matchArray(p, answer)
	case string:
		return n.matchText(p, answer)
	default:
		if pattern != answer {
			return fmt.Errorf("%s instead of %s", spelled(answer), spelled(pattern))
		}
		return nil
	}
}

func (n names) matchObject(pattern map[string]any, answer any) error {
	object, ok := answer.(map[string]any)
	if !ok {
		return fmt.Errorf("%s instead of an object", spelled(answer))
	}
	keys := make([]string, 0, len(pattern))
	for key := range pattern {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		value, present := object[n.spell(key)]
		switch {
		case pattern[key] == "$absent" && present:
			return fmt.Errorf("%s: %s, which should be absent", key, spelled(value))
		case pattern[key] == "$absent":
		case !present:
			return fmt.Errorf("%s is absent from %s", key, spelled(answer))
		default:
			if err := n.match(pattern[key], value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

func (n names) matchArray(pattern []any, answer any) error {
	array, ok := answer.([]any)
	if !ok {
		return fmt.Errorf("%s instead of an array", spelled(answer))
	}
	if len(pattern) > 0 && (pattern[0] == "$set" || pattern[0] == "$has") {
		if pattern[0] == "$set" && len(array) != len(pattern)-1 {
			return fmt.Errorf("%d elements instead of %d: %s", len(array), len(pattern)-1, spelled(answer))
		}
		return n.matchSet(pattern[1:], slices.Clone(array))
	}
	if len(array) != len(pattern) {
		return fmt.Errorf("%d elements instead of %d: %s", len(array), len(pattern), spelled(answer))
	}
	for i := range pattern {
		if err := n.match(pattern[i], array[i]); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

// matchSet finds for each pattern, in order, the first element left that
// matches it.
func (n names) matchSet(pattern, left []any) error {
	for _, p := range pattern {
		i := slices.IndexFunc(left, func(e any) bool { return n.bind(p, e) == nil })
		if i < 0 {
			return fmt.Errorf("no %s among %s", spelled(p), spelled(left))
		}
		left = slices.Delete(left, i, i+1)
	}
	return nil
}

func (n names) matchText(pattern string, answer any) error {
	if pattern == "$any" {
		return nil
	}
	got, isText := answer.(string)
	if !isText {
		got = spelled(answer)
	}
	if whole := variable.FindString(pattern); whole != "" && whole == pattern {
		name := pattern[1:]
		if _, bound := n[name]; !bound {
			n[name] = got
		}
		isText = true // a variable may be bound to any value
	}
	if want := n.spell(pattern); !isText || got != want {
		return fmt.Errorf("%s instead of %q", spelled(answer), want)
	}
	return nil
}

// parse reads one JSON value with its numbers as they are spelled.
func parse(text string) (any, error) {
	values, err := parseLines(text)
	if err == nil && len(values) != 1 {
		err = fmt.Errorf("%d JSON values instead of one", len(values))
	}
	if err != nil {
		return nil, err
	}
	return values[0], nil
}

// parseLines reads all JSON values of text, a continuous feed's for one.
func parseLines(text string) ([]any, error) {
	values := []any{}
	for dec := json.NewDecoder(strings.NewReader(text)); ; {
		dec.UseNumber()
		var value any
		if err := dec.Decode(&value); err == io.EOF {
			return values, nil
		} else if err != nil {
			return nil, fmt.Errorf("%w in %s", err, clip(text))
		}
		values = append(values, value)
	}
}

func spelled(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return clip(string(text))
}

func clip(text string) string {
	if len(text) > 600 {
		return text[:600] + "…"
	}
	return text
}

func TestPatternMatchesWhatItSays(t *testing.T) {
	for _, c := range []struct {
		pattern, answer string
		matches         bool
	}{
		{`{"a":1}`, `{"a":1,"b":2}`, true},
		{`{"a":1}`, `{"a":1.0}`, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`{"a":1}`, `[]`, false},
		{`{"a":"$absent"}`, `{}`, true},
		{`{"a":"$absent"}`, `{"a":null}`, false},
		{`{"a":null}`, `{}`, false},
		{`[1,2]`, `[1,2]`, true},
		{`[1,2]`, `[2,1]`, false},
		{`[1]`, `[1,2]`, false},
		{`[]`, `[1]`, false},
		{`["$set",1,2]`, `[2,1]`, true},
		{`["$set",1,1]`, `[1,2]`, false},
		{`["$set",1]`, `[1,2]`, false},
		{`["$has",2]`, `[1,2,3]`, true},
		{`["$has",4]`, `[1,2,3]`, false},
		{`["$x","$x"]`, `["a","a"]`, true},
		{`["$x","$x"]`, `["a","b"]`, false},
		{`["$x","$x"]`, `[7,7]`, true},
		{`["$x","2-$x"]`, `["a","2-a"]`, true},
		{`"1"`, `1`, false},
		{`"@2b"`, `"2-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"`, true},
		{`{"@b":true}`, `{"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb":true}`, true},
		{`"$any"`, `{"x":1}`, true},
		{`12345678901234567891`, `12345678901234567890`, false},
	} {
		pattern, err := parse(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := parse(c.answer)
		if err != nil {
			t.Fatal(err)
		}
		if err := (names{}).match(pattern, answer); (err == nil) != c.matches {
			t.Errorf("%s against %s: %v, want a match: %v", c.answer, c.pattern, err, c.matches)
		}
	}
}
