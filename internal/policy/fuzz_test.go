package policy

import (
	"errors"
	"os"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// FuzzParse: any text is a policy file that can be used, or a usage error with
// places in the file.
func FuzzParse(f *testing.F) {
	if text, err := os.ReadFile("../../examples/medic.yaml"); err == nil {
		f.Add(text)
	}
	for _, text := range []string{
		inRule("when: {a: {$gt: 1}}\nfields: {a: union, 'b.**': {latest: c}, d: {by_key: e}}"),
		inCouchdb("url: http://x\nproxy: {roles: [a]}"),
		"databases: [&a x, *a]\n<<: {policies: {default: {otherwise: merge}}}\n",
		"databases: [a\n", "? [a]\n: b\n", "\xff\xfe", "a: !!binary x\n", "--- a\n--- b\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse("p.yaml", text, ".", Options{})
		if err != nil {
			var problems Problems
			if couchmend.KindOf(err) != couchmend.KindUsage || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("not a usage error with its places: %v", err)
			}
			for _, p := range problems { // YAML has more line breaks than \n
				if p.Line < 1 || p.Column < 1 || p.Line > len(text)+1 || p.Column > len(text)+1 {
					t.Fatalf("no place in a text of %d bytes: %v", len(text), p)
				}
			}
			return
		}
		for _, d := range file.Databases {
			p := file.Policies[d.Policy]
			if p == nil {
				t.Fatalf("database %q has no policy", d.Match)
			}
			file.For(d.Match)
			for _, rule := range p.Rules {
				_ = rule.String()
			}
			p.Select(jsondoc.MustParse(`{"type":"x","a":[1,{"b":null}]}`), "id")
		}
	})
}

// FuzzSelector: a selector decides on any document, always alike, and its JSON
// is a selector that decides alike.
func FuzzSelector(f *testing.F) {
	for _, c := range selections {
		f.Add(c.selector, c.doc)
	}
	f.Fuzz(func(t *testing.T, selector, doc string) {
		s, err := compileSelector(selector)
		body, bad := jsondoc.Parse([]byte(doc))
		if err != nil || bad != nil {
			return
		}
		got := s.Match(body, "id")
		again, err := compileSelector(s.String())
		if err != nil {
			t.Fatalf("%s is %s, which is refused: %v", selector, s, err)
		}
		if again.Match(body, "id") != got || again.String() != s.String() {
			t.Fatalf("%s decides %v, and as %s otherwise", selector, got, s)
		}
	})
}
