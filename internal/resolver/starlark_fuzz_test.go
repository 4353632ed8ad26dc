package resolver

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// FuzzStarlarkSource: whatever a file says, it can't be compiled, or it fails
// for a reason, or it answers in JSON; and all of that soon.
func FuzzStarlarkSource(f *testing.F) {
	for _, lines := range growing {
		f.Add("def resolve(base, revisions):\n    " + strings.ReplaceAll(lines, "\n", "\n    ") + "\n")
	}
	for _, line := range []string{
		`return revisions[0]`, `return merge3(base, revisions)`, `set(copy(base), "a\\.b.c", union([1.0], (1, 2)))`, `review(latest(revisions, by="n"), canonical(base))`,
		`return [x.get(k, "%s %d" % (k, x)) for x in revisions for k in x if has(x, "a.b")]`, `x = {"a": [1]}; x["a"] += range(3); x["a"] *= 2; return x`,
		`return (lambda *a, **k: (a, k))(*revisions, **base)`, `return getattr("{}", "for" + "mat")(1 << 500)`, "\"\"\"doc\"\"\"\n    pass",
	} {
		f.Add("load(\"lib.star\", \"x\")\ndef resolve(base, revisions):\n    " + line + "\n")
	}
	dir := f.TempDir()
	writeFile(f, filepath.Join(dir, "lib.star"), "x = 1\n")
	o := StarlarkOptions{Dir: dir, File: "r.star", Steps: 20_000, Timeout: 5 * time.Second, Memory: 16 << 20, MaxOutput: 1 << 20}
	f.Fuzz(func(t *testing.T, source string) {
		if err := os.WriteFile(filepath.Join(dir, o.File), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := NewStarlark(o)
		if err != nil {
			var usage *couchmend.Error
			if !errors.As(err, &usage) || strings.Contains(err.Error(), "interpreter failed") {
				t.Fatal(err)
			}
			return
		}
		base := revisions(`{"_id":"d","_rev":"1-a","n":1}`)[0]
		answer, err := s.Resolve(t.Context(), &base, revisions(`{"_id":"d","_rev":"2-a","n":1.50,"a":{"b":[]}}`, `{"_id":"d","_rev":"2-b"}`))
		var failure *couchmend.ResolverError
		switch {
		case err == nil && answer != nil:
			if _, err := jsondoc.Parse(answer); err != nil || !json.Valid(answer) {
				t.Fatalf("answered %q: %v", answer, err)
			}
		case err != nil && !errors.Is(err, couchmend.ErrReview) && !errors.As(err, &failure), err != nil && strings.Contains(err.Error(), "interpreter failed"):
			t.Fatal(err)
		}
	})
}
