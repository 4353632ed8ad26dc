package resolver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"pgregory.net/rapid"
)

func TestAFileOfTheUsualShapeRunsUnchanged(t *testing.T) {
	p, err := NewPython(PythonOptions{
		ProcessOptions: ProcessOptions{Dir: "testdata/python", Workers: 1},
		File:           "resolvers/telemetry.py",
		Interpreter:    needPython(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	base := revisions(`{"_id":"pump-7","_rev":"1-a","seq":12345678901234567890,"flow":1.50,"site":"north"}`)[0]
	got, err := p.Resolve(t.Context(), &base, revisions(
		`{"_id":"pump-7","_rev":"2-c","seq":12345678901234567891,"flow":2.0,"site":"north","note":"seal"}`,
		`{"_id":"pump-7","_rev":"2-b","seq":12345678901234567899,"flow":3.0,"site":"south"}`,
	))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"_id":"pump-7","_rev":"2-c","seq":12345678901234567899,"flow":3.0,"site":"south","note":"seal"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if files := p.Files(); len(files) != 3 || files["resolvers/shapes/reading.py"] == nil {
		t.Errorf("the sources that were read are %d: %q", len(files), files)
	}
}

func TestValuesReturnFromPythonAsTheyWere(t *testing.T) {
	p := python(t, "def resolve(base, revisions):\n    return revisions[1]\n")
	rapid.Check(t, func(t *rapid.T) {
		doc := anyValue(3).Draw(t, "doc")
		got, err := p.Resolve(t.Context(), nil, revisions(`{"_id":"a"}`, doc))
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if want := jsondoc.MustParse(doc); !(want.Kind() == 'n' && got == nil) && !exactlyEqual(jsondoc.Value(got), want) {
			t.Fatalf("%s returns as %s", doc, got)
		}
	})
	digits := strings.Repeat("9", 5000) // more than Python reads unless told to
	wantAnswer(t, p, digits, "1", digits)
}

// anyValue draws JSON: integers of up to 20 digits, floats in several
// spellings, any text, and objects in any order.
func anyValue(depth int) *rapid.Generator[string] {
	text := rapid.Map(rapid.String(), func(s string) string { return string(jsondoc.String(strings.ToValidUTF8(s, "?"))) })
	scalars := []*rapid.Generator[string]{
		text,
		rapid.StringMatching(`-?[1-9][0-9]{0,19}`),
		rapid.StringMatching(`-?[0-9]\.[0-9]{1,12}(e-?[1-9][0-9])?`),
		rapid.SampledFrom([]string{"0", "1.0", "1.10", "1e3", "5e-324", "null", "true", "false", "{}", "[]", `"\u00e9\u2028\ud83d\ude00\u0000"`}),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	inner := anyValue(depth - 1)
	array := rapid.Map(rapid.SliceOfN(inner, 0, 4), func(e []string) string { return "[ " + strings.Join(e, "\n, ") + "]" })
	object := rapid.Custom(func(t *rapid.T) string {
		var members []string
		for _, name := range rapid.SliceOfNDistinct(text, 0, 4, rapid.ID[string]).Draw(t, "names") {
			members = append(members, name+":\r\n"+inner.Draw(t, "value"))
		}
		return "{" + strings.Join(members, " , ") + "}"
	})
	return rapid.OneOf(append(scalars, array, object, object)...)
}

func TestAnAbsentFieldIsNoneAndNoneRemovesIt(t *testing.T) {
	p := python(t, `
def resolve(base, revisions):
    return [base, *revisions] if base is None else None
`)
	wantAnswer(t, p, `[null,null,"x",null]`, "", `"x"`, "null")
	base := revisions(`"b"`)[0]
	if got, err := p.Resolve(t.Context(), &base, revisions("1", "2")); got != nil || err != nil {
		t.Errorf("None is %q %v, want an absent value", got, err)
	}
}

func TestNothingLeaksFromDocumentToDocument(t *testing.T) {
	p := python(t, `
import os, sys
import helper, shapes.square
seen = []

def resolve(base, revisions):
    seen.append(1)
    helper.seen.append(1)
    shapes.square.seen.append(1)
    state = [len(seen), len(helper.seen), len(shapes.square.seen), os.environ.get("LEFT"), os.getcwd() == os.path.dirname(__file__),
             sys.path[0] == os.path.dirname(__file__), "/left" in sys.path, sys.getrecursionlimit(), sys.stdout is sys.__stdout__, sys.stdin.read()]
    os.environ["LEFT"] = "here"
    os.environ.pop("PATH")
    os.chdir("/")
    sys.path.insert(0, "/left")
    sys.setrecursionlimit(500)
    sys.stdout = open(os.devnull, "w")
    print("nobody reads this")
    for fd in range(3):
        os.close(fd)
    return state
`, func(o *PythonOptions) {
		for name, text := range map[string]string{"helper.py": "seen = []", "shapes/__init__.py": "", "shapes/square.py": "seen = []"} {
			writeFile(t, filepath.Join(o.Dir, name), text)
		}
	})
	for range 3 {
		wantAnswer(t, p, `[1,1,1,null,true,true,false,1000,true,""]`, `{}`, `{}`)
	}
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADocumentDoesNotPayForWhatAnEarlierOneLeft(t *testing.T) {
	p := python(t, `
import json, os
def resolve(base, revisions):
    json.left = getattr(json, "left", 0) + 1
    if json.left > 1:
        os._exit(1)
    return revisions[0]
`)
	for range 3 {
		wantAnswer(t, p, `{"a":1}`, `{"a":1}`, `{}`)
	}
}

func TestTheWorkerSeesNoSecretOfOurs(t *testing.T) {
	t.Setenv("COUCHDB_PASSWORD", "secret")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	open, err := os.Open("python.go")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	p := python(t, `
import os, sys
def resolve(base, revisions):
    env = dict(os.environ)
    env.pop("PYTHONHASHSEED")
    files = [os.readlink("/proc/self/fd/" + n) for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)] if os.path.exists("/proc/self/fd") else []
    return {"env": sorted(env), "args": sys.argv[1:], "files": [f for f in files if not f.startswith("pipe:")]}
`)
	got, err := ask(t, p, `{}`, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"HOME", "LANG", "LC_ALL", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONUTF8", "SystemRoot", "TEMP", "TMPDIR", "TZ"}
	for _, name := range jsondoc.Value(got).Get("env").Elements() {
		if !strings.Contains(strings.Join(allowed, " "), name.Text()) {
			t.Errorf("the worker sees %s", name)
		}
	}
	for _, file := range jsondoc.Value(got).Get("files").Elements() {
		if text := file.Text(); text != os.DevNull && !strings.HasPrefix(text, "/proc/") {
			t.Errorf("the worker has %s open", file)
		}
	}
}

func TestWhatWasReadRunsEvenIfTheFileIsEditedMeanwhile(t *testing.T) {
	var dir string
	p := python(t, "import helper\ndef resolve(base, revisions):\n    if revisions[0]: raise ValueError(revisions)\n    return helper.answer\n", func(o *PythonOptions) {
		dir = o.Dir
		writeFile(t, filepath.Join(dir, "helper.py"), "answer = 'as read'")
	})
	writeFile(t, filepath.Join(dir, "helper.py"), "answer = 'edited'")
	writeFile(t, filepath.Join(dir, "resolver.py"), "# edited\n\n# still\n\n")
	wantAnswer(t, p, `"as read"`, `{}`, `{}`)
	_, err := ask(t, p, `{"a":1}`, `{}`)
	wantFailure(t, err, couchmend.ReasonResolverError, "resolver.py:3: ValueError", "raise ValueError(revisions)")
}

func TestAnErrorNamesFileAndLineAndTheUsersOwnFramesAlone(t *testing.T) {
	p := python(t, `import json
import helper
def resolve(base, revisions):
    try:
        helper.parse("{")
    except ValueError as error:
        raise RuntimeError("it is broken\nin two lines") from error
`, func(o *PythonOptions) {
		writeFile(t, filepath.Join(o.Dir, "helper.py"), "import json\ndef parse(text):\n    return json.loads(text)\n")
	})
	_, err := ask(t, p, `{}`, `{}`)
	wantFailure(t, err, couchmend.ReasonResolverError, "resolver.py:7: RuntimeError: it is broken", "  resolver.py:7 in resolve: raise RuntimeError", "after json.decoder.JSONDecodeError", "at helper.py:3")
	if strings.Contains(err.Error(), "decoder.py") || strings.Contains(err.Error(), os.TempDir()) {
		t.Errorf("the error shows more than the user's files: %v", err)
	}
}

func TestPingTellsWhatIsWrongWithAModule(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"def resolve(base, revisions):\n    return base\n", ""},
		{"def resolve(base, *others):\n    return base\n", ""},
		{"class resolve:\n    def __init__(self, base, revisions): pass\n", ""},
		{"def resolve(base\n", "resolver.py:1: SyntaxError"},
		{"def resolve(base, revisions):\nreturn 1\n", "resolver.py:2: IndentationError"},
		{"import json\nimport no_such_module\n", "resolver.py:2: ModuleNotFoundError: No module named 'no_such_module'"},
		{"def merge(base, revisions): pass\n", "resolver.py: there is no function resolve(base, revisions)"},
		{"resolve = 3\n", "resolver.py: there is no function resolve(base, revisions)"},
		{"def resolve(base): pass\n", "resolver.py: resolve(base, revisions) can't be called: too many positional arguments"},
		{"def resolve(base, revisions, more): pass\n", "missing a required argument: 'more'"},
		{"x = '\xff'\n", "resolver.py:1: SyntaxError: "},
		{"# coding: latin-1\nx = '\xff'\ndef resolve(base, revisions): pass\n", ""},
	} {
		err := python(t, c.source).Ping(t.Context())
		if c.want == "" && err != nil {
			t.Errorf("%q: %v", c.source, err)
		} else if c.want != "" {
			if reasonOf(err) != couchmend.ReasonResolverError || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: got %v, want %s", c.source, err, c.want)
			}
		}
	}
	other := python(t, "def merge(base, revisions): return revisions[0]", func(o *PythonOptions) { o.Function = "merge" })
	if err := other.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAMissingInterpreterIsNamed(t *testing.T) {
	for _, name := range []string{"python-that-is-not-here", ".venv/bin/python"} {
		p := python(t, "", func(o *PythonOptions) { o.Interpreter = name })
		_, err := ask(t, p, `{}`, `{}`)
		wantFailure(t, err, couchmend.ReasonResolverCrashed, name, "in the policy")
	}
}

func TestAModuleIsReadFromThePolicysFolderAlone(t *testing.T) {
	dir := folder(t, map[string]string{"policy/here.py": "", "outside.py": "", "policy/large.py": strings.Repeat("#", maxSource+1)})
	if err := os.Symlink("../outside.py", filepath.Join(dir, "policy/link.py")); err != nil {
		t.Skip(err)
	}
	for _, file := range []string{"", "../outside.py", "link.py", filepath.Join(dir, "outside.py"), "none.py", "large.py", "."} {
		_, err := NewPython(PythonOptions{ProcessOptions: ProcessOptions{Dir: filepath.Join(dir, "policy")}, File: file})
		if couchmend.KindOf(err) != couchmend.KindUsage {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestAPolicyMayBeMountedThroughLinks(t *testing.T) {
	dir := folder(t, map[string]string{"..data/resolver.py": "import helper\ndef resolve(b, r): return helper.x", "..data/helper.py": "x = 1"})
	for _, name := range []string{"resolver.py", "helper.py"} {
		if err := os.Symlink("..data/"+name, filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	p, err := NewPython(PythonOptions{ProcessOptions: ProcessOptions{Dir: dir, Workers: 1}, File: "resolver.py", Interpreter: needPython(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wantAnswer(t, p, `1`, `{}`, `{}`)
	if len(p.Files()) != 2 {
		t.Errorf("%q", p.Files())
	}
}

func TestAVirtualEnvironmentInThePolicysFolderIsUsed(t *testing.T) {
	p := python(t, `
import installed
def resolve(base, revisions):
    return [installed.answer, installed.__name__]
`, func(o *PythonOptions) {
		if out, err := exec.Command(o.Interpreter, "-m", "venv", "--without-pip", filepath.Join(o.Dir, ".venv")).CombinedOutput(); err != nil {
			t.Skipf("no virtual environment can be made: %v %s", err, out)
		}
		o.Interpreter = ".venv/bin/python"
		places, _ := filepath.Glob(filepath.Join(o.Dir, ".venv/lib/python*/site-packages"))
		writeFile(t, filepath.Join(places[0], "installed.py"), "answer = 42\n")
	})
	wantAnswer(t, p, `[42,"installed"]`, `{}`, `{}`)
}

func TestACancelledQuestionReturnsAtOnce(t *testing.T) {
	p := python(t, "def resolve(base, revisions):\n    while True: pass\n")
	if err := p.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := contextWithin(t, 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := p.Resolve(ctx, nil, revisions(`{}`, `{}`))
	if !errors.Is(err, ctx.Err()) || reasonOf(err) != "" || time.Since(start) > 3*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	if _, err := p.Resolve(canceled(), nil, revisions(`{}`, `{}`)); err == nil {
		t.Error("a question whose context has ended is answered")
	}
}

func TestAProcessIsReplacedAfterItsShareOfQuestions(t *testing.T) {
	p := python(t, "import json\ndef resolve(base, revisions):\n    json.n = getattr(json, 'n', 0) + 1\n    return json.n\n")
	for i := range recycleAfter + 2 {
		wantAnswer(t, p, fmt.Sprint(i%recycleAfter+1), `{}`, `{}`)
	}
}
