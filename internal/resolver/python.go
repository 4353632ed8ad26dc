package resolver

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"maps"
	"path"

	"github.com/couchmend/couchmend"
)

// PythonOptions describe a resolver in Python.
type PythonOptions struct {
	ProcessOptions
	// File is the module's, below Dir, with slashes: resolvers/telemetry.py.
	File string
	// Function is the one that is asked, as function(base, revisions). Default:
	// resolve.
	Function string
	// Interpreter is CPython 3.8 or newer: a name that PATH leads to, or a path,
	// which starts at Dir: .venv/bin/python. Default: python3.
	Interpreter string
}

// Python is a couchmend.Resolver that real CPython runs, in processes of its
// own. Documents arrive as dict, list, str, int, float, bool and None, in the
// order that they were read in, integers exact; base is None where there is
// none. A field that is absent and one that is null are both None, and None as
// an answer removes the field. A module may raise couchmend.Review(words).
//
// The module and what it imports from the policy's folder is executed anew for
// each document, so that none finds what another one left (I4): neither
// globals, nor the environment, the current folder, sys.path or the standard
// streams as it changed them. What it changed inside the standard library or
// an installed package it does find: that ends with the process, after 1,000
// questions at the latest, and asking two processes makes it likely to show.
type Python struct {
	pool  *pool
	files map[string][]byte
}

//go:embed python/boot.py
var pythonBoot string

//go:embed python/worker.py
var pythonWorker string

//go:embed python/couchmend.py
var pythonModule string

// NewPython reads the module and those beside it (*.py in the same folder, and
// in folders there that are packages; at most 1 MiB each, 16 MiB in all). What
// was read is what runs, until Close. Nothing is started before the first
// question: only Ping or a question can tell whether the module is right.
// Errors are *couchmend.Error of KindUsage.
func NewPython(o PythonOptions) (*Python, error) {
	var err error
	if o.ProcessOptions, err = o.withDefaults(); err != nil {
		return nil, err
	}
	if o.File == "" {
		return nil, unusable(errors.New("a Python resolver needs a file"))
	}
	o.File = path.Clean(o.File)
	if o.Function == "" {
		o.Function = "resolve"
	}
	if o.Interpreter == "" {
		o.Interpreter = "python3"
	}
	files, err := pythonFiles(o.Dir, o.File)
	if err != nil {
		return nil, unusable(err)
	}
	return &Python{newPool(o.ProcessOptions, &program{
		name:     o.Interpreter,
		path:     o.locate(o.Interpreter),
		args:     []string{"-c", pythonBoot},
		greeting: func(token string) []byte { return pythonGreeting(o, files, token) },
		verdicts: map[string]couchmend.Reason{
			"error":  couchmend.ReasonResolverError,
			"memory": couchmend.ReasonResolverMemory,
			"exited": couchmend.ReasonResolverCrashed,
			"output": couchmend.ReasonResolverOutput,
		},
		stray: couchmend.ReasonResolverPrinted,
	}), files}, nil
}

// pythonGreeting is the first line that a process reads.
func pythonGreeting(o PythonOptions, files map[string][]byte, token string) []byte {
	line, err := json.Marshal(map[string]any{
		"worker":    pythonWorker,
		"couchmend": pythonModule,
		"token":     token,
		"dir":       o.Dir,
		"file":      o.File,
		"function":  o.Function,
		"sources":   files, // base64: a source states its encoding itself
	})
	if err != nil {
		panic(err) // strings and bytes
	}
	return append(line, '\n')
}

// Resolve asks two processes; see couchmend.Resolver. Errors are
// *couchmend.ResolverError, or wrap couchmend.ErrReview or ctx's error.
func (p *Python) Resolve(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	return p.pool.resolve(ctx, base, revisions)
}

// Ping loads the module in a process, without a question. Its error says in
// which file and line the module is wrong, or that the interpreter is.
func (p *Python) Ping(ctx context.Context) error {
	_, err := p.pool.ask(ctx, &p.pool.sides[0], loading)
	return err
}

// Files are the sources that were read, by their paths below Dir.
func (p *Python) Files() map[string][]byte { return maps.Clone(p.files) }

// Close ends all processes, after the questions under way unless their contexts
// end, and returns when nothing of them is left.
func (p *Python) Close() error {
	p.pool.close()
	return nil
}
