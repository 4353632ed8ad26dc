package resolver

import (
	"runtime"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

// hostilePython runs testdata/python/hostile.py within these limits.
func hostilePython(t *testing.T, timeout time.Duration) *Python {
	t.Helper()
	p, err := NewPython(PythonOptions{
		ProcessOptions: ProcessOptions{Dir: "testdata/python", Workers: 3, Timeout: timeout, Memory: 64 << 20, MaxOutput: 1 << 20},
		File:           "hostile.py",
		Interpreter:    needPython(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestAPythonResolverThatTakesTooLongIsKilled(t *testing.T) {
	testHostile(t, hostilePython(t, 2*time.Second), []behaviour{
		{"loop", couchmend.ReasonResolverTimeout, "within 2s"},
		{"sleep", couchmend.ReasonResolverTimeout, "within 2s"},
	})
}

func TestAPythonResolverThatAllocatesWithoutEndIsStopped(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: memory is limited on Linux alone")
	}
	testHostile(t, hostilePython(t, 20*time.Second), []behaviour{
		{"allocate", couchmend.ReasonResolverMemory, "out of memory at hostile.py:16"},
	})
}

func TestWhateverAPythonResolverDoesItsNeighboursAreResolved(t *testing.T) {
	testHostile(t, hostilePython(t, time.Minute), []behaviour{
		{"large", couchmend.ReasonResolverMemory, "1048576 bytes"},
		{"sys.exit", couchmend.ReasonResolverCrashed, "exit (3)"},
		{"os._exit", couchmend.ReasonResolverCrashed, "exit status 3"},
		{"segfault", couchmend.ReasonResolverCrashed, "segmentation fault"},
		{"close", couchmend.ReasonResolverCrashed, ""},
		{"print", couchmend.ReasonResolverPrinted, `"hello"`},
		{"print part", couchmend.ReasonResolverPrinted, `"hello"`},
		{"print for ever", couchmend.ReasonResolverPrinted, "xxx"},
		{"write", couchmend.ReasonResolverPrinted, `"hello"`},
		{"child prints", couchmend.ReasonResolverPrinted, `"from a child"`},
		{"print and loop", couchmend.ReasonResolverPrinted, `"hello"`},
		{"set", couchmend.ReasonResolverOutput, "set is not JSON serializable"},
		{"nan", couchmend.ReasonResolverOutput, "not JSON compliant"},
		{"circle", couchmend.ReasonResolverOutput, "Circular"},
		{"surrogate", couchmend.ReasonResolverOutput, "surrogates"},
		{"same name", couchmend.ReasonResolverOutput, "duplicate"},
		{"nested", couchmend.ReasonResolverOutput, "recursion"},
		{"raise", couchmend.ReasonResolverError, "KeyError: 'missing'"},
		{"deep", couchmend.ReasonResolverError, "98"},
		{"base exception", couchmend.ReasonResolverError, "BaseException: no"},
		{"odd exception", couchmend.ReasonResolverError, ": Odd: <"},
		{"review", "", "two names"},
		{"review at random", "", "0."},
		{"random", couchmend.ReasonResolverUnstable, `"n":0.`},
		{"set order", couchmend.ReasonResolverUnstable, `"first":`},
		{"clock", couchmend.ReasonResolverUnstable, `"at":`},
	})
}
