package policy

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// operator compiles the condition that e's operator puts on a single value.
type operator func(c *compiler, e entry) condition

// operators are all that may stand beside a field. It is a function because
// some of them hold selectors, and so operators, themselves.
func operators() map[string]operator {
	return map[string]operator{
		"$eq":          comparison(func(order int) bool { return order == 0 }),
		"$ne":          comparison(func(order int) bool { return order != 0 }),
		"$gt":          comparison(func(order int) bool { return order > 0 }),
		"$gte":         comparison(func(order int) bool { return order >= 0 }),
		"$lt":          comparison(func(order int) bool { return order < 0 }),
		"$lte":         comparison(func(order int) bool { return order <= 0 }),
		"$exists":      nil, // compiled with its path: it alone speaks of values that are not there
		"$type":        ofType,
		"$in":          oneOfValues,
		"$nin":         func(c *compiler, e entry) condition { return not(oneOfValues(c, e)) },
		"$all":         containsAll,
		"$size":        ofSize,
		"$mod":         remainder,
		"$regex":       matching,
		"$beginsWith":  beginning,
		"$elemMatch":   elements(anyOf),
		"$allMatch":    elements(eachOf),
		"$keyMapMatch": anyKey,
	}
}

func comparison(holds func(order int) bool) operator {
	return func(c *compiler, e entry) condition {
		want := c.json(e.value)
		return func(v jsondoc.Value) bool { return holds(collate(v, want)) }
	}
}

// types are Mango's names for the kinds of jsondoc.Value.
var types = map[string]string{"null": "n", "boolean": "tf", "number": "0", "string": `"`, "array": "[", "object": "{"}

func ofType(c *compiler, e entry) condition {
	kinds, ok := types[e.value.Value]
	if !ok || e.value.Kind != yaml.ScalarNode {
		c.wrongArgument(e, "null, boolean, number, string, array or object")
	}
	return func(v jsondoc.Value) bool { return strings.IndexByte(kinds, v.Kind()) >= 0 }
}

// values reads an operator's list of any values.
func (c *compiler) values(e entry) []jsondoc.Value {
	var values []jsondoc.Value
	for _, item := range c.list(e.value, e.key.Value+" in "+c.what, "[person, clinic]") {
		values = append(values, c.json(item))
	}
	return values
}

func contains(values []jsondoc.Value, v jsondoc.Value) bool {
	return slices.ContainsFunc(values, func(w jsondoc.Value) bool { return collate(v, w) == 0 })
}

// oneOfValues is $in. An array satisfies it with any of its elements, and
// never as a whole.
func oneOfValues(c *compiler, e entry) condition {
	values := c.values(e)
	return func(v jsondoc.Value) bool {
		if v.Kind() == '[' {
			return slices.ContainsFunc(v.Elements(), func(element jsondoc.Value) bool { return contains(values, element) })
		}
		return contains(values, v)
	}
}

// containsAll is $all: an array that has each of the values, or is the only
// one of them. No array has all of an empty list.
func containsAll(c *compiler, e entry) condition {
	values := c.values(e)
	return func(v jsondoc.Value) bool {
		if v.Kind() != '[' || len(values) == 0 {
			return false
		}
		if len(values) == 1 && values[0].Kind() == '[' && collate(v, values[0]) == 0 {
			return true
		}
		elements := v.Elements()
		return !slices.ContainsFunc(values, func(want jsondoc.Value) bool { return !contains(elements, want) })
	}
}

func ofSize(c *compiler, e entry) condition {
	size, err := strconv.ParseUint(e.value.Value, 10, 31)
	if err != nil || e.value.Kind != yaml.ScalarNode {
		c.wrongArgument(e, "a number of elements, such as 2")
	}
	return func(v jsondoc.Value) bool { return v.Kind() == '[' && uint64(len(v.Elements())) == size }
}

// remainder is $mod. The remainder has the sign of the value, as in Erlang.
func remainder(c *compiler, e entry) condition {
	var numbers []*big.Int
	for _, item := range resolvedContent(e.value) {
		if n := integer(c.json(item)); n != nil {
			numbers = append(numbers, n)
		}
	}
	if e.value.Kind != yaml.SequenceNode || len(e.value.Content) != 2 || len(numbers) != 2 || numbers[0].Sign() == 0 {
		c.wrongArgument(e, "two integers, [divisor, remainder], the divisor not 0")
		return all(nil)
	}
	return func(v jsondoc.Value) bool {
		n := integer(v)
		return n != nil && new(big.Int).Rem(n, numbers[0]).Cmp(numbers[1]) == 0
	}
}

func resolvedContent(n *yaml.Node) []*yaml.Node {
	items := make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		items[i] = resolved(item)
	}
	return items
}

// integer returns the value of a number without a fraction, else nil.
func integer(v jsondoc.Value) *big.Int {
	n, ok := jsondoc.Number(v)
	if !ok || !n.IsInt() {
		return nil
	}
	return n.Num()
}

func matching(c *compiler, e entry) condition {
	re, err := regexp.Compile(e.value.Value)
	if e.value.Kind != yaml.ScalarNode || isNull(e.value) {
		c.wrongArgument(e, `a regular expression (RE2), such as "^report:"`)
		return all(nil)
	}
	if err != nil {
		c.wrongArgument(e, "a regular expression of RE2, which has no lookaround and no backreferences: "+err.Error())
		return all(nil)
	}
	return func(v jsondoc.Value) bool { return v.Kind() == '"' && re.MatchString(v.Text()) }
}

func beginning(c *compiler, e entry) condition {
	if e.value.Kind != yaml.ScalarNode || c.json(e.value).Kind() != '"' {
		c.wrongArgument(e, `text that a string may begin with, such as "report:"`)
	}
	prefix := e.value.Value
	return func(v jsondoc.Value) bool { return v.Kind() == '"' && strings.HasPrefix(v.Text(), prefix) }
}

// elements compiles an operator that asks a selector of an array's elements.
func elements(holds func(elements []jsondoc.Value, c condition) bool) operator {
	return func(c *compiler, e entry) condition {
		element := c.nest(e)
		return func(v jsondoc.Value) bool { return v.Kind() == '[' && holds(v.Elements(), element) }
	}
}

func anyOf(elements []jsondoc.Value, c condition) bool { return slices.ContainsFunc(elements, c) }

// eachOf does not hold for an empty array, as in CouchDB.
func eachOf(elements []jsondoc.Value, c condition) bool {
	return len(elements) > 0 && !slices.ContainsFunc(elements, not(c))
}

// anyKey is $keyMapMatch: one of an object's names satisfies the selector.
func anyKey(c *compiler, e entry) condition {
	key := c.nest(e)
	return func(v jsondoc.Value) bool {
		return slices.ContainsFunc(v.Members(), func(m jsondoc.Member) bool { return key(jsondoc.String(m.Name)) })
	}
}

func (c *compiler) nest(e entry) condition {
	c.nested++
	defer func() { c.nested-- }()
	return c.inner(e.value, e.key.Value+" in "+c.what, nil, false)
}
