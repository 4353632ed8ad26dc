package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

func TestALoopEndsAtTheLimitOfSteps(t *testing.T) {
	s := script(t, "def resolve(base, revisions):\n    while True:\n        x = 1\n", StarlarkOptions{Steps: 10_000})
	_, first := ask(t, s, `1`, `2`)
	wantFailure(t, first, couchmend.ReasonResolverTimeout, "it ran past its limit of 10000 steps", "(r.star:")
	_, second := ask(t, s, `1`, `2`)
	if first.Error() != second.Error() {
		t.Errorf("once %v, then %v", first, second)
	}
}

func TestALoopEndsAtTheLimitOfTime(t *testing.T) {
	s := script(t, "def resolve(base, revisions):\n    while True: pass\n", StarlarkOptions{Timeout: 50 * time.Millisecond, Steps: math.MaxUint64})
	start := time.Now()
	_, err := ask(t, s, `1`, `2`)
	wantFailure(t, err, couchmend.ReasonResolverTimeout, "it ran past its limit of 50ms")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestAnAnswerThatHoldsAValueAMillionTimesOverEndsInTime(t *testing.T) {
	s := script(t, "def resolve(base, revisions):\n    l = []\n    for i in range(60): l = [l, l]\n    return l\n",
		StarlarkOptions{Timeout: 50 * time.Millisecond, MaxOutput: math.MaxInt64})
	_, err := ask(t, s, `1`, `2`)
	wantFailure(t, err, couchmend.ReasonResolverTimeout, "it ran past its limit of 50ms")
}

func TestACallerThatStopsIsNoFaultOfTheScripts(t *testing.T) {
	s := script(t, "def resolve(base, revisions):\n    while True: pass\n", StarlarkOptions{Steps: math.MaxUint64})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := s.Resolve(ctx, nil, revisions(`1`, `2`))
	var failure *couchmend.ResolverError
	if !errors.Is(err, context.Canceled) || errors.As(err, &failure) {
		t.Errorf("%v", err)
	}
}

func TestAnAnswerOverItsLimitIsRefused(t *testing.T) {
	for line, fits := range map[string]bool{
		`return "x" * 98`:            true,
		`return "x" * 99`:            false,
		`return [1] * 49`:            true,
		`return [1] * 50`:            false,
		`return {"x": revisions[0]}`: false,
		`return 1 << 400`:            false,
	} {
		s := script(t, "def resolve(base, revisions):\n    "+line+"\n", StarlarkOptions{MaxOutput: 100})
		_, err := ask(t, s, `["`+strings.Repeat("x", 96)+`"]`, `2`)
		if fits && err != nil {
			t.Errorf("%s: %v", line, err)
		} else if !fits {
			wantFailure(t, err, couchmend.ReasonResolverMemory, "its answer: more than 100 bytes of JSON")
		}
	}
}

// growing are scripts that take memory without end, one way or another.
var growing = map[string]string{
	"a string that doubles":            "x = 'a'\nwhile True: x = x + x",
	"a string that doubles in place":   "x = 'a'\nwhile True: x += x",
	"a list that doubles":              "x = [0]\nwhile True: x = x + x",
	"a list that doubles in place":     "x = [0]\nwhile True: x += x",
	"a tuple that doubles":             "x = (0,)\nwhile True: x = x + x",
	"bytes that double":                "x = b'a'\nwhile True: x = x + x",
	"a string, repeated":               "return 'abcdefgh' * (1 << 26)",
	"a string, repeated from the left": "return (1 << 26) * 'abcdefgh'",
	"a list, repeated":                 "return [0] * (1 << 28)",
	"a list, repeated in place":        "x = {'l': [0]}\nx['l'] *= 1 << 28",
	"a tuple, repeated":                "return (0,) * (1 << 28)",
	"bytes, repeated":                  "return b'a' * (1 << 28)",
	"repeated again and again":         "x = [0]\nwhile True: x = x * 100",
	"a range":                          "return len(range(1 << 30))",
	"a string of one value":            "l = 'x' * 10000\nfor i in range(40): l = [l, l]\nreturn str(l)",
	"the same, formatted":              "l = 'x' * 10000\nfor i in range(40): l = [l, l]\nreturn '%s' % l",
	"the same, formatted by a method":  "l = 'x' * 10000\nfor i in range(40): l = [l, l]\nreturn '{}'.format(l)",
	"the same, formatted in place":     "l = 'x' * 10000\nfor i in range(40): l = [l, l]\nx = '%s'\nx %= l",
	"the same, printed":                "l = 'x' * 10000\nfor i in range(40): l = [l, l]\nprint(l)",
	"the same, as words":               "l = 'x' * 10000\nfor i in range(40): l = [l, l]\nfail(l)",
	"the same, for a person":           "l = 'x' * 10000\nfor i in range(40): l = [l, l]\nreview(l)",
	"the same, copied":                 "l = []\nfor i in range(40): l = [l, l]\nreturn copy(l)",
	"the same, as canonical text":      "l = 'x' * 10000\nfor i in range(40): l = [l, l]\nreturn canonical(l)",
	"one value, formatted often":       "return '%(x)s' * 1000 % {'x': 'y' * 1000000}",
	"the same by a method":             "return ('{0}' * 1000).format('y' * 1000000)",
	"the same by name":                 "return ('{x}' * 1000).format(x='y' * 1000000)",
	"one value, joined often":          "return ','.join(['x' * 1000000] * 1000)",
	"a long comma":                     "return ('x' * 1000000).join(['y'] * 1000)",
	"a method by its name":             "return getattr(',', 'join')(['x' * 1000000] * 1000)",
	"one value, put in often":          "return ('x' * 1000000).replace('x', 'y' * 1000)",
	"a string taken apart":             "return list(('x' * 10000000).elems())",
	"a string split":                   "return (' x' * 10000000).split()",
	"a string split at commas":         "return (',' * 10000000).split(',')",
	"lists side by side":               "return zip(*[[0] * 1000000] * 1000)",
	"a long comma, printed":            "print(sep='x' * 1000000, *[1] * 1000)",
	"an integer squared":               "x = 3\nwhile True: x = x * x",
	"an integer squared in place":      "x = 3\nwhile True: x *= x",
	"an integer of many digits":        "return int('9' * 1000000)",
	"a list that holds itself":         "x = []\nx.append(x)\nreturn str(x)",
	"small values":                     "x = []\nwhile True: x.append([1])",
	"a dict":                           "x = {}\nwhile True: x[len(x)] = {}",
	"large values":                     "x = []\nwhile True: x.append('y' * 1000000)",
	"large lists":                      "x = []\nwhile True: x.append(list(range(400000)))",
	"large strings":                    "x, y = 'a' * 5000000, []\nwhile True: y.append(x + 'a')",
	"parts of a list":                  "x, y = [0] * 400000, []\nwhile True: y.append(x[:])",
	"a chain of tuples":                "t = ()\nwhile True:\n    for i in range(400000): t = (t,)\n    x = {t: 1}",
}

func TestNothingTakesMemoryWithoutEnd(t *testing.T) {
	for name, lines := range growing {
		t.Run(name, func(t *testing.T) {
			outgrows(t, lines, StarlarkOptions{Memory: 32 << 20, Timeout: time.Minute, Steps: math.MaxUint64}, 512<<20)
		})
	}
}

func TestTheProcessStaysUnderAGibibyteByDefault(t *testing.T) {
	for _, name := range []string{"a string that doubles", "a list that doubles in place", "a list, repeated", "one value, joined often", "large values", "a dict"} {
		t.Run(name, func(t *testing.T) {
			outgrows(t, growing[name], StarlarkOptions{Timeout: time.Minute}, 1<<30)
		})
	}
}

// outgrows demands that a script ends for the memory that it takes, before the
// process has that much.
func outgrows(t *testing.T, lines string, o StarlarkOptions, most uint64) {
	t.Helper()
	s := script(t, "def resolve(base, revisions):\n    "+strings.ReplaceAll(lines, "\n", "\n    ")+"\n", o)
	debug.FreeOSMemory()
	peak := peaks()
	_, err := ask(t, s, `1`, `2`)
	took := peak()
	wantFailure(t, err, couchmend.ReasonResolverMemory, "r.star:")
	if took > most {
		t.Errorf("took %d MiB at its peak", took>>20)
	}
}

// peaks returns a function that ends the watch it starts, and returns the most
// memory that this process had from the system meanwhile.
func peaks() func() uint64 {
	stop, result := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64()-sample[1].Value.Uint64())
			select {
			case <-stop:
				result <- most
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(stop); return <-result }
}

