package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// interpreter is the path of python3 itself: what PATH leads to may be a script
// that takes long to find it.
var interpreter = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable); sys.exit(sys.version_info < (3, 8))").CombinedOutput()
	return strings.TrimSpace(string(out)), err
})

// needPython skips a test where there is no Python, unless it must be there.
func needPython(t testing.TB) string {
	t.Helper()
	path, err := interpreter()
	if err != nil {
		needed(t, "COUCHMEND_REQUIRE_PYTHON", fmt.Sprintf("python3 3.8 or newer is not installed: %v %s", err, path))
	}
	return path
}

// needNode skips a test where there is no Node, unless it must be there.
func needNode(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		needed(t, "COUCHMEND_REQUIRE_POUCH", "node is not installed")
	}
}

func needed(t testing.TB, variable, why string) {
	t.Helper()
	if os.Getenv(variable) == "1" {
		t.Fatal(why)
	}
	t.Skip("SKIPPED: " + why)
}

// folder makes a policy's folder that holds these files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// python makes a resolver of a module's source.
func python(t testing.TB, source string, change ...func(*PythonOptions)) *Python {
	t.Helper()
	o := PythonOptions{
		ProcessOptions: ProcessOptions{Dir: folder(t, map[string]string{"resolver.py": source}), Workers: 1},
		File:           "resolver.py",
		Interpreter:    needPython(t),
	}
	for _, c := range change {
		c(&o)
	}
	p, err := NewPython(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// program makes a resolver of a command.
func command(t testing.TB, o ProcessOptions, command ...string) *Exec {
	t.Helper()
	e, err := NewExec(ExecOptions{ProcessOptions: o, Command: command})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// revisions makes one of each body; "" is absent.
func revisions(bodies ...string) []couchmend.Revision {
	all := make([]couchmend.Revision, len(bodies))
	for i, body := range bodies {
		all[i].Rev = couchmend.Rev{Gen: 2, Hash: fmt.Sprint(i)}
		if body != "" {
			all[i].Body = json.RawMessage(body)
		}
	}
	return all
}

// ask puts a question without a base.
func ask(t testing.TB, r couchmend.Resolver, bodies ...string) (string, error) {
	t.Helper()
	v, err := r.Resolve(t.Context(), nil, revisions(bodies...))
	return string(v), err
}

// wantAnswer fails the test unless r answers with this value.
func wantAnswer(t testing.TB, r couchmend.Resolver, want string, bodies ...string) {
	t.Helper()
	got, err := ask(t, r, bodies...)
	if err != nil {
		t.Fatalf("asked about %s: %v", bodies, err)
	}
	if !exactlyEqual(jsondoc.Value(got), jsondoc.Value(want)) {
		t.Fatalf("asked about %s, it answers %s, want %s", bodies, got, want)
	}
}

// wantFailure fails the test unless err has this reason, and these words.
func wantFailure(t testing.TB, err error, reason couchmend.Reason, words ...string) {
	t.Helper()
	if got := reasonOf(err); got != reason {
		t.Fatalf("got %q (%v), want %q", got, err, reason)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q:\n%v", word, err)
		}
	}
}

// exactlyEqual is jsondoc.Equal, and the members of objects stand in the same
// order.
func exactlyEqual(a, b jsondoc.Value) bool {
	switch {
	case a.Kind() == '{' && b.Kind() == '{':
		x, y := a.Members(), b.Members()
		for i := range x {
			if len(x) != len(y) || x[i].Name != y[i].Name || !exactlyEqual(x[i].Value, y[i].Value) {
				return false
			}
		}
		return len(x) == len(y)
	case a.Kind() == '[' && b.Kind() == '[':
		x, y := a.Elements(), b.Elements()
		for i := range x {
			if len(x) != len(y) || !exactlyEqual(x[i], y[i]) {
				return false
			}
		}
		return len(x) == len(y)
	}
	return jsondoc.Equal(a, b)
}

// behaviour is what a hostile resolver does, and how that ends.
type behaviour struct {
	do     string
	reason couchmend.Reason // "": it asks for review
	words  string
}

// testHostile asks about documents of which each makes the resolver do one
// thing, and about neighbours beside each, all at once.
func testHostile(t *testing.T, r couchmend.Resolver, behaviours []behaviour) {
	t.Helper()
	type answer struct {
		text string
		err  error
	}
	resolve := func(do string, n int) chan answer {
		done := make(chan answer, 1)
		go func() {
			body := fmt.Sprintf(`{"do":%q,"n":%d}`, do, n)
			v, err := r.Resolve(t.Context(), nil, revisions(body, body))
			done <- answer{string(v), err}
		}()
		return done
	}
	hostile := make([]chan answer, len(behaviours))
	neighbours := make([]chan answer, len(behaviours))
	for i, b := range behaviours {
		hostile[i] = resolve(b.do, i)
		neighbours[i] = resolve("right", i)
	}
	for i, b := range behaviours {
		got := <-hostile[i]
		switch {
		case b.reason == "" && !errors.Is(got.err, couchmend.ErrReview), b.reason != "" && reasonOf(got.err) != b.reason:
			t.Errorf("%q ends with %s %v, want %q", b.do, cut(got.text, quoted), got.err, b.reason)
		case !strings.Contains(got.err.Error(), b.words):
			t.Errorf("%q: the error does not say %q:\n%v", b.do, b.words, got.err)
		}
		if got := <-neighbours[i]; got.err != nil || !strings.Contains(got.text, fmt.Sprintf(`"n":%d,"merged":true`, i)) {
			t.Errorf("the neighbour of %q ends with %s %v", b.do, got.text, got.err)
		}
	}
}

// canceled is a context that has ended.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// contextWithin ends after d.
func contextWithin(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// lines is a log that is counted.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(line))
	return len(line), nil
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// count is how many lines hold the text.
func (l *lines) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.text {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
