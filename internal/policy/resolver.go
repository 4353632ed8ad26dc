package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/resolver"
	"github.com/couchmend/couchmend/internal/schema"
)

// custom is what a `resolver:` says: one of four kinds, and its limits.
type custom struct {
	starlark, python, golang string
	exec                     []string
	interpreter, function    string
	timeout                  time.Duration
	memory, output           int64
	steps                    uint64
	workers                  int
	places                   map[string]*yaml.Node // of the keys that are there
}

// Bounds of a resolver's limits.
const (
	maxTimeout = time.Minute // longer, and the rest of a batch waits for it
	maxSteps   = 1e12
	maxWorkers = 64
)

// resolver reads a custom resolver of the rule called by: for whole documents,
// or for one of its fields. Plain is the rule without it, for merge3; it is
// filled when the rule has been read.
func (r *reader) resolver(n *yaml.Node, what, by string, plain *merge.Rule) (couchmend.Resolver, string) {
	const want = "what it is written in and where, such as {starlark: resolvers/person.star}"
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want %s", what, kindOf(n), want)
		return nil, ""
	}
	before := len(r.problems)
	c := r.custom(n, what)
	var kinds []string
	for _, kind := range []string{"starlark", "python", "exec", "go"} {
		if c.places[kind] != nil {
			kinds = append(kinds, kind)
		}
	}
	switch {
	case len(r.problems) > before:
		return nil, ""
	case len(kinds) != 1:
		r.problem(n, "%s names %d resolvers: want one, %s", what, len(kinds), want)
		return nil, ""
	}
	for key, kinds2 := range fitting {
		if at := c.places[key]; at != nil && !slices.Contains(kinds2, kinds[0]) {
			r.problem(at, "%s of %s means nothing for %s: it is for %s", key, what, kinds[0], orList(kinds2))
		}
	}
	if len(r.problems) > before {
		return nil, ""
	}
	make := r.made
	if r.trial != nil {
		make = r.borrowed
	}
	made, name, err := make(c, kinds[0], what, plain)
	if err != nil {
		r.problem(c.places[kinds[0]], "%s: %v", what, err)
		return nil, ""
	}
	r.parts.resolvers[c.text()] = made
	return r.meter.Wrap(by, made), name
}

// fitting says which kinds of resolver a key is for, where it is not for all.
var fitting = map[string][]string{
	"interpreter": {"python"},
	"function":    {"starlark", "python"},
	"steps":       {"starlark"},
	"memory":      {"starlark", "python", "exec"},
	"workers":     {"python", "exec"},
	"max_output":  {"starlark", "python", "exec"},
}

// custom reads the keys of a resolver.
func (r *reader) custom(n *yaml.Node, what string) custom {
	c := custom{places: map[string]*yaml.Node{}}
	at := func(key string, read func(v *yaml.Node, what string)) setting {
		return setting{key: key, read: func(v *yaml.Node) {
			c.places[key] = v
			read(v, key+" of "+what)
		}}
	}
	r.section(n, what,
		at("starlark", func(v *yaml.Node, what string) { c.starlark = r.text(v, what, "a file in the policy's folder") }),
		at("python", func(v *yaml.Node, what string) { c.python = r.text(v, what, "a file in the policy's folder") }),
		at("exec", func(v *yaml.Node, what string) {
			for _, item := range r.list(v, what, "[node, resolve.js]") {
				c.exec = append(c.exec, r.text(item, "a word of "+what, "a program or an argument of it"))
			}
			if len(c.exec) == 0 && v.Kind == yaml.SequenceNode {
				r.problem(v, "%s is an empty list: want a program and its arguments, such as [node, resolve.js]", what)
			}
		}),
		at("go", func(v *yaml.Node, what string) {
			c.golang = r.text(v, what, "the name of a resolver that the program brings")
		}),
		at("function", func(v *yaml.Node, what string) { c.function = r.text(v, what, "a function's name, such as resolve") }),
		at("interpreter", func(v *yaml.Node, what string) {
			c.interpreter = r.text(v, what, "a program, such as .venv/bin/python")
		}),
		at("timeout", func(v *yaml.Node, what string) { c.timeout = r.duration(v, what) }),
		at("memory", func(v *yaml.Node, what string) { c.memory = r.size(v, what) }),
		at("max_output", func(v *yaml.Node, what string) { c.output = r.size(v, what) }),
		at("steps", func(v *yaml.Node, what string) { c.steps = uint64(r.count(v, what, maxSteps)) }),
		at("workers", func(v *yaml.Node, what string) { c.workers = int(r.count(v, what, maxWorkers)) }),
	)
	return c
}

// made makes a resolver, and its name for people.
func (r *reader) made(c custom, kind, what string, plain *merge.Rule) (couchmend.Resolver, string, error) {
	named := Problem{r.file, c.places[kind].Line, c.places[kind].Column, what + ": "}
	limits := resolver.ProcessOptions{
		Dir: r.dir, Workers: c.workers, Timeout: c.timeout, Memory: c.memory, MaxOutput: c.output, Log: r.options.Log,
	}
	switch kind {
	case "starlark":
		s, err := r.starlark(c, plain)
		if err != nil {
			return nil, "", err
		}
		maps.Copy(r.files, s.Files())
		return s, c.name(kind), nil
	case "python":
		p, err := resolver.NewPython(resolver.PythonOptions{ProcessOptions: limits, File: c.python, Function: c.function, Interpreter: c.interpreter})
		if err != nil {
			return nil, "", err
		}
		maps.Copy(r.files, p.Files())
		r.processes = append(r.processes, process{p, named})
		return p, c.name(kind), nil
	case "exec":
		e, err := resolver.NewExec(resolver.ExecOptions{ProcessOptions: limits, Command: c.exec})
		if err != nil {
			return nil, "", err
		}
		maps.Copy(r.files, e.Files())
		r.processes = append(r.processes, process{e, named})
		return e, c.name(kind), nil
	}
	g := r.options.Resolvers[c.golang]
	if g == nil {
		return nil, "", r.noSuchResolver(c.golang)
	}
	return resolver.Twice(limited(g, c.timeout)), c.name(kind), nil
}

