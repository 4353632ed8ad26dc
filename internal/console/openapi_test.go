package console

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// contract is docs/api/openapi.yaml.
type contract struct {
	t        testing.TB
	doc      map[string]any
	compiler *jsonschema.Compiler
}

const contractURL = "file:///openapi.json"

func readContract(t testing.TB) *contract {
	t.Helper()
	text, err := os.ReadFile("../../docs/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := yaml.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		t.Fatal(err)
	}
	c := &contract{t: t, doc: doc.(map[string]any), compiler: jsonschema.NewCompiler()}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(contractURL, doc); err != nil {
		t.Fatal(err)
	}
	return c
}

// at follows names down, through references.
func (c *contract) at(v any, names ...string) any {
	for _, name := range names {
		v = c.opened(v)
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return c.opened(v)
}

func (c *contract) opened(v any) any {
	if m, ok := v.(map[string]any); ok {
		if ref, ok := m["$ref"].(string); ok {
			return c.at(c.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
	}
	return v
}

// valid checks an answer against the schema that is promised for it.
func (c *contract) valid(method, path string, got answer) {
	c.t.Helper()
	responses, _ := c.at(c.doc, "paths", path, strings.ToLower(method), "responses").(map[string]any)
	status := http.StatusText(got.status)
	name := "default"
	if _, ok := responses[itoa(got.status)]; ok {
		name = itoa(got.status)
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
	pointer := []string{"paths", path, strings.ToLower(method), "responses", name, "content", "application/json", "schema"}
	// A reference on the way is followed by hand: pointers do not.
	if ref, ok := responses[name].(map[string]any)["$ref"].(string); ok {
		pointer = append(strings.Split(strings.TrimPrefix(ref, "#/"), "/"), "content", "application/json", "schema")
	}
	for i := range pointer {
		pointer[i] = escape(pointer[i])
	}
	schema, err := c.compiler.Compile(contractURL + "#/" + strings.Join(pointer, "/"))
	if err != nil {
		c.t.Fatalf("%s %s %s: %v", method, path, status, err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(got.text))
	if err != nil {
		c.t.Fatalf("%s %s: %v: %s", method, path, err, got.text)
	}
	if err := schema.Validate(v); err != nil {
		c.t.Errorf("%s %s: %v\n%s", method, path, err, got.text)
	}
}

func itoa(n int) string { text, _ := json.Marshal(n); return string(text) }

func TestTheDocumentNamesEveryRouteOfTheAPIAndNoOther(t *testing.T) {
	c := readContract(t)
	promised := map[string]bool{}
	for path, item := range c.at(c.doc, "paths").(map[string]any) {
		for method := range item.(map[string]any) {
			promised[strings.ToUpper(method)+" "+path] = true
		}
	}
	there := map[string]bool{}
	for _, r := range routes() {
		if strings.Contains(r.pattern, " /api/") {
			there[r.pattern] = true
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(there)) {
		if !promised[pattern] {
			t.Errorf("docs/api/openapi.yaml does not name %s", pattern)
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(promised)) {
		if !there[pattern] {
			t.Errorf("docs/api/openapi.yaml promises %s, which is not there", pattern)
		}
	}
}

func TestAnswersAreAsTheDocumentSays(t *testing.T) {
	document := readContract(t)
	c := wards(t)
	c.waits("open", "b", "person", "name")
	root := c.browser()
	root.signIn("root", "toor")
	token := csrfOf(t, root.get("/"))
	for path := range document.at(document.doc, "paths").(map[string]any) {
		if document.at(document.doc, "paths", path, "get") == nil || strings.HasSuffix(path, "/attachment") {
			continue
		}
		asked := strings.ReplaceAll(path, "{number}", "1") + "?db=open&id=in-the-open"
		got := root.get(asked)
		if got.status != http.StatusOK {
			t.Errorf("GET %s: %d %s", asked, got.status, got.text)
			continue
		}
		document.valid("GET", path, got)
	}
	document.valid("GET", "/api/v1/cases", root.get("/api/v1/cases?order=sideways"))
	document.valid("GET", "/api/v1/document", root.get("/api/v1/document?db=open&id=nobody-knows"))
	send := func(path, body string) answer {
		r := root.request("POST", path, "application/json", body)
		r.Header.Set(csrfHeader, token)
		got := root.do(r)
		document.valid("POST", path, got)
		return got
	}
	var plan bulkAnswer
	shown := send("/api/v1/bulk/preview", `{"action":"winner","items":[{"db":"open","id":"in-the-open"},{"db":"open","id":"gone"}]}`)
	if err := json.Unmarshal([]byte(shown.text), &plan); err != nil {
		t.Fatal(err)
	}
	order, err := json.Marshal(bulkRequest{Action: "winner", Items: []bulkItem{plan.Documents[0].bulkItem}, Note: "by the API"})
	if err != nil {
		t.Fatal(err)
	}
	if got := send("/api/v1/bulk/apply", string(order)); !strings.Contains(got.text, `"done":1`) {
		t.Errorf("applied: %s", got.text)
	}
	if got := send("/api/v1/bulk/apply", `{"action":"winner","items":[{"db":"open","id":"b"}]}`); got.status != http.StatusBadRequest {
		t.Errorf("not pinned: %d", got.status)
	}
	if got := send("/api/v1/bulk/preview", `{"action":"winner","itemz":[]}`); got.status != http.StatusBadRequest {
		t.Errorf("a member that is none: %d", got.status)
	}
}
