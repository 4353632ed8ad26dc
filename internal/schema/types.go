package schema

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxDepth bounds how far $refs are followed: they may lead in circles.
const maxDepth = 32

// TypesAt returns the JSON types that the schema allows for the value at names
// from the top of a document ("string", "number", "integer", "object", "array",
// "boolean", "null"), sorted; nil where it does not say. "*" stands for any
// element of an array or member of an object.
func (s *Schema) TypesAt(names ...string) []string {
	var found []string
	for _, sub := range below([]*jsonschema.Schema{s.root}, names) {
		if sub.Types != nil {
			found = append(found, sub.Types.ToStrings()...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Properties returns the members that the schema names in the object at names
// from the top of a document, sorted.
func (s *Schema) Properties(names ...string) []string {
	var found []string
	for _, sub := range below([]*jsonschema.Schema{s.root}, names) {
		for name := range sub.Properties {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// speaksOf reports whether the schema names or requires a member of the
// document itself.
func (s *Schema) speaksOf(name string) bool {
	return slices.ContainsFunc(below([]*jsonschema.Schema{s.root}, nil), func(sub *jsonschema.Schema) bool {
		return sub.Properties[name] != nil || slices.Contains(sub.Required, name)
	})
}

// below returns all schemas that speak of the values at names under schemas.
func below(schemas []*jsonschema.Schema, names []string) []*jsonschema.Schema {
	all := spread(schemas)
	if len(names) == 0 {
		return all
	}
	var next []*jsonschema.Schema
	for _, s := range all {
		next = append(next, member(s, names[0])...)
	}
	if len(next) == 0 {
		return nil
	}
	return below(next, names[1:])
}

// member returns the schemas of one member of an object, or of an array's
// elements.
func member(s *jsonschema.Schema, name string) []*jsonschema.Schema {
	var found []*jsonschema.Schema
	if sub := s.Properties[name]; sub != nil {
		found = append(found, sub)
	}
	if name != "*" {
		return found
	}
	for _, sub := range s.Properties {
		found = append(found, sub)
	}
	for _, items := range []any{s.Items, s.Items2020, s.AdditionalProperties} {
		switch items := items.(type) {
		case *jsonschema.Schema:
			if items != nil {
				found = append(found, items)
			}
		case []*jsonschema.Schema:
			found = append(found, items...)
		}
	}
	return append(found, s.PrefixItems...)
}

// spread returns schemas with all that speak of the same value through $ref,
// allOf, anyOf, oneOf, then and else.
func spread(schemas []*jsonschema.Schema) []*jsonschema.Schema {
	var all []*jsonschema.Schema
	seen := map[*jsonschema.Schema]bool{}
	for depth := 0; len(schemas) > 0 && depth < maxDepth; depth++ {
		var next []*jsonschema.Schema
		for _, s := range schemas {
			if s == nil || seen[s] {
				continue
			}
			seen[s] = true
			all = append(all, s)
			next = append(next, s.Ref, s.Then, s.Else, s.RecursiveRef)
			next = append(next, slices.Concat(s.AllOf, s.AnyOf, s.OneOf)...)
		}
		schemas = next
	}
	return all
}
