package cases

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/policy"
)

// writer writes a case as YAML. Documents are JSON below a |, so that every
// digit and the order of members are what they were (I8).
type writer struct {
	bytes.Buffer
	policy  *policy.Policy
	name    string
	comment string
}

func (w *writer) line(indent int, format string, args ...any) {
	w.WriteString(strings.Repeat(" ", indent))
	fmt.Fprintf(w, format+"\n", args...)
}

// write writes a conflict, and the decision on it as what is expected.
func (w *writer) write(c couchmend.Conflict, d couchmend.Decision) ([]byte, error) {
	if w.name == "" {
		w.name = c.ID
	}
	w.line(2, "# %s", printable(w.comment))
	w.line(2, "# This is what the policy makes of it: is it what you want?")
	for _, sentence := range d.Evidence {
		w.line(2, "#   %s", printable(sentence))
	}
	w.line(2, "- name: %s", scalar(w.name))
	w.line(4, "policy: %s", scalar(w.policy.Name))
	w.line(4, "id: %s", scalar(c.ID))
	if c.RevsLimit != defaultRevsLimit {
		w.line(4, "revs_limit: %d", c.RevsLimit)
	}
	base, star := starBase(c)
	switch bases := basesOf(c); {
	case star:
		w.line(4, "base: |")
		w.document(6, base, base.Rev.Gen > 1)
	case len(bases) > 0:
		w.line(4, "bases:")
		for _, r := range bases {
			w.line(6, "- |")
			w.document(8, r, false)
		}
	}
	w.line(4, "leaves:")
	for _, r := range slices.Concat(c.Leaves, c.Dead) {
		w.line(6, "- |")
		w.document(8, r, !star)
	}
	w.expectation(d)
	return w.Bytes(), nil
}

// starBase returns the base that all leaves are children of; false where the
// tree is another one, and has to be written with every id.
func starBase(c couchmend.Conflict) (couchmend.Revision, bool) {
	bases := basesOf(c)
	if len(bases) != 1 || len(c.Leaves) == 0 || len(c.Leaves[0].Path) < 2 {
		return couchmend.Revision{}, false
	}
	base := bases[0]
	base.Path = c.Leaves[0].Path[1:]
	for _, leaf := range slices.Concat(c.Leaves, c.Dead) {
		if base.Path[0] != base.Rev || !slices.Equal(leaf.Path[1:], base.Path) {
			return base, false
		}
	}
	return base, true
}

// document writes a revision as CouchDB shows it, with its path where asked.
func (w *writer) document(indent int, r couchmend.Revision, path bool) {
	members := []jsondoc.Member{{Name: "_rev", Value: jsondoc.String(r.Rev.String())}}
	if path {
		ids := make([]jsondoc.Value, len(r.Path))
		for i, rev := range r.Path {
			ids[i] = jsondoc.String(rev.Hash)
		}
		members = append(members, jsondoc.Member{Name: "_revisions", Value: jsondoc.Object([]jsondoc.Member{
			{Name: "start", Value: jsondoc.Value(fmt.Sprint(r.Rev.Gen))}, {Name: "ids", Value: jsondoc.Array(ids)},
		})})
	}
	if r.Deleted {
		members = append(members, jsondoc.Member{Name: "_deleted", Value: jsondoc.Value("true")})
	}
	w.json(indent, slices.Concat(members, jsondoc.Value(r.Body).Members(), files(r.Attachments)))
}

// files is the member _attachments, where there are any.
func files(attachments []couchmend.Attachment) []jsondoc.Member {
	var members []jsondoc.Member
	for _, a := range attachments {
		file := []jsondoc.Member{
			{Name: "content_type", Value: jsondoc.String(a.ContentType)},
			{Name: "length", Value: jsondoc.Value(fmt.Sprint(a.Length))},
			{Name: "digest", Value: jsondoc.String(a.Digest)},
		}
		if a.RevPos != 0 {
			file = append(file, jsondoc.Member{Name: "revpos", Value: jsondoc.Value(fmt.Sprint(a.RevPos))})
		}
		if a.Data != nil {
			file = append(file, jsondoc.Member{Name: "data", Value: jsondoc.String(base64.StdEncoding.EncodeToString(a.Data))})
		}
		members = append(members, jsondoc.Member{Name: a.Name, Value: jsondoc.Object(file)})
	}
	if members == nil {
		return nil
	}
	return []jsondoc.Member{{Name: "_attachments", Value: jsondoc.Object(members)}}
}

