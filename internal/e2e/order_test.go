package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/conflictgen"
)

// onlyOrdered reports whether a document is the oracle's but for what depends
// on the order in which leaves were merged, as they are where sites see them
// one after the other: the order of keys, of what was appended, of rows and
// lines; whose attachment keeps a name that two were given; and whatever else
// the policy leaves to whoever wins.
func (b branch) onlyOrdered(t *testing.T, c conflictgen.Case) bool {
	t.Helper()
	var doc json.RawMessage
	status := b.server.ask(t, http.MethodGet, "/"+b.db+"/"+escaped(c.ID)+"?conflicts=true&attachments=true", nil, &doc)
	if status != http.StatusOK || c.Want.Body == nil {
		return false
	}
	got, want := decoded(t, doc), decoded(t, c.Want.Body)
	if got["_conflicts"] != nil || !sameContents(got["_attachments"], c.Want.Attachments) {
		return false
	}
	maps.DeleteFunc(got, func(name string, _ any) bool { return strings.HasPrefix(name, "_") })
	for _, winners := range []string{"colour", "settings", "display"} { // see conflictgen.PolicyYAML
		delete(got, winners)
		delete(want, winners)
	}
	return unordered(got) == unordered(want)
}

// sameContents compares attachments by their bytes alone.
func sameContents(got any, want map[string][]byte) bool {
	var have, wanted []string
	files, _ := got.(map[string]any)
	for _, file := range files {
		have = append(have, file.(map[string]any)["data"].(string))
	}
	for _, data := range want {
		wanted = append(wanted, base64.StdEncoding.EncodeToString(data))
	}
	slices.Sort(have)
	slices.Sort(wanted)
	return slices.Equal(have, wanted)
}

func decoded(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var v map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// unordered is a text that is the same for values that differ in order alone.
func unordered(v any) string {
	var parts []string
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			parts = append(parts, name+":"+unordered(value))
		}
	case []any:
		for _, value := range v {
			parts = append(parts, unordered(value))
		}
	case string:
		parts = strings.Split(v, "\n")
	default:
		text, _ := json.Marshal(v)
		return string(text)
	}
	slices.Sort(parts)
	return "[" + strings.Join(parts, "\x00") + "]"
}
