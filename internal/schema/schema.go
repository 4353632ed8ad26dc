// Package schema checks documents against JSON Schemas (drafts 4 to 2020-12)
// that lie in a policy's folder. It reads nothing outside that folder: no URL,
// no parent, no link that leads out.
package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// MaxFile is the size of the largest schema file that is read, in bytes.
const MaxFile = 4 << 20

// Schema is a compiled JSON Schema. It may be used by many goroutines.
type Schema struct {
	File  string // as the policy names it
	root  *jsonschema.Schema
	files map[string][]byte
	id    bool // it speaks of _id at the top of the document
	rev   bool // and of _rev
}

// scheme is that of the addresses that files of the folder have among
// themselves: "..", which must not lead out of it, stops at its top.
const scheme = "policy"

// Compile reads a schema and what its $refs name. File is a slash path that
// starts at dir.
func Compile(dir, file string) (*Schema, error) {
	if !path.IsAbs(file) && path.Clean(file) != ".." && !strings.HasPrefix(path.Clean(file), "../") {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		return compile(root, file)
	}
	return nil, fmt.Errorf("%s is outside the policy's folder", file)
}

func compile(root *os.Root, file string) (*Schema, error) {
	s := &Schema{File: file, files: map[string][]byte{}}
	c := jsonschema.NewCompiler()
	c.UseLoader(folder{root, s.files})
	var err error
	if s.root, err = c.Compile((&url.URL{Scheme: scheme, Path: "/" + path.Clean(file)}).String()); err != nil {
		return nil, plain(err)
	}
	s.id, s.rev = s.speaksOf("_id"), s.speaksOf("_rev")
	return s, nil
}

// plain takes the addresses that only this package knows out of an error.
func plain(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), scheme+":///", ""))
}

// Files are what was read: contents by slash path from the policy's folder.
func (s *Schema) Files() map[string][]byte { return maps.Clone(s.files) }

// folder reads schemas of a policy's folder.
type folder struct {
	root  *os.Root
	files map[string][]byte
}

// Load reads the file at an address.
func (f folder) Load(address string) (any, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != scheme {
		return nil, fmt.Errorf("%s is outside the policy's folder: copy it there, and name it by its path", address)
	}
	name := strings.TrimPrefix(path.Clean(u.Path), "/")
	file, err := f.root.Open(name)
	var failed *fs.PathError
	switch {
	case errors.As(err, &failed): // the system's call says little to people
		return nil, failed.Err
	case err != nil:
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > MaxFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, MaxFile)
	}
	f.files[name] = text
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s is no JSON: %w", name, err)
	}
	return doc, nil
}

// Check returns every way in which a document does not satisfy the schema,
// sorted by pointer. Body is without the members that begin with "_"; the
// schema sees _id and _rev only if it speaks of them at the top of the
// document, since most say nothing of them and allow no others.
func (s *Schema) Check(id string, body jsondoc.Value) []couchmend.Violation {
	instance, fault := native(body)
	if fault != nil {
		return []couchmend.Violation{*fault}
	}
	if object, ok := instance.(map[string]any); ok {
		if s.id {
			object["_id"] = id
		}
		if s.rev {
			object["_rev"] = "1-0" // a merge has none yet
		}
	}
	var invalid *jsonschema.ValidationError
	if err := s.root.Validate(instance); !errors.As(err, &invalid) {
		return nil
	}
	var all []couchmend.Violation
	collect(&all, invalid)
	slices.SortFunc(all, func(a, b couchmend.Violation) int {
		if order := strings.Compare(a.Pointer, b.Pointer); order != 0 {
			return order
		}
		return strings.Compare(a.Message, b.Message)
	})
	return slices.Compact(all)
}

var english = message.NewPrinter(language.English)

// collect adds the innermost causes of an error: those that name a value.
func collect(all *[]couchmend.Violation, e *jsonschema.ValidationError) {
	for _, cause := range e.Causes {
		collect(all, cause)
	}
	if len(e.Causes) > 0 {
		switch e.ErrorKind.(type) {
		case *kind.AnyOf, *kind.OneOf, *kind.Not: // that none fits is news beside why each does not
		default:
			return
		}
	}
	*all = append(*all, couchmend.Violation{Pointer: pointer(e.InstanceLocation), Message: e.ErrorKind.LocalizedString(english)})
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// pointer writes a JSON pointer (RFC 6901).
func pointer(names []string) string {
	var b strings.Builder
	for _, name := range names {
		b.WriteString("/" + escape.Replace(name))
	}
	return b.String()
}
