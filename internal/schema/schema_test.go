package schema

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// folderOf makes a policy's folder of files.
func folderOf(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "policy")
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func compiled(t testing.TB, files map[string]string) *Schema {
	t.Helper()
	s, err := Compile(folderOf(t, files), "s.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const record = `{
	"$schema": "http://json-schema.org/draft-07/schema#",
	"type": "object",
	"required": ["type", "fields"],
	"additionalProperties": false,
	"properties": {
		"type": {"const": "data_record"},
		"fields": {"$ref": "parts/fields.json"},
		"read": {"type": "array", "items": {"type": "string"}},
		"n": {"type": "integer", "minimum": 12345678901234567891}
	}
}`

const fields = `{"type": "object", "properties": {"lmp": {"type": ["string", "null"]}, "a/b": {"type": "number"}}}`

func TestEveryViolationIsToldWithItsPointer(t *testing.T) {
	s := compiled(t, map[string]string{"s.json": record, "parts/fields.json": fields})
	cases := []struct {
		body string
		want []string // pointer and a piece of the message
	}{
		{`{"type":"data_record","fields":{"lmp":null},"n":12345678901234567891}`, nil},
		{`{"type":"data_record","fields":{},"n":12345678901234567890}`, []string{"/n minimum"}},
		{`{"type":"x","read":[1,"a",2],"fields":{"a/b":"1","lmp":3},"more":1}`, []string{
			" additional properties", "/fields/a~1b want number", "/fields/lmp want null or string", "/read/0 want string", "/read/2 want string", "/type data_record",
		}},
		{`{}`, []string{" missing properties"}},
		{`{"type":"data_record","fields":{},"n":1e999999999}`, []string{"/n beyond what CouchDB stores"}},
	}
	for _, c := range cases {
		got := s.Check("d", jsondoc.MustParse(c.body))
		same := slices.EqualFunc(got, c.want, func(v couchmend.Violation, want string) bool {
			pointer, words, _ := strings.Cut(want, " ")
			return v.Pointer == pointer && strings.Contains(v.Message, words)
		})
		if !same {
			t.Errorf("%s:\n got %+v\nwant %q", c.body, got, c.want)
		}
	}
}

func TestTheIDIsSeenByASchemaThatSpeaksOfIt(t *testing.T) {
	silent := compiled(t, map[string]string{"s.json": `{"additionalProperties": false, "properties": {"parent": {"properties": {"_id": {}}}}}`})
	if got := silent.Check("d", jsondoc.MustParse(`{"parent":{"_id":"x"}}`)); got != nil {
		t.Errorf("a schema that knows no _id got one: %v", got)
	}
	strict := compiled(t, map[string]string{"s.json": `{"allOf": [{"required": ["_id", "_rev"], "properties": {"_id": {"pattern": "^person:"}}}]}`})
	if got := strict.Check("person:1", jsondoc.MustParse(`{}`)); got != nil {
		t.Errorf("%v", got)
	}
	if got := strict.Check("clinic:1", jsondoc.MustParse(`{}`)); len(got) != 1 || got[0].Pointer != "/_id" {
		t.Errorf("%v", got)
	}
}

func TestASchemaReadsNothingOutsideThePolicysFolder(t *testing.T) {
	for _, ref := range []string{"../secret.json", "/../secret.json", "file:///etc/passwd", "https://example.com/s.json", "link.json", "http://127.0.0.1:1/"} {
		dir := folderOf(t, map[string]string{"s.json": `{"properties": {"a": {"$ref": "` + ref + `"}}}`})
		outside := filepath.Join(filepath.Dir(dir), "secret.json")
		if err := os.WriteFile(outside, []byte(`{"type": "string"}`), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, "link.json")); err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(dir, "s.json"); err == nil {
			t.Errorf("$ref %s was followed", ref)
		}
	}
	dir := folderOf(t, map[string]string{"p/s.json": `{}`, "s.json": `{}`})
	for _, file := range []string{"../s.json", "/etc/passwd", "x/../../s.json"} {
		if _, err := Compile(filepath.Join(dir, "p"), file); err == nil || !strings.Contains(err.Error(), "outside") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestASchemaThatIsNoneSaysWhereItIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{"type": 5}`:        "s.json",
		`{`:                  "s.json is no JSON",
		`{"$ref": "#/none"}`: "none",
	} {
		if _, err := Compile(folderOf(t, map[string]string{"s.json": text}), "s.json"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), scheme+":") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTypesOfAPlaceAreFoundThroughReferences(t *testing.T) {
	s := compiled(t, map[string]string{"s.json": `{
		"allOf": [{"properties": {"a": {"$ref": "#/definitions/n"}}}],
		"properties": {"a": {}, "list": {"type": "array", "items": {"$ref": "#"}}},
		"definitions": {"n": {"type": ["integer", "null"]}}
	}`})
	for _, c := range []struct{ path, want string }{
		{"a", "integer null"}, {"list", "array"}, {"list.*.a", "integer null"}, {"list.*.list.*.list", "array"}, {"none", ""}, {"a.b", ""},
	} {
		if got := strings.Join(s.TypesAt(strings.Split(c.path, ".")...), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	if got := s.Properties(); !slices.Equal(got, []string{"a", "list"}) {
		t.Error(got)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(record), []byte(`{"type":"data_record"}`))
	f.Add([]byte(`{"$ref":"#"}`), []byte(`[1]`))
	f.Fuzz(func(t *testing.T, text, body []byte) {
		v, err := jsondoc.Parse(body)
		if err != nil {
			return
		}
		s, err := Compile(folderOf(t, map[string]string{"s.json": string(text)}), "s.json")
		if err == nil {
			s.Check("d", v)
			s.TypesAt("a", "*")
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s := compiled(b, map[string]string{"s.json": record, "parts/fields.json": fields})
	body := jsondoc.MustParse(`{"type":"data_record","fields":{"lmp":"2026-01-01","a/b":1.5},"read":["a","b","c"]}`)
	for b.Loop() {
		if s.Check("d", body) != nil {
			b.Fatal("invalid")
		}
	}
}
