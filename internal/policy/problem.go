package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/resolver"
)

// Problem is one mistake in a policy file. Line and Column count from 1.
type Problem struct {
	File         string
	Line, Column int
	Text         string
}

// Error prints the problem as compilers do: "file:line:column: text".
func (p Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Problems are all the mistakes of a policy file, in the order of its lines.
type Problems []Problem

// Error prints a single problem on one line, several on a line each.
func (ps Problems) Error() string {
	if len(ps) == 1 {
		return ps[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems", len(ps))
	for _, p := range ps {
		b.WriteString("\n" + p.Error())
	}
	return b.String()
}

// sorted returns the problems by position, each once: an anchor's content is
// read wherever an alias names it.
func (ps Problems) sorted() Problems {
	slices.SortFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(ps)
}

// Warning is something that a policy file may say and yet probably does not
// mean. It has the shape of a Problem.
type Warning Problem

// String prints "file:line:column: warning: text".
func (w Warning) String() string {
	return fmt.Sprintf("%s:%d:%d: warning: %s", w.File, w.Line, w.Column, w.Text)
}

// reader turns YAML nodes into the policy's types. It goes on after a mistake,
// so that all of them are told at once.
type reader struct {
	file      string // the name in messages
	dir       string // where relative paths start
	options   Options
	meter     *resolver.Meter
	files     map[string][]byte // that the policy names, with their contents
	processes []process
	parts     parts
	trial     *parts // what a trial may use of the loaded policy; nil: this is none
	problems  Problems
	warnings  Problems
}

func (r *reader) problem(at *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, at.Line, at.Column, fmt.Sprintf(format, args...)})
}

func (r *reader) warn(at *yaml.Node, format string, args ...any) {
	r.warnings = append(r.warnings, Problem{r.file, at.Line, at.Column, fmt.Sprintf(format, args...)})
}