func TestWhatIsSmallIsNotRefused(t *testing.T) {
	for _, line := range []string{
		`return len("x" * 1000000 + "y" * 1000000)`,
		`return len([0] * 1000000 + [1] * 1000000)`,
		`return len(list(range(1000000)))`,
		`return len(",".join(["abc"] * 100000))`,
		`return len(("a," * 100000).split(","))`,
		`return len("%s" % (["abc"] * 100000))`,
		`return len("%(a)s %(b)s %%" % {"a": "x" * 1000000, "b": 1})`,
		`return len("{} {a}".format("x" * 1000000, a=1))`,
		`return len(("a" * 1000000).replace("a", "bc"))`,
		`return len(str((1 << 511) * (1 << 511)))`,
		`return int("9" * 1000)`,
		`return 2 * -1 * len(0 * "x" + "x" * -1)`,
		`return getattr("a", "upper")() + getattr({}, "nope", "b")`,
		`return len(list(zip([1, 2], (3, 4), range(2))))`,
	} {
		if _, err := ask(t, scriptOf(t, line), `1`, `2`); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestMemoryThatWasThereBeforeIsNotTheScripts(t *testing.T) {
	mine := make([][]byte, 0, 64)
	for range 64 {
		mine = append(mine, make([]byte, 4<<20))
	}
	s := script(t, "def resolve(base, revisions):\n    for i in range(300000): x = [i]\n    return 1\n", StarlarkOptions{Memory: 64 << 20})
	if _, err := ask(t, s, `1`, `2`); err != nil {
		t.Error(err)
	}
	runtime.KeepAlive(mine)
}

func TestGarbageIsNotHeld(t *testing.T) {
	s := script(t, "def resolve(base, revisions):\n    for i in range(2000): x = 'y' * 1000000\n    return 1\n", StarlarkOptions{})
	if _, err := ask(t, s, `1`, `2`); err != nil {
		t.Error(err)
	}
}

func TestOtherQuestionsAreAnsweredWhileOneRunsWild(t *testing.T) {
	wild := script(t, "def resolve(base, revisions):\n    while True: pass\n", StarlarkOptions{Timeout: 200 * time.Millisecond, Steps: math.MaxUint64})
	tame := scriptOf(t, "return revisions[0]")
	done := make(chan error)
	go func() {
		_, err := wild.Resolve(t.Context(), nil, revisions(`1`, `2`))
		done <- err
	}()
	for range 100 {
		if got, err := tame.Resolve(t.Context(), nil, revisions(`{"a":1}`, `2`)); string(got) != `{"a":1}` || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
	wantFailure(t, <-done, couchmend.ReasonResolverTimeout)
}

var _ couchmend.Resolver = (*Starlark)(nil)

func BenchmarkStarlark(b *testing.B) {
	s := scriptOf(b, `doc = copy(revisions[0])`, `doc["tags"] = union(*[r.get("tags") for r in revisions])`, `doc["n"] = max([r["n"] for r in revisions])`, `return doc`)
	var asked []couchmend.Revision
	for range 3 {
		body := `{"_id":"d","_rev":"2-b","n":12345678901234567890,"f":1.10,"tags":["a","b"],"fields":{` + strings.Repeat(`"a member of it":{"x":1,"y":"some text"},`, 17) + `"z":null}}`
		for i := range 17 { // names differ
			body = strings.Replace(body, "a member of it", "a member "+string(rune('a'+i)), 1)
		}
		asked = append(asked, couchmend.Revision{Rev: couchmend.MustRev("2-b"), Body: json.RawMessage(body)})
	}
	b.SetBytes(int64(3 * len(asked[0].Body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Resolve(b.Context(), nil, asked); err != nil {
			b.Fatal(err)
		}
	}
}
