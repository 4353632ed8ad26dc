package schema

import (
	"encoding/json"
	"strconv"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// native returns a value as the validator takes it. A number whose exponent no
// CouchDB stores is a fault: comparing it exactly would need the memory of all
// its digits.
func native(v jsondoc.Value, at ...string) (any, *couchmend.Violation) {
	switch v.Kind() {
	case '{':
		object := map[string]any{}
		for _, m := range v.Members() {
			value, fault := native(m.Value, append(at, m.Name)...)
			if fault != nil {
				return nil, fault
			}
			object[m.Name] = value
		}
		return object, nil
	case '[':
		elements := v.Elements()
		array := make([]any, len(elements))
		for i, e := range elements {
			value, fault := native(e, append(at, strconv.Itoa(i))...)
			if fault != nil {
				return nil, fault
			}
			array[i] = value
		}
		return array, nil
	case '"':
		return v.Text(), nil
	case '0':
		if _, ok := jsondoc.Number(v); !ok {
			return nil, &couchmend.Violation{Pointer: pointer(at), Message: "this number is beyond what CouchDB stores"}
		}
		return json.Number(v), nil
	case 't', 'f':
		return v.Kind() == 't', nil
	}
	return nil, nil
}