// jsonColumns is how wide a recorded document is, about.
const jsonColumns = 100

// json writes an object, a member a line; its literals stay as they are.
func (w *writer) json(indent int, members []jsondoc.Member) {
	if len(members) == 0 {
		w.line(indent, "{}")
		return
	}
	w.line(indent, "{")
	for i, m := range members {
		w.line(indent+2, "%s: %s%s", key(m), laid(indent+2, len(key(m))+2, m.Value), comma(i, len(members)))
	}
	w.line(indent, "}")
}

func key(m jsondoc.Member) string { return printable(string(jsondoc.String(m.Name))) }

func comma(i, of int) string {
	if i == of-1 {
		return ""
	}
	return ","
}

// laid writes a value on one line where it fits, else an element a line.
// Before is how much stands on its first line already.
func laid(indent, before int, v jsondoc.Value) string {
	short := printable(string(spaced(v)))
	if indent+before+len(short) <= jsonColumns || v.Kind() != '{' && v.Kind() != '[' {
		return short
	}
	in := strings.Repeat(" ", indent+2)
	var b strings.Builder
	elements, members := v.Elements(), v.Members()
	for i, e := range elements {
		b.WriteString(in + laid(indent+2, 0, e) + comma(i, len(elements)) + "\n")
	}
	for i, m := range members {
		b.WriteString(in + key(m) + ": " + laid(indent+2, len(key(m))+2, m.Value) + comma(i, len(members)) + "\n")
	}
	return fmt.Sprintf("%c\n%s%s%c", v[0], b.String(), strings.Repeat(" ", indent), v[0]+2) // { is followed by } and [ by ], with one in between
}

// spaced is a value on one line, with a space where people put one.
func spaced(v jsondoc.Value) jsondoc.Value {
	var parts []string
	switch v.Kind() {
	case '{':
		for _, m := range v.Members() {
			parts = append(parts, string(jsondoc.String(m.Name))+": "+string(spaced(m.Value)))
		}
		return jsondoc.Value("{" + strings.Join(parts, ", ") + "}")
	case '[':
		for _, e := range v.Elements() {
			parts = append(parts, string(spaced(e)))
		}
		return jsondoc.Value("[" + strings.Join(parts, ", ") + "]")
	}
	return v
}

// expectation writes what is to become of the conflict.
func (w *writer) expectation(d couchmend.Decision) {
	switch {
	case d.Outcome == couchmend.Review && len(d.Violations) == 0:
		w.line(4, "review: %s", d.Reason)
	case d.Outcome == couchmend.Review:
		w.line(4, "review:")
		w.line(6, "reason: %s", d.Reason)
		w.line(6, "violations:")
		var pointers []string
		for _, v := range d.Violations {
			pointers = append(pointers, v.Pointer)
		}
		slices.Sort(pointers)
		for _, pointer := range slices.Compact(pointers) {
			w.line(8, "- %s", scalar(pointer))
		}
	case d.Outcome == couchmend.Merge || d.Outcome == couchmend.Keep:
		attachments := slices.Clone(d.Merge.Attachments)
		for i := range attachments {
			attachments[i].RevPos = 0
		}
		w.line(4, "merge: |")
		w.json(6, slices.Concat(jsondoc.Value(d.Merge.Body).Members(), files(attachments)))
		w.line(4, "exact: true")
	default:
		w.line(4, "outcome: %s", d.Outcome)
	}
}

// scalar writes text as YAML in double quotes.
func scalar(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// printable writes characters that YAML does not take, or nobody sees, as JSON
// does in strings. JSON has none of them outside of strings.
func printable(line string) string {
	if !strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return line
	}
	var b strings.Builder
	for _, r := range line {
		switch high, low := utf16.EncodeRune(r); {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
