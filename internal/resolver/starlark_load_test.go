package resolver

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

const resolves = "def resolve(base, revisions): return 1\n"

// unmade demands that a resolver can't be made, and why.
func unmade(t testing.TB, dir, file string, texts ...string) {
	t.Helper()
	s, err := NewStarlark(StarlarkOptions{Dir: dir, File: file})
	var e *couchmend.Error
	if s != nil || !errors.As(err, &e) || e.Kind != couchmend.KindUsage {
		t.Fatalf("%v, want a usage error", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
}

func TestFilesAreEverythingThatWasRead(t *testing.T) {
	dir := folder(t, map[string]string{
		"r.star":      `load("lib/a.star", "a")` + "\n" + `load("lib/b.star", "b")` + "\n" + resolves,
		"lib/a.star":  `load("lib/b.star", "b")` + "\na = b + 1\n",
		"lib/b.star":  "b = 1\n",
		"other.star":  "not read",
		"policy.yaml": "not read",
	})
	s, err := NewStarlark(StarlarkOptions{Dir: dir, File: "r.star"})
	if err != nil {
		t.Fatal(err)
	}
	files := s.Files()
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, []string{"lib/a.star", "lib/b.star", "r.star"}) {
		t.Errorf("read %v", got)
	}
	if string(files["lib/b.star"]) != "b = 1\n" {
		t.Errorf("lib/b.star is %q", files["lib/b.star"])
	}
}

func TestAFileThatIsLoadedTwiceIsRunOnce(t *testing.T) {
	dir := folder(t, map[string]string{
		"r.star": `load("a.star", "a")` + "\n" + `load("b.star", "b")` + "\n" + resolves,
		"a.star": `load("b.star", "b")` + "\na = b\n",
		"b.star": "print('once')\nb = 1\n",
	})
	var lines []string
	if _, err := NewStarlark(StarlarkOptions{Dir: dir, File: "r.star", Print: func(l string) { lines = append(lines, l) }}); err != nil || len(lines) != 1 {
		t.Errorf("printed %v, %v", lines, err)
	}
}

func TestNothingOutsideThePolicysFolderIsRead(t *testing.T) {
	dir := folder(t, map[string]string{"in/x.star": "x = 1\n"})
	other := folder(t, map[string]string{"secret.star": "x = 1\n"})
	outside := filepath.Join(other, "secret.star")
	relative, err := filepath.Rel(dir, outside)
	if err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link.star": relative, "absolute.star": outside, "up": other} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	for _, name := range []string{relative, "in/../" + relative, outside, "link.star", "absolute.star", "up/secret.star", "", ".", "./in/x.star", `in\x.star`, "in", "no.star"} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, filepath.Join(dir, "r.star"), "\nload(\""+strings.ReplaceAll(name, `\`, `\\`)+"\", \"x\")\n"+resolves)
			unmade(t, dir, "r.star", "r.star:2:6: load")
			unmade(t, dir, name)
		})
	}
}

func TestASymbolicLinkInsideTheFolderIsFollowed(t *testing.T) {
	dir := folder(t, map[string]string{"a.star": resolves})
	if err := os.Symlink("a.star", filepath.Join(dir, "b.star")); err != nil {
		t.Skip(err)
	}
	if _, err := NewStarlark(StarlarkOptions{Dir: dir, File: "b.star"}); err != nil {
		t.Error(err)
	}
}

func TestFilesThatLoadEachOtherAreAnError(t *testing.T) {
	dir := folder(t, map[string]string{
		"a.star": "load(\"b.star\", \"b\")\n" + resolves,
		"b.star": "load(\"c.star\", \"c\")\nb = 1\n",
		"c.star": "load(\"b.star\", \"b\")\nc = 1\n",
		"s.star": "load(\"s.star\", \"s\")\n" + resolves,
	})
	unmade(t, dir, "a.star", "a.star:1:6: ", "b.star:1:6: ", "c.star:1:6: ", "files load each other: b.star → c.star → b.star")
	unmade(t, dir, "s.star", "files load each other: s.star → s.star")
}

func TestAMistakeInAFileIsReportedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"syntax", "def resolve(base, revisions):\n    return )\n", "r.star:2:12: "},
		{"an unknown name", "def resolve(base, revisions):\n    return revision\n", "r.star:2:12: undefined: revision (did you mean revisions?)"},
		{"a second one", "def resolve(base, revisions):\n    x = nope\n    return revision\n", "r.star:3:12: undefined: revision"},
		{"an error at its start", "x = [1][2]\n" + resolves, "index 2 out of range"},
		{"its place", "x = [1][2]\n" + resolves, "(r.star:1:8 in <toplevel>)"},
		{"a name that is not there", "load(\"lib.star\", \"nope\")\n" + resolves, "name nope not found in module lib.star"},
		{"a global set twice", "x = 1\nx = 2\n" + resolves, "r.star:2:1: cannot reassign global x"},
		{"a global that is changed by a call", "x = 1\ndef resolve(base, revisions):\n    x += 1\n    return x\n", ""},
		{"if outside a function", "if True:\n    x = 1\n" + resolves, "r.star:1:1: if statement not within a function"},
		{"too long", "#" + strings.Repeat("x", maxStarlark) + "\n" + resolves, "r.star has over 256 KiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t, map[string]string{"r.star": c.source, "lib.star": "x = 1\n"})
			if c.want == "" {
				if _, err := NewStarlark(StarlarkOptions{Dir: dir, File: "r.star"}); err != nil {
					t.Error(err)
				}
				return
			}
			unmade(t, dir, "r.star", c.want)
		})
	}
}

func TestAFilesOwnStatementsKeepToTheLimitsOfACall(t *testing.T) {
	dir := folder(t, map[string]string{"r.star": "def f():\n    while True: pass\nf()\n" + resolves})
	_, err := NewStarlark(StarlarkOptions{Dir: dir, File: "r.star", Steps: 1000})
	wantFailure(t, err, couchmend.ReasonResolverTimeout, "1000 steps", "r.star:3:2 in <toplevel>")
}

func TestTheFunctionMustTakeABaseAndRevisions(t *testing.T) {
	for source, want := range map[string]string{
		"":                                 "r.star: there is no function resolve: want def resolve(base, revisions)",
		"resolve = 3":                      "r.star: resolve is a int: want def",
		"\ndef resolve(doc): pass":         "r.star:2:1: resolve can't be called with two arguments: want def resolve(base, revisions)",
		"def resolve(): pass":              "two arguments",
		"def resolve(a, b, c): pass":       "two arguments",
		"def resolve(a, b, *, c): pass":    "two arguments",
		"def resolve(*, a=1, b=2): pass":   "two arguments",
		"def resolve(**all): pass":         "two arguments",
		"def resolve(a, b, c=1): pass":     "",
		"def resolve(*all): pass":          "",
		"def resolve(a=1, *b, **c): pass":  "",
		"resolve = lambda a, b: a":         "",
		"def resolve(a, b, *, c=1): pass":  "",
		"def resolve(a, *b, c=1): pass":    "",
		"def resolve(a, b, *c, d): pass":   "two arguments",
		"def resolve(a, b, c, *d): pass":   "two arguments",
		"def resolve(a, b=1, **kw): pass":  "",
		"def resolve(a, *, b=1): pass":     "two arguments",
		"def resolve(a=1, b=1, c=1): pass": "",
	} {
		dir := folder(t, map[string]string{"r.star": source + "\n"})
		if want != "" {
			unmade(t, dir, "r.star", want)
		} else if s, err := NewStarlark(StarlarkOptions{Dir: dir, File: "r.star"}); err != nil {
			t.Errorf("%q: %v", source, err)
		} else if _, err := ask(t, s, `2`, `3`); err != nil {
			t.Errorf("%q: %v", source, err)
		}
	}
}

func TestAFolderThatIsNotThereIsAnError(t *testing.T) {
	unmade(t, filepath.Join(t.TempDir(), "no"), "r.star")
}

// TestDeepNestingDoesNotOverflowTheStack runs in this process: it would end it.
func TestDeepNestingDoesNotOverflowTheStack(t *testing.T) {
	for _, deep := range []string{"(", "[", "-", "not ", "{1:", "lambda:", "f(", "1 if 1 else ", "x.", "x["} {
		source := "def resolve(base, revisions):\n    return " + strings.Repeat(deep, (maxStarlark-100)/len(deep)) + "1\n"
		unmade(t, folder(t, map[string]string{"r.star": source}), "r.star")
	}
}
