package collision

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/policy"
)

// MaxFile is the size of the largest plan's file that is read, in bytes.
const MaxFile = 16 << 20

// Head is what a plan's file is about: what Make is asked for before Read.
type Head struct {
	DB, ID string
	Keep   couchmend.Rev
}

// ReadHead reads what a plan's file, called name in messages, is about. Errors
// are those of Plan.Read.
func ReadHead(name string, text []byte) (Head, error) {
	r := &reader{file: name}
	var h Head
	if top := r.top(text); top != nil {
		h.DB, h.ID = r.text(top, "db"), r.text(top, "id")
		for _, v := range r.list(top, "versions") {
			if find(v, "fate") != nil && r.text(v, "fate") == (Version{Keep: true}).fate() {
				h.Keep = r.rev(find(v, "root"), r.text(v, "root"))
			}
		}
	}
	return h, r.fault()
}

// Read returns the plan, which was made anew, with the decisions of a file that
// File wrote and a person edited. The references are those of the file. Every
// mistake is told with its line and column: the error is of KindUsage and wraps
// policy.Problems. It is of KindConflict where the file is of other leaves or
// makes other documents: the document or the policy has changed (I3).
func (p Plan) Read(name string, text []byte) (Plan, error) {
	r := &reader{file: name}
	top := r.top(text)
	if top == nil {
		return Plan{}, r.fault()
	}
	r.known(top, "db", "id", "leaves", "dead", "versions", "references")
	r.same(top, "db", p.DB)
	r.same(top, "id", p.ID)
	live, dead := r.revs(top, "leaves"), r.revs(top, "dead")
	made := r.versions(top)
	p.References = r.references(top, p)
	if err := r.fault(); err != nil {
		return Plan{}, err
	}
	was := Plan{DB: p.DB, ID: p.ID, Leaves: live, Dead: dead}
	if err := was.Stands(p.Leaves, p.Dead); err != nil {
		return Plan{}, err
	}
	if !slices.Equal(made, versionLines(p.versionNodes())) {
		return Plan{}, p.fault(couchmend.KindConflict, "%s is of other versions than the document has by the policy now: make the plan anew", name)
	}
	return p, nil
}

// reader reads a plan's file. It goes on after a mistake, so that all of them
// are told at once.
type reader struct {
	file     string
	problems policy.Problems
}

func (r *reader) problem(at *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, policy.Problem{File: r.file, Line: at.Line, Column: at.Column, Text: fmt.Sprintf(format, args...)})
}

