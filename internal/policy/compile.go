package policy

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// compiler makes a Selector out of YAML nodes.
type compiler struct {
	*reader
	what   string // `when in rule "reports"`
	usesID bool
	// nested is how many $elemMatch, $allMatch and $keyMapMatch are open. In
	// them CouchDB negates the whole of what $not holds.
	nested int
}

// selector reads a Mango selector; the zero Selector where it is malformed.
func (r *reader) selector(n *yaml.Node, what string) Selector {
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want a Mango selector, such as {type: data_record}", what, kindOf(n))
		return Selector{}
	}
	c := &compiler{reader: r, what: what}
	text := c.json(n)
	if string(text) == "{}" {
		return Selector{}
	}
	before := len(r.problems)
	match := c.conjunction(n, nil, false)
	if len(r.problems) > before {
		return Selector{}
	}
	return Selector{match: match, text: string(text), usesID: c.usesID}
}

// conjunction compiles the entries of n, all of which must hold at path; or,
// where negate is set, not all of which may.
func (c *compiler) conjunction(n *yaml.Node, path merge.Path, negate bool) condition {
	var parts []condition
	for _, e := range c.entries(n, c.what) {
		parts = append(parts, c.part(e, path, negate))
	}
	return combine(parts, negate)
}

// combine joins negated parts by De Morgan's laws.
func combine(parts []condition, negated bool) condition {
	if negated {
		return either(parts)
	}
	return all(parts)
}

// part compiles one entry: a combination, an operator or a field.
func (c *compiler) part(e entry, path merge.Path, negate bool) condition {
	op := e.key.Value
	switch {
	case op == "$and":
		return combine(c.each(e, path, negate), negate)
	case op == "$or":
		return combine(c.each(e, path, negate), !negate)
	case op == "$nor" && c.nested == 0:
		return combine(c.each(e, path, !negate), negate)
	case op == "$nor":
		return unless(either(c.each(e, path, false)), !negate)
	case op == "$not":
		return c.negation(e, path, negate)
	case strings.HasPrefix(op, "$"):
		return c.operator(e, path, negate)
	}
	path = c.field(e.key, path)
	if e.value.Kind == yaml.MappingNode && len(e.value.Content) > 0 {
		return c.conjunction(e.value, path, negate)
	}
	want := c.json(e.value)
	return at(path, unless(func(v jsondoc.Value) bool { return collate(v, want) == 0 }, negate))
}

// unless returns the condition, or its opposite where negate is set.
func unless(cond condition, negate bool) condition {
	if negate {
		return not(cond)
	}
	return cond
}

// each compiles the selectors of a $and, $or or $nor.
func (c *compiler) each(e entry, path merge.Path, negate bool) []condition {
	what := e.key.Value + " in " + c.what
	items := c.list(e.value, what, "[{type: person}, {type: clinic}]")
	if len(items) == 0 && e.value.Kind == yaml.SequenceNode {
		c.problem(e.value, "%s is an empty list, which matches everything: take it out", what)
	}
	var parts []condition
	for _, item := range items {
		parts = append(parts, c.inner(item, what, path, negate))
	}
	return parts
}

// inner compiles a selector that an operator holds.
func (c *compiler) inner(n *yaml.Node, what string, path merge.Path, negate bool) condition {
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		kind := kindOf(n)
		if n.Kind == yaml.MappingNode {
			kind = "an empty selector"
		}
		c.problem(n, "%s holds what is %s: want a selector, such as {type: person}", what, kind)
		return all(nil)
	}
	return c.conjunction(n, path, negate)
}

func (c *compiler) negation(e entry, path merge.Path, negate bool) condition {
	what := "$not in " + c.what
	if c.nested > 0 {
		return unless(c.inner(e.value, what, path, false), !negate)
	}
	return c.inner(e.value, what, path, !negate)
}

