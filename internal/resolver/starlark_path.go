package resolver

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/couchmend/couchmend/internal/merge"
)

// get is what stands at a path, through objects alone.
func (c *call) get(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var doc starlark.Value
	var path string
	var otherwise starlark.Value = starlark.None
	if err := starlark.UnpackArgs("get", args, kwargs, "doc", &doc, "path", &path, "default?", &otherwise); err != nil {
		return nil, err
	}
	if v, ok := at(doc, merge.ParsePath(path)); ok {
		return v, nil
	}
	return otherwise, nil
}

func (c *call) has(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var doc starlark.Value
	var path string
	if err := starlark.UnpackArgs("has", args, kwargs, "doc", &doc, "path", &path); err != nil {
		return nil, err
	}
	_, ok := at(doc, merge.ParsePath(path))
	return starlark.Bool(ok), nil
}

func at(v starlark.Value, path merge.Path) (starlark.Value, bool) {
	for _, name := range path {
		dict, ok := v.(*starlark.Dict)
		if !ok {
			return nil, false
		}
		if v, ok, _ = dict.Get(starlark.String(name)); !ok {
			return nil, false
		}
	}
	return v, true
}

// set puts a value at a path. It hides Starlark's own function of this name,
// and does its work where it is called like that one.
func (c *call) set(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args)+len(kwargs) <= 1 {
		return starlark.Universe["set"].(*starlark.Builtin).CallInternal(c.thread, args, kwargs)
	}
	var doc *starlark.Dict
	var path string
	var v starlark.Value
	if err := starlark.UnpackArgs("set", args, kwargs, "doc", &doc, "path", &path, "value", &v); err != nil {
		return nil, err
	}
	names := merge.ParsePath(path)
	last := len(names) - 1
	for i, name := range names[:last] {
		below, ok, _ := doc.Get(starlark.String(name))
		if !ok {
			below = new(starlark.Dict)
			if err := doc.SetKey(starlark.String(name), below); err != nil {
				return nil, fmt.Errorf("set %s: %w", path, err)
			}
		}
		if doc, ok = below.(*starlark.Dict); !ok {
			return nil, fmt.Errorf("set %s: %s is a %s, not an object", path, names[:i+1], below.Type())
		}
	}
	if err := doc.SetKey(starlark.String(names[last]), v); err != nil {
		return nil, fmt.Errorf("set %s: %w", path, err)
	}
	return starlark.None, nil
}

// delete removes what stands at a path, and says whether there was anything.
func (c *call) delete(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var doc starlark.Value
	var path string
	if err := starlark.UnpackArgs("delete", args, kwargs, "doc", &doc, "path", &path); err != nil {
		return nil, err
	}
	names := merge.ParsePath(path)
	last := len(names) - 1
	above, _ := at(doc, names[:last])
	dict, ok := above.(*starlark.Dict)
	if !ok {
		return starlark.False, nil
	}
	_, found, err := dict.Delete(starlark.String(names[last]))
	if err != nil {
		return nil, fmt.Errorf("delete %s: %w", path, err)
	}
	return starlark.Bool(found), nil
}

// copy is a copy of a value and all that it holds, which can be changed.
func (c *call) copy(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x starlark.Value
	if err := starlark.UnpackArgs("copy", args, kwargs, "x", &x); err != nil {
		return nil, err
	}
	room := copyRoom{values: int(c.gulp() / slot)}
	return room.copy(x)
}

// copyRoom is how much a copy may still hold: a value that is held twice is
// copied twice.
type copyRoom struct{ values, depth int }

func (r *copyRoom) copy(v starlark.Value) (starlark.Value, error) {
	r.depth++
	defer func() { r.depth-- }()
	if r.values -= max(starlark.Len(v), 0); r.values < 0 || r.depth > maxDepth {
		return nil, tooMuch("copy: it holds too many values, or itself")
	}
	switch v := v.(type) {
	case *starlark.Dict:
		dict := starlark.NewDict(v.Len())
		for key, value := range v.Entries() {
			value, err := r.copy(value)
			if err == nil {
				err = dict.SetKey(key, value)
			}
			if err != nil {
				return nil, err
			}
		}
		return dict, nil
	case *starlark.List:
		elements, err := r.elements(v)
		return starlark.NewList(elements), err
	case starlark.Tuple:
		elements, err := r.elements(v)
		return starlark.Tuple(elements), err
	}
	return v, nil
}

func (r *copyRoom) elements(list starlark.Indexable) ([]starlark.Value, error) {
	elements := make([]starlark.Value, list.Len())
	var err error
	for i := range elements {
		if elements[i], err = r.copy(list.Index(i)); err != nil {
			return nil, err
		}
	}
	return elements, nil
}
