package policy

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/resolver"
	"github.com/couchmend/couchmend/internal/schema"
)

// parts are what a policy file named beside its text, as the text names it.
type parts struct {
	schemas   map[string]*schema.Schema
	resolvers map[string]couchmend.Resolver // by custom.text
}

func newParts() parts {
	return parts{schemas: map[string]*schema.Schema{}, resolvers: map[string]couchmend.Resolver{}}
}

// Trial reads an edited text of the policy file f, to see what it would do. Who
// wrote the text need not be trusted: it names no file and no program that f
// does not name. Schemas are those that f has read; a `resolver:` must stand in
// f, too, in the same words, and is asked as f's is. What couchdb: says is
// passed over. A nil f names nothing. Name and errors are those of Parse; f must
// not be closed while the result is used, which needs no Close of its own.
func (f *File) Trial(name string, text []byte) (*File, error) {
	r := newReader(name, "", Options{})
	none := newParts()
	if r.trial = &none; f != nil {
		r.dir, r.trial = f.Dir, &f.parts
	}
	return r.read(text)
}

func (p *parts) schema(_, file string) (*schema.Schema, error) {
	if s := p.schemas[file]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("the loaded policy has no schema %s: a trial reads no file that it did not read", file)
}

var errOtherResolver = errors.New("the loaded policy has no resolver that is described like this: a trial runs no other program, nor with other limits")

// borrowed takes a resolver over from the loaded policy. One in Starlark merges
// by the rule that it stands in, which may have been edited, and so is made anew
// from the very same sources.
func (r *reader) borrowed(c custom, kind, _ string, plain *merge.Rule) (couchmend.Resolver, string, error) {
	loaded := r.trial.resolvers[c.text()]
	script, isScript := loaded.(*resolver.Starlark)
	switch {
	case loaded == nil:
		return nil, "", errOtherResolver
	case !isScript:
		return loaded, c.name(kind), nil
	}
	made, err := r.starlark(c, plain)
	if err == nil && !maps.EqualFunc(made.Files(), script.Files(), bytes.Equal) {
		err = fmt.Errorf("%s is no longer what the loaded policy has read: start couchmend anew, then try", c.starlark)
	}
	return made, c.name(kind), err
}

// text is the resolver's description, the same for the same one.
func (c custom) text() string {
	c.places = nil
	return fmt.Sprintf("%#v", c)
}

// HiddenLine stands for each line of what TextWithoutServer leaves out, so that
// the others keep their numbers.
const HiddenLine = "# couchdb: is not shown"

// TextWithoutServer is the file's text for people, without what couchdb: says:
// where secrets are, and who logs in. It is empty where that can't be told apart
// by lines.
func (f *File) TextWithoutServer() string {
	docs, err := parseYAML(f.Text)
	if err != nil || len(docs) == 0 || docs[0].Kind != yaml.MappingNode || docs[0].Style&yaml.FlowStyle != 0 {
		return ""
	}
	lines := bytes.SplitAfter(f.Text, []byte("\n"))
	top := docs[0].Content
	for i := 0; i+1 < len(top); i += 2 {
		key, value, end := top[i], top[i+1], len(lines)
		if i+2 < len(top) {
			end = top[i+2].Line - 1
		}
		switch {
		case key.Tag == "!!merge": // may bring in anything
			return ""
		case key.Value != "couchdb":
		case key.Column != 1, key.Kind != yaml.ScalarNode, value.Kind != yaml.MappingNode, value.Anchor != "":
			return ""
		default:
			hide(lines[key.Line-1 : end])
		}
	}
	return string(bytes.Join(lines, nil))
}

func hide(lines [][]byte) {
	for i, line := range lines {
		if len(line) > 0 { // else it is what follows the last line end
			lines[i] = slices.Concat([]byte(HiddenLine), line[len(bytes.TrimRight(line, "\r\n")):])
		}
	}
}