// field returns path with the names of one more key below it.
func (c *compiler) field(key *yaml.Node, path merge.Path) merge.Path {
	names := merge.ParsePath(key.Value)
	switch {
	case slices.Contains(names, ""):
		c.problem(key, "field %q in %s: a name in it is empty; a dot that belongs to a name is written %q", key.Value, c.what, `\.`)
	case len(path) > 0 || c.nested > 0 || !strings.HasPrefix(names[0], "_"):
	case names[0] == "_id":
		c.usesID = true
	default:
		c.problem(key, "field %q in %s: of CouchDB's own members only _id can be selected by", key.Value, c.what)
	}
	return append(slices.Clip(path), names...)
}

// operator compiles one comparison at path.
func (c *compiler) operator(e entry, path merge.Path, negate bool) condition {
	op := e.key.Value
	compile, ok := operators()[op]
	switch {
	case !ok:
		c.unknownOperator(e.key)
	case len(path) == 0 && c.nested == 0:
		c.problem(e.key, "%s in %s stands without a field: want {field: {%s: …}}", op, c.what, op)
	case op == "$exists":
		want := c.json(e.value)
		if k := want.Kind(); k != 't' && k != 'f' {
			c.wrongArgument(e, "true or false")
		}
		return exists(path, (want.Kind() == 't') != negate)
	default:
		return at(path, unless(compile(c, e), negate))
	}
	return all(nil)
}

func (c *compiler) unknownOperator(key *yaml.Node) {
	known := append(slices.Collect(maps.Keys(operators())), "$and", "$or", "$nor", "$not")
	slices.Sort(known)
	if near := nearest(key.Value, known); near != "" {
		c.problem(key, "unknown operator %q in %s: did you mean %q?", key.Value, c.what, near)
		return
	}
	c.problem(key, "unknown operator %q in %s: the operators are %s", key.Value, c.what, strings.Join(known, " "))
}

func (c *compiler) wrongArgument(e entry, want string) {
	c.problem(e.value, "%s in %s: want %s", e.key.Value, c.what, want)
}

// json returns what a node says as JSON. Text in quotes is a string. Of the
// rest true, false, null and JSON's numbers are what they look like, digit by
// digit; all else is a string.
func (c *compiler) json(n *yaml.Node) jsondoc.Value {
	switch n.Kind {
	case yaml.MappingNode:
		var members []jsondoc.Member
		for _, e := range c.entries(n, c.what) {
			members = append(members, jsondoc.Member{Name: e.key.Value, Value: c.json(e.value)})
		}
		return jsondoc.Object(members)
	case yaml.SequenceNode:
		elements := make([]jsondoc.Value, len(n.Content))
		for i, item := range n.Content {
			elements[i] = c.json(resolved(item))
		}
		return jsondoc.Array(elements)
	}
	return c.scalar(n)
}

const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

func (c *compiler) scalar(n *yaml.Node) jsondoc.Value {
	if n.Style&(quoted|yaml.TaggedStyle) != 0 {
		return jsondoc.String(n.Value)
	}
	switch n.Tag {
	case "!!null":
		return jsondoc.Value("null")
	case "!!bool":
		return jsondoc.Value(strings.ToLower(n.Value))
	}
	if v, err := jsondoc.Parse([]byte(n.Value)); err == nil && v.Kind() == '0' {
		if _, ok := jsondoc.Number(v); !ok {
			c.problem(n, "%s in %s is a number that no CouchDB stores", n.Value, c.what)
		}
		return v
	}
	if n.Tag == "!!int" || n.Tag == "!!float" || slices.Contains(yaml11Bools, strings.ToLower(n.Value)) {
		c.warn(n, "%s in %s is the text %s: put it into quotes, or write true, false or a number as JSON does",
			n.Value, c.what, strconv.Quote(n.Value))
	}
	return jsondoc.String(n.Value)
}

// yaml11Bools are what older YAML takes for true and false.
var yaml11Bools = []string{"yes", "no", "on", "off"}