// name is what people call the resolver.
func (c custom) name(kind string) string {
	named := map[string]string{"starlark": c.starlark, "python": c.python, "exec": strings.Join(c.exec, " "), "go": c.golang}
	return kind + " " + named[kind]
}

func (r *reader) starlark(c custom, plain *merge.Rule) (*resolver.Starlark, error) {
	return resolver.NewStarlark(resolver.StarlarkOptions{
		Dir: r.dir, File: c.starlark, Function: c.function, Steps: c.steps, Timeout: c.timeout, Memory: c.memory, MaxOutput: c.output,
		Print: r.printed(c.starlark),
		Merge3: func(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
			return merge.Three(ctx, plain, base, revisions)
		},
	})
}

// printed returns what takes the lines that a script prints: the log, at debug
// level.
func (r *reader) printed(file string) func(line string) {
	if r.options.Log == nil {
		return nil
	}
	return func(line string) { r.options.Log.Debug("printed by a resolver", "file", file, "line", line) }
}

func (r *reader) noSuchResolver(name string) error {
	known := slices.Sorted(maps.Keys(r.options.Resolvers))
	if len(known) == 0 {
		return fmt.Errorf("this program brings no resolver called %q: resolvers in Go are for programs that embed couchmend (mend.Options.Resolvers)", name)
	}
	return fmt.Errorf("this program brings no resolver called %q: it has %s", name, orList(known))
}

// defaultTimeout is how long a resolver may take for one question.
const defaultTimeout = 5 * time.Second

// limited gives a resolver in Go a context that ends in time. It can't be
// stopped against its will.
func limited(g couchmend.Resolver, timeout time.Duration) couchmend.Resolver {
	if timeout == 0 {
		timeout = defaultTimeout
	}
	return limitedResolver{g, timeout}
}

type limitedResolver struct {
	couchmend.Resolver
	timeout time.Duration
}

func (l limitedResolver) Resolve(outer context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(outer, l.timeout)
	defer cancel()
	answer, err := l.Resolver.Resolve(ctx, base, revisions)
	if err != nil && ctx.Err() != nil && outer.Err() == nil {
		err = &couchmend.ResolverError{Reason: couchmend.ReasonResolverTimeout, Err: fmt.Errorf("it ran past its limit of %v: %w", l.timeout, err)}
	}
	return answer, err
}

// schema reads the files of JSON Schemas: one for leaves and merge, or one for
// each.
func (r *reader) schema(n *yaml.Node, what string, rule *Rule) {
	if n.Kind != yaml.MappingNode {
		rule.LeafSchema = r.schemaFile(n, what)
		rule.MergedSchema = rule.LeafSchema
	} else {
		r.section(n, what,
			setting{key: "leaves", read: func(v *yaml.Node) { rule.LeafSchema = r.schemaFile(v, "leaves of "+what) }},
			setting{key: "merged", read: func(v *yaml.Node) { rule.MergedSchema = r.schemaFile(v, "merged of "+what) }},
		)
		if len(n.Content) == 0 {
			r.problem(n, "%s is empty: want a file, or {leaves: FILE, merged: FILE}", what)
		}
	}
	if rule.LeafSchema != nil {
		rule.Leaves = rule.LeafSchema.Check
	}
	if rule.MergedSchema != nil {
		rule.Merged = rule.MergedSchema.Check
	}
}

func (r *reader) schemaFile(n *yaml.Node, what string) *schema.Schema {
	file := r.text(n, what, "a JSON Schema's file in the policy's folder, such as schemas/report.json")
	if file == "" {
		return nil
	}
	compile := schema.Compile
	if r.trial != nil {
		compile = r.trial.schema
	}
	s, err := compile(r.dir, file)
	if err != nil {
		r.problem(n, "%s: %v", what, err)
		return nil
	}
	r.parts.schemas[file] = s
	maps.Copy(r.files, s.Files())
	return s
}

// duration reads a time limit, such as 500ms or 5s.
func (r *reader) duration(n *yaml.Node, what string) time.Duration {
	const want = "a time such as 500ms or 5s, at most 1m"
	text := r.text(n, what, want)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond || d > maxTimeout {
		r.problem(n, "%s is %q: want %s", what, text, want)
		return 0
	}
	return d
}

// count reads a whole number from 1 to most.
func (r *reader) count(n *yaml.Node, what string, most int64) int64 {
	want := fmt.Sprintf("a whole number from 1 to %d", most)
	text := r.text(n, what, want)
	if text == "" {
		return 0
	}
	count, err := strconv.ParseInt(text, 10, 64)
	if err != nil || count < 1 || count > most {
		r.problem(n, "%s is %q: want %s", what, text, want)
		return 0
	}
	return count
}
