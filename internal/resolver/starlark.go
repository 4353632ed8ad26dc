package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"go.starlark.net/starlark"

	"github.com/couchmend/couchmend"
)

// StarlarkOptions name a resolver that is written in Starlark, and its limits.
// The zero value of each limit is its default.
type StarlarkOptions struct {
	Dir      string // the policy's folder: nothing outside it is read
	File     string // slash path in Dir
	Function string // takes (base, revisions); default "resolve"

	Steps     uint64        // of the interpreter, in one call; default 100,000,000
	Timeout   time.Duration // of one call, and of the file's own start; default 5 s
	Memory    int64         // bytes, see Starlark; default 128 MiB
	MaxOutput int64         // bytes of one answer's JSON; default 16 MiB

	// Merge3 merges as the rule's fields, clock and strategies say: what merge3
	// in a script calls. Its arguments and errors are those of a
	// couchmend.Resolver. Where it is nil, merge3 is an error.
	Merge3 func(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error)

	// Print gets what a script prints, a line at a time; nil discards it. It is
	// called from as many goroutines as Resolve.
	Print func(line string)
}

func (o StarlarkOptions) withDefaults() StarlarkOptions {
	if o.Function == "" {
		o.Function = "resolve"
	}
	if o.Steps == 0 {
		o.Steps = 100_000_000
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Memory <= 0 {
		o.Memory = 128 << 20
	}
	if o.MaxOutput <= 0 {
		o.MaxOutput = 16 << 20
	}
	return o
}

// Starlark is a resolver written in Starlark, a small language with the looks
// of Python that was made for configuration. It runs in this process:
//
//	def resolve(base, revisions):
//	    doc = copy(revisions[0])
//	    doc["tags"] = union(*[r.get("tags") for r in revisions])
//	    return doc
//
// # Language
//
// Beside standard Starlark there is while. There are no recursion, no
// statements other than def, load and assignment outside functions, and no
// second assignment to a global. load("lib/clock.star", "later") reads from the
// policy's folder; names that leave it, by ".." or by a symbolic link, are
// refused. A script has no way to read a file, the network, the time or
// anything random, and its globals are frozen before the first call: one
// question always has one answer.
//
// # Values
//
// An object is a dict in the order of its members, an array a list, null None.
// A number without fraction and exponent is an int of any size, of up to
// 131,072 digits; any other one is a float, which is a float64, as it is in
// CouchDB. What a script returns as it was given, such as revisions[0] or
// revisions[0]["fields"], is returned byte for byte. In what it makes anew, a
// float that the question has too is spelled as there (1.10, 1.0e+22), and where
// that has several spellings of one float64, as the last of them in the order
// of jsondoc.Compare. Base, revisions and all in them are frozen.
//
// A field that is absent and one that is null are both None, and None as an
// answer removes the field.
//
// # Functions
//
//	review(words…)             ends the call: a person decides, and reads the words
//	merge3(base, revisions)    the merge by the rule's fields and strategies; what is in dispute ends the call in review
//	union(list…)               one list of what is in any, each once, sorted, as the strategy union; None counts as empty
//	latest(revisions, by=path) the one whose clock at path is greatest, as the strategy latest; one without is the earliest;
//	                           of equal ones the greater in canonical form, whatever their order; clocks that can't be
//	                           ordered end the call in review
//	get(doc, path, default)    what is at "a.b.c" (a dot in a name: "a\\.b"); default, or None, where there is nothing
//	has(doc, path)             whether there is anything, None included
//	set(doc, path, value)      puts value there, making the objects that are missing. With one argument: Starlark's own set
//	delete(doc, path)          removes what is there, and says whether there was anything
//	copy(x)                    a copy of x and all in it, which can be changed
//	canonical(x)               x as text in canonical form (RFC 8785, integers exact): to compare and to sort by
//
// What these return can be changed, except for what get and latest find in a
// frozen value.
//
// # Limits
//
// Steps are counted exactly: the same call ends at the same step everywhere. So
// is what one operation makes out of little (repeating, joining, formatting,
// range): at most a quarter of Memory. All else that a script holds is bounded by
// looking every 5 ms at what this process's heap has grown by since the script
// began, garbage not counted. That bounds the process, though not to the byte,
// and it may blame a script for what others took meanwhile; a call that ends
// within 5 ms is never looked at.
//
// Timeout ends a call between two steps. A single operation is not interrupted:
// on values as large as Memory allows it can take seconds. Hashing or comparing
// tuples that hold each other a thousand times over can take for ever, and with
// tuples a million deep it can overflow the stack, which ends the process.
// Limits guard against mistakes, not against people who want to do harm: these
// must not write a policy.
//
// A Starlark is safe for concurrent use.
type Starlark struct {
	options StarlarkOptions
	resolve *starlark.Function
	files   map[string][]byte
}

// NewStarlark reads and compiles a resolver and all that it loads, once and for
// all. Its errors are *couchmend.Error of KindUsage that say file, line and
// column.
func NewStarlark(o StarlarkOptions) (*Starlark, error) {
	o = o.withDefaults()
	l, err := newLoader(o)
	if err != nil {
		return nil, unusable(err)
	}
	defer l.root.Close()
	globals, err := l.load(o.File)
	if err != nil {
		return nil, unusable(err)
	}
	f, err := function(globals, o.File, o.Function)
	if err != nil {
		return nil, unusable(err)
	}
	return &Starlark{options: o, resolve: f, files: l.files}, nil
}

// function finds the function that is the resolver.
func function(globals starlark.StringDict, file, name string) (*starlark.Function, error) {
	want := fmt.Sprintf("want def %s(base, revisions)", name)
	v, ok := globals[name]
	if !ok {
		return nil, fmt.Errorf("%s: there is no function %s: %s", file, name, want)
	}
	f, ok := v.(*starlark.Function)
	if !ok {
		return nil, fmt.Errorf("%s: %s is a %s: %s", file, name, v.Type(), want)
	}
	takes := f.NumParams() - f.NumKwonlyParams()
	if f.HasKwargs() {
		takes--
	}
	if f.HasVarargs() {
		takes--
	}
	needs, named := 0, 0
	for i := range f.NumParams() {
		switch {
		case f.ParamDefault(i) != nil:
		case i < takes:
			needs++
		case i < takes+f.NumKwonlyParams():
			named++
		}
	}
	if needs > 2 || named > 0 || takes < 2 && !f.HasVarargs() {
		return nil, fmt.Errorf("%s: %s can't be called with two arguments: %s", f.Position(), name, want)
	}
	return f, nil
}

// Files returns what was read, by path in the policy's folder.
func (s *Starlark) Files() map[string][]byte { return maps.Clone(s.files) }

// Resolve answers one question: see couchmend.Resolver. Its errors are
// *couchmend.ResolverError, one that wraps couchmend.ErrReview, or ctx's own.
func (s *Starlark) Resolve(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	c := newCall(s.options)
	args, err := c.question(base, revisions)
	if err != nil {
		return nil, err
	}
	var answer json.RawMessage
	err = c.run(ctx, func() error {
		v, err := starlark.Call(c.thread, s.resolve, args, nil)
		if err != nil || v == starlark.None {
			return err
		}
		answer, err = c.encode(v)
		switch {
		case isA[noJSON](err):
			return failure(couchmend.ReasonResolverOutput, "its answer can't be written as JSON: %w", err)
		case err != nil:
			return fmt.Errorf("its answer: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// question makes a call's arguments, frozen.
func (c *call) question(base *couchmend.Revision, revisions []couchmend.Revision) (starlark.Tuple, error) {
	c.revisions = revisions
	list := make([]starlark.Value, len(revisions))
	for i, r := range revisions {
		v, err := c.decode(r.Body)
		if err != nil {
			return nil, fmt.Errorf("revision %s: %w", r.Rev, err)
		}
		list[i] = v
	}
	var before starlark.Value = starlark.None
	if base != nil {
		c.base = base
		var err error
		if before, err = c.decode(base.Body); err != nil {
			return nil, fmt.Errorf("base %s: %w", base.Rev, err)
		}
	}
	args := starlark.Tuple{before, starlark.NewList(list)}
	args.Freeze()
	return args, nil
}

// failure is a ResolverError in words.
func failure(reason couchmend.Reason, format string, args ...any) error {
	return &couchmend.ResolverError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// askedForReview is the error of a script that wants a person to decide.
type askedForReview string

func (words askedForReview) Error() string { return string(words) }
func (askedForReview) Unwrap() error       { return couchmend.ErrReview }

// isA reports whether err is, or wraps, an E.
func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
