// Package policy reads the policy file: which databases couchmend follows, and
// by which rules it merges their documents.
//
// A policy file is YAML; docs/policies.md is its reference. Parse turns the
// text into merge.Rules that are ready for use, and reports every mistake in
// it at once, each with its line and column. What a mistake could mean is never
// guessed: an unknown key is refused, so that a typo does not silently become
// the default.
//
//	File ── Databases   glob → name of a policy
//	   └─── Policies    name → Rules: the first whose `when` selects a document merges it
package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/resolver"
	"github.com/couchmend/couchmend/internal/schema"
)

// MaxText is the size of the largest policy file that is read, in bytes.
const MaxText = 1 << 20

// DefaultName is the policy of databases that name none. Where the file does
// not define it, it is Builtin.
const DefaultName = "default"

// File is a policy file that was read without a mistake.
type File struct {
	Server    Server
	Databases []Database // in the file's order: the first match counts
	Policies  map[string]*Policy
	Alerts    Alerts
	// Warnings are what the file may say and yet probably does not mean.
	Warnings []Warning
	// Digest is sha256 of the text, and of the files of schemas and resolvers
	// that it names, in hexadecimal digits: the journal's name for the policy.
	Digest string
	Name   string          // as messages name the file
	Text   []byte          // what was read; not to be shown as it is, see TextWithoutServer
	Dir    string          // where relative paths in the file start
	Meter  *resolver.Meter // what its resolvers were asked, by rule

	processes []process
	parts     parts
}

// process is a resolver that answers in processes of its own, and where the
// file names it.
type process struct {
	resolver interface {
		Ping(ctx context.Context) error
		io.Closer
	}
	named Problem
}

// Ping tries whether the resolvers that run in processes of their own can be
// started, and modules in Python loaded. Its error is like Load's, with the
// place where the file names what can't. A slow start is no mistake.
func (f *File) Ping(ctx context.Context) error {
	var problems Problems
	for _, p := range f.processes {
		var failed *couchmend.ResolverError
		if err := p.resolver.Ping(ctx); errors.As(err, &failed) && failed.Reason != couchmend.ReasonResolverTimeout {
			p.named.Text += failed.Err.Error()
			problems = append(problems, p.named)
		}
	}
	if len(problems) > 0 && ctx.Err() == nil {
		return &couchmend.Error{Op: "try resolvers", Kind: couchmend.KindUsage, Err: problems.sorted()}
	}
	return ctx.Err()
}

// Close ends the processes of the policy's resolvers.
func (f *File) Close() error {
	var errs []error
	for _, p := range f.processes {
		errs = append(errs, p.resolver.Close())
	}
	return errors.Join(errs...)
}

// Options are what a policy file may need beside its text.
type Options struct {
	// Resolvers are those in Go that a policy can name: `resolver: {go: NAME}`.
	Resolvers map[string]couchmend.Resolver
	// Log gets what resolvers in other processes write to standard error.
	Log *slog.Logger
}

// Database gives databases a policy.
type Database struct {
	Match  string // a glob: see File.For
	Policy string // a name in File.Policies
}

// Policy is a list of rules.
type Policy struct {
	Name string
	// Rules in the file's order. `otherwise: merge` is carried out by a last
	// rule called "otherwise" that takes every document.
	Rules     []Rule
	Otherwise Otherwise
}

// Rule says which documents are merged, and how.
type Rule struct {
	When Selector
	merge.Rule
	LeafSchema, MergedSchema *schema.Schema // nil: any document is right
}

// Otherwise says what becomes of the documents that no rule selects.
type Otherwise string

// The choices for documents without a rule.
const (
	OtherwiseReview Otherwise = ""      // a person looks at them
	OtherwiseMerge  Otherwise = "merge" // what cannot be disputed is merged, as by Builtin
)

// Builtin is the policy that needs no file: it merges what cannot be disputed
// (changed on one side, changed alike) and leaves the rest to review.
func Builtin() *Policy {
	return &Policy{Name: "builtin", Rules: []Rule{{Rule: merge.Rule{Name: "builtin"}}}}
}

// Load reads the policy file at path, of at most MaxText bytes, and the schemas
// and resolvers that it names. Every error is a *couchmend.Error of KindUsage;
// one that is about the file's content wraps Problems. Close ends it.
func Load(path string, o Options) (*File, error) {
	text, err := readText(path)
	if err != nil {
		return nil, &couchmend.Error{Op: "read policy", Kind: couchmend.KindUsage, Err: err}
	}
	return Parse(path, text, filepath.Dir(path), o)
}

func readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxText+1))
}

// Parse reads the text of a policy file. Name stands in messages; relative
// paths in the text start at dir. Errors are those of Load. Close ends it.
func Parse(name string, text []byte, dir string, o Options) (*File, error) {
	return newReader(name, dir, o).read(text)
}

func newReader(name, dir string, o Options) *reader {
	return &reader{file: name, dir: dir, options: o, meter: &resolver.Meter{}, files: map[string][]byte{}, parts: newParts()}
}

func (r *reader) read(text []byte) (*File, error) {
	f := r.policyFile(text)
	if len(r.problems) > 0 {
		return nil, &couchmend.Error{Op: "parse policy", Kind: couchmend.KindUsage, Err: r.problems.sorted()}
	}
	f.Digest = digest(text, r.files)
	f.Name, f.Text, f.Dir, f.Meter, f.processes, f.parts = r.file, text, r.dir, r.meter, r.processes, r.parts
	for _, w := range r.warnings.sorted() {
		f.Warnings = append(f.Warnings, Warning(w))
	}
	return f, nil
}

func digest(text []byte, files map[string][]byte) string {
	sum := sha256.New()
	sum.Write(text)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "\x00%s\x00%d\x00", name, len(files[name]))
		sum.Write(files[name])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// For returns the policy of a database: that of the first entry whose glob
// matches its name, nil when none does. In a glob, `*` stands for any
// characters, "/" included, `?` for one, `[a-z]` for one of a set. Databases
// whose names begin with "_" belong to CouchDB (_users, _replicator…): only a
// glob that begins with "_" itself matches them.
func (f *File) For(db string) *Policy {
	for _, d := range f.Databases {
		if Match(d.Match, db) {
			return f.Policies[d.Policy]
		}
	}
	return nil
}

// Select returns the first rule whose `when` selects the document. Doc is its
// body without members that begin with "_"; `_id` is selected by id. Nil means
// that no rule does: the document goes to review (couchmend.ReasonNoRule). For
// the same rule it is always the same pointer into p.
func (p *Policy) Select(doc jsondoc.Value, id string) *merge.Rule {
	for i := range p.Rules {
		if p.Rules[i].When.Match(doc, id) {
			return &p.Rules[i].Rule
		}
	}
	return nil
}
