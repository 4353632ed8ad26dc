package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// maxStarlark is the most bytes of one Starlark file. It bounds how deep a file
// can nest, and with that the stack of the parser, which can't be caught when
// it overflows.
const maxStarlark = 256 << 10

// dialect is Starlark as its specification has it, with while.
var dialect = syntax.FileOptions{While: true, Set: true}

// loader reads, compiles and starts a file and what it loads, each once.
type loader struct {
	options     StarlarkOptions
	root        *os.Root
	predeclared starlark.StringDict
	files       map[string][]byte
	modules     map[string]starlark.StringDict
	loading     []string // the files that are being loaded, each by the one before
}

func newLoader(o StarlarkOptions) (*loader, error) {
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, err
	}
	return &loader{
		options:     o,
		root:        root,
		predeclared: predeclared(o),
		files:       map[string][]byte{},
		modules:     map[string]starlark.StringDict{},
	}, nil
}

// load returns a file's globals, frozen.
func (l *loader) load(name string) (starlark.StringDict, error) {
	if globals, ok := l.modules[name]; ok {
		return globals, nil
	}
	if i := slices.Index(l.loading, name); i >= 0 {
		return nil, fmt.Errorf("files load each other: %s", strings.Join(append(l.loading[i:], name), " → "))
	}
	l.loading = append(l.loading, name)
	defer func() { l.loading = l.loading[:len(l.loading)-1] }()
	source, err := l.read(name)
	if err != nil {
		return nil, err
	}
	program, err := l.compile(name, source)
	if err != nil {
		return nil, err
	}
	for i := range program.NumLoads() {
		module, at := program.Load(i)
		if _, err := l.load(module); err != nil {
			return nil, fmt.Errorf("%s: load %q: %w", at, module, err)
		}
	}
	globals, err := l.start(program)
	if err != nil {
		return nil, err
	}
	l.modules[name] = globals
	return globals, nil
}

// read reads a regular file of the policy's folder.
func (l *loader) read(name string) ([]byte, error) {
	if !fs.ValidPath(name) || name == "." {
		return nil, fmt.Errorf("%q is no file in the policy's folder: want a path such as lib/clock.star, from the folder down", name)
	}
	source, err := readSource(l.root, name, maxStarlark)
	if err != nil {
		return nil, err
	}
	l.files[name] = source
	return source, nil
}

func (l *loader) compile(name string, source []byte) (*starlark.Program, error) {
	file, err := dialect.Parse(name, source, 0)
	if err != nil {
		return nil, err
	}
	guard(file)
	program, err := starlark.FileProgram(file, l.predeclared.Has)
	var several resolve.ErrorList
	if errors.As(err, &several) {
		var all []error
		for _, e := range several {
			all = append(all, e)
		}
		return nil, errors.Join(all...)
	}
	return program, err
}

// start runs a file's own statements, within the limits of one call.
func (l *loader) start(program *starlark.Program) (starlark.StringDict, error) {
	c := newCall(l.options)
	c.thread.Load = func(_ *starlark.Thread, module string) (starlark.StringDict, error) { return l.modules[module], nil }
	var globals starlark.StringDict
	err := c.run(context.Background(), func() (err error) {
		globals, err = program.Init(c.thread, l.predeclared)
		return err
	})
	if err != nil {
		return nil, err
	}
	globals.Freeze()
	return globals, nil
}
