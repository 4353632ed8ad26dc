package schema

import (
	"encoding/json"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/couchmend/couchmend/internal/jsondoc"
)

// ValuesAt returns the values that the schema lists for the place at names from
// the top of a document, as const or enum; nil where it lists none.
func (s *Schema) ValuesAt(names ...string) []jsondoc.Value {
	var listed []any
	for _, sub := range below([]*jsonschema.Schema{s.root}, names) {
		if sub.Const != nil {
			listed = append(listed, *sub.Const)
		}
		if sub.Enum != nil {
			listed = append(listed, sub.Enum.Values...)
		}
	}
	var values []jsondoc.Value
	for _, v := range listed {
		if text, err := json.Marshal(v); err == nil {
			values = append(values, text)
		}
	}
	return values
}