func (r *reader) fault() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortFunc(r.problems, func(a, b policy.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	return &couchmend.Error{Op: "read plan", Kind: couchmend.KindUsage, Err: slices.Compact(r.problems)}
}

func (r *reader) top(text []byte) *yaml.Node {
	top, problems := policy.ReadYAML(r.file, text, MaxFile)
	r.problems = append(r.problems, problems...)
	switch {
	case top == nil && len(problems) == 0:
		r.problem(&yaml.Node{Line: 1, Column: 1}, "the file is empty: it is no plan")
	case top != nil && top.Kind != yaml.MappingNode:
		r.problem(top, "this is no plan: want db, id, leaves, dead, versions and references")
		return nil
	}
	return top
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// find returns what a mapping has under a name; nil where it has nothing.
func find(n *yaml.Node, name string) *yaml.Node {
	if n = follow(n); n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if follow(n.Content[i]).Value == name {
			return follow(n.Content[i+1])
		}
	}
	return nil
}

// known refuses names that mean nothing, and those that stand twice.
func (r *reader) known(n *yaml.Node, names ...string) {
	if n = follow(n); n.Kind != yaml.MappingNode {
		r.problem(n, "want a mapping with the keys %s", strings.Join(names, ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := follow(n.Content[i])
		switch {
		case !slices.Contains(names, key.Value):
			r.problem(n.Content[i], "unknown key %q: its keys are %s", key.Value, strings.Join(names, ", "))
		case seen[key.Value]:
			r.problem(n.Content[i], "key %q stands twice", key.Value)
		}
		seen[key.Value] = true
	}
}

// text reads a single value; "" where there is none.
func (r *reader) text(n *yaml.Node, name string) string {
	switch v := find(n, name); {
	case v == nil:
		r.problem(follow(n), "%s is missing", name)
	case v.Kind != yaml.ScalarNode || v.Tag == "!!null":
		r.problem(v, "%s is no text", name)
	default:
		return v.Value
	}
	return ""
}

// same demands a value that the plan has, too.
func (r *reader) same(n *yaml.Node, name, want string) {
	if got := r.text(n, name); got != want && got != "" {
		r.problem(find(n, name), "%s is %q, and the plan is of %q", name, got, want)
	}
}

func (r *reader) list(n *yaml.Node, name string) []*yaml.Node {
	v := find(n, name)
	switch {
	case v == nil:
		r.problem(follow(n), "%s is missing", name)
		return nil
	case v.Kind != yaml.SequenceNode:
		r.problem(v, "%s is no list", name)
		return nil
	}
	return v.Content
}

func (r *reader) rev(at *yaml.Node, text string) couchmend.Rev {
	rev, err := couchmend.ParseRev(text)
	if err != nil && text != "" {
		r.problem(at, "%v", err)
	}
	return rev
}

func (r *reader) revs(n *yaml.Node, name string) []couchmend.Rev {
	var revs []couchmend.Rev
	for _, item := range r.list(n, name) {
		revs = append(revs, r.rev(item, follow(item).Value))
	}
	return revs
}

// versions reads the versions, to be compared with the plan's.
func (r *reader) versions(top *yaml.Node) []string {
	for _, v := range r.list(top, "versions") {
		r.known(v, "name", "root", "leaves", "new_id", "rev", "fate")
	}
	return versionLines(find(top, "versions"))
}

// versionLines are what a plan's file says of the versions, in a form to compare.
func versionLines(n *yaml.Node) []string {
	if n == nil {
		return nil
	}
	var lines []string
	for _, v := range n.Content {
		line := ""
		for _, name := range []string{"name", "root", "new_id", "rev", "fate"} {
			if at := find(v, name); at != nil {
				line += name + " " + strconv.Quote(at.Value) + " "
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func (r *reader) references(top *yaml.Node, p Plan) []Repoint {
	var all []Repoint
	for _, n := range r.list(top, "references") {
		r.known(n, "db", "at", "kind", "in", "losing", "to", "suggested", "confidence", "reason", "docs")
		all = append(all, r.group(follow(n), p)...)
	}
	slices.SortFunc(all, func(a, b Repoint) int { return a.compare(b.Reference) })
	for i := 1; i < len(all); i++ {
		if one := all[i]; one.compare(all[i-1].Reference) == 0 {
			r.problem(find(top, "references"), "the reference at %s of %s@%s stands there twice", one.Place, one.Doc, one.Rev)
		}
	}
	return all
}

// group reads references that differ in their documents alone.
func (r *reader) group(n *yaml.Node, p Plan) []Repoint {
	one := Repoint{Reference: Reference{DB: r.text(n, "db"), Place: r.place(n), ID: p.ID, Kind: Value, Losing: find(n, "losing") != nil}, Old: p.ID}
	if kind := find(n, "kind"); kind != nil {
		if one.Kind = Kind(kind.Value); one.Kind != Key && one.Kind != DocID && one.Kind != Value {
			r.problem(kind, "kind is %q: want %s, %s or %s", kind.Value, Value, Key, DocID)
		}
	}
	if in := find(n, "in"); in != nil {
		one.Part, one.Old = true, in.Value
	}
	to, suggested := r.text(n, "to"), r.text(n, "suggested")
	one.Confidence, one.Reason = r.confidence(n), r.text(n, "reason")
	if suggested != ask {
		one.To = suggested
	}
	var all []Repoint
	for _, item := range r.list(n, "docs") {
		doc := follow(item)
		i := strings.LastIndexByte(doc.Value, '@')
		if i < 1 {
			r.problem(item, "%q is no document: want its id, @ and the revision", doc.Value)
			continue
		}
		one.Doc, one.Rev = doc.Value[:i], r.rev(item, doc.Value[i+1:])
		one.Design = strings.HasPrefix(one.Doc, "_design/")
		one.Self = one.DB == p.DB && slices.ContainsFunc(p.Versions, func(v Version) bool { return v.NewID == one.Doc })
		all = append(all, r.decided(find(n, "to"), one, to, p))
	}
	return all
}

// decided gives a reference what a file says that it means.
func (r *reader) decided(at *yaml.Node, one Repoint, to string, p Plan) Repoint {
	asked := one
	if to == ask {
		asked.To, asked.Confidence = "", Unclear
		return asked
	}
	asked, err := p.Answer(one, to)
	switch {
	case err != nil && at != nil && to != "":
		r.problem(at, "%v", errors.Unwrap(err))
	case one.To == to: // as it was suggested
		asked.Confidence, asked.Reason = one.Confidence, one.Reason
	}
	return asked
}

func (r *reader) confidence(n *yaml.Node) Confidence {
	c := Confidence(r.text(n, "confidence"))
	if !slices.Contains([]Confidence{Sure, Likely, Unclear, ""}, c) {
		r.problem(find(n, "confidence"), "confidence is %q: want %s, %s or %s", c, Sure, Likely, Unclear)
	}
	return c
}

func (r *reader) place(n *yaml.Node) Place {
	var place Place
	items := r.list(n, "at")
	if at := find(n, "at"); at != nil && at.Kind == yaml.SequenceNode && len(items) == 0 {
		r.problem(at, "at is an empty list: want the way to the reference, such as [fields, patient_id]")
	}
	for _, item := range items {
		step := follow(item)
		i, err := strconv.Atoi(step.Value)
		switch {
		case step.Kind != yaml.ScalarNode:
			r.problem(item, "a step of at is no text and no number")
		case step.Tag == "!!int" && (err != nil || i < 0):
			r.problem(item, "%q is no number of an element", step.Value)
		case step.Tag == "!!int":
			place = append(place, Step{Index: i, Element: true})
		default:
			place = append(place, Step{Name: step.Value})
		}
	}
	return place
}
