package resolver

import (
	"testing"
	"time"

	"github.com/couchmend/couchmend"
)

func TestWhateverAPythonResolverDoesItsNeighboursAreResolved(t *testing.T) {
	p, err := NewPython(PythonOptions{
		ProcessOptions: ProcessOptions{Dir: "testdata/python", Workers: 4, Timeout: 1500 * time.Millisecond, Memory: 64 << 20, MaxOutput: 1 << 20},
		File:           "hostile.py",
		Interpreter:    needPython(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	testHostile(t, p, []behaviour{
		{"loop", couchmend.ReasonResolverTimeout, "1.5s"},
		{"sleep", couchmend.ReasonResolverTimeout, "1.5s"},
		{"allocate", couchmend.ReasonResolverMemory, "hostile.py:17"},
		{"large", couchmend.ReasonResolverMemory, "1048576 bytes"},
		{"sys.exit", couchmend.ReasonResolverCrashed, "exit (3)"},
		{"os._exit", couchmend.ReasonResolverCrashed, "exit status 3"},
		{"segfault", couchmend.ReasonResolverCrashed, "segmentation fault"},
		{"kill", couchmend.ReasonResolverCrashed, "killed"},
		{"close", couchmend.ReasonResolverCrashed, ""},
		{"print", couchmend.ReasonResolverPrinted, `"hello"`},
		{"print part", couchmend.ReasonResolverPrinted, `"hello"`},
		{"print for ever", couchmend.ReasonResolverPrinted, "xxx"},
		{"write", couchmend.ReasonResolverPrinted, `"hello"`},
		{"child prints", couchmend.ReasonResolverPrinted, `"from a child"`},
		{"print an answer", couchmend.ReasonResolverPrinted, "result"},
		{"print and loop", couchmend.ReasonResolverPrinted, `"hello"`},
		{"set", couchmend.ReasonResolverOutput, "set is not JSON serializable"},
		{"nan", couchmend.ReasonResolverOutput, "not JSON compliant"},
		{"object", couchmend.ReasonResolverOutput, "object is not JSON serializable"},
		{"bytes", couchmend.ReasonResolverOutput, "bytes is not JSON serializable"},
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
