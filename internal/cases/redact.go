package cases

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/schema"
)

// veil replaces what a conflict's documents say and keeps what a policy can
// tell: which values are alike, the order of numbers, of moments and of texts,
// integer or not, empty or not, lines. Names of fields stay, and so do true,
// false, null, 0 and "". It is a pure function of the conflict and the policy.
type veil struct {
	policy    *policy.Policy
	constants map[string]bool // texts that the policy's selectors and schemas name: they stay
	prefixes  []string        // that a selector looks for: they stay, and what follows does not
	kept      []merge.Path    // fields that stay, with all below them
	compared  []merge.Path    // fields that selectors look at: their numbers stay
	texts     pseudonyms
	numbers   shift
	revs      renaming
	digests   map[string]string
}

// newVeil makes the veil for one conflict.
func newVeil(c couchmend.Conflict, p *policy.Policy, keep []merge.Path) *veil {
	v := &veil{policy: p, constants: map[string]bool{}, kept: keep, digests: map[string]string{}}
	for _, rule := range p.Rules {
		v.look(jsondoc.MustParse(rule.When.String()), nil)
	}
	all := revisionsOf(c)
	for _, r := range all {
		v.each(nil, jsondoc.Value(r.Body), func(at merge.Path, value jsondoc.Value) {
			if v.listed(at, value) {
				v.constants[value.Text()] = true
			}
		})
	}
	var texts []string
	gather := func(text string) {
		for _, line := range strings.Split(text, "\n") {
			_, rest := v.prefix(line)
			texts = append(texts, rest)
		}
	}
	gather(c.ID)
	for _, r := range all {
		v.each(nil, jsondoc.Value(r.Body), func(_ merge.Path, value jsondoc.Value) { gather(value.Text()) })
		for _, a := range r.Attachments {
			stem, _ := cutExt(a.Name)
			gather(stem)
		}
	}
	v.numbers = newShift(all)
	v.texts = newPseudonyms(texts, v.constants)
	v.revs = newRenaming(c)
	v.veilDigests(all)
	return v
}

// look gathers what a selector compares with. At is the field that it is about.
func (v *veil) look(selector jsondoc.Value, at merge.Path) {
	switch selector.Kind() {
	case '{':
		for _, m := range selector.Members() {
			switch {
			case m.Name == "$type", m.Name == "$exists":
			case m.Name == "$beginsWith":
				v.prefixes = append(v.prefixes, m.Value.Text())
			case m.Name == "$regex":
				v.prefixes = append(v.prefixes, literal(m.Value.Text())...)
			case strings.HasPrefix(m.Name, "$"):
				v.look(m.Value, at)
			default:
				field := append(slices.Clip(at), merge.ParsePath(m.Name)...)
				v.compared = append(v.compared, field)
				v.look(m.Value, field)
			}
		}
	case '[':
		for _, e := range selector.Elements() {
			v.look(e, at)
		}
	case '"':
		v.constants[selector.Text()] = true
	}
}

// literal is the text that everything begins with that matches an anchored
// regular expression, as far as that is plain to see.
func literal(expression string) []string {
	rest, anchored := strings.CutPrefix(expression, "^")
	if end := strings.IndexAny(rest, `\.+*?()|[]{}^$`); end >= 0 {
		if rest[end] == '*' || rest[end] == '?' || rest[end] == '|' || rest[end] == '{' {
			return nil
		}
		rest = rest[:end]
	}
	if !anchored || rest == "" {
		return nil
	}
	return []string{rest}
}

// prefix splits a text after what a selector looks for.
func (v *veil) prefix(text string) (prefix, rest string) {
	for _, p := range v.prefixes {
		if strings.HasPrefix(text, p) && len(p) > len(prefix) {
			prefix = p
		}
	}
	return prefix, text[len(prefix):]
}

func within(at merge.Path, fields []merge.Path) bool {
	return slices.ContainsFunc(fields, func(f merge.Path) bool { return len(at) >= len(f) && slices.Equal(at[:len(f)], f) })
}

// each calls f with every text of a value that may not stay, and its place.
func (v *veil) each(at merge.Path, value jsondoc.Value, f func(at merge.Path, value jsondoc.Value)) {
	if within(at, v.kept) {
		return
	}
	switch value.Kind() {
	case '{':
		for _, m := range value.Members() {
			v.each(append(slices.Clip(at), m.Name), m.Value, f)
		}
	case '[':
		for _, e := range value.Elements() {
			v.each(at, e, f)
		}
	case '"':
		f(at, value)
	}
}

// listed reports whether some rule's schema lists a value as one of those that
// may stand at a place.
func (v *veil) listed(at merge.Path, value jsondoc.Value) bool {
	is := func(other jsondoc.Value) bool { return jsondoc.Equal(other, value) }
	for i := range v.policy.Rules {
		for _, s := range []*schema.Schema{v.policy.Rules[i].LeafSchema, v.policy.Rules[i].MergedSchema} {
			if s != nil && slices.ContainsFunc(s.ValuesAt(at...), is) {
				return true
			}
		}
	}
	return false
}

// value is a value with others in its place.
func (v *veil) value(at merge.Path, value jsondoc.Value) jsondoc.Value {
	if within(at, v.kept) {
		return value
	}
	switch value.Kind() {
	case '{':
		members := value.Members()
		for i, m := range members {
			members[i].Value = v.value(append(slices.Clip(at), m.Name), m.Value)
		}
		return jsondoc.Object(members)
	case '[':
		elements := value.Elements()
		for i, e := range elements {
			elements[i] = v.value(at, e)
		}
		return jsondoc.Array(elements)
	case '"':
		return jsondoc.String(v.text(value.Text()))
	case '0':
		if !within(at, v.compared) && !v.listed(at, value) {
			return v.numbers.of(value)
		}
	}
	return value
}

// text is what stands for a text, line by line.
func (v *veil) text(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		prefix, rest := v.prefix(line)
		if !v.constants[line] {
			lines[i] = prefix + v.texts.of(rest)
		}
	}
	return strings.Join(lines, "\n")
}

// fileName is what stands for an attachment's name. What kind of file it is
// stays.
func (v *veil) fileName(name string) string {
	stem, ext := cutExt(name)
	return v.text(stem) + ext
}

// maxExt is how long a name's ending is, to be one.
const maxExt = 5

func cutExt(name string) (stem, ext string) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || len(name)-dot > maxExt {
		return name, ""
	}
	return name[:dot], name[dot:]
}

// conflict is the conflict, veiled.
func (v *veil) conflict(c couchmend.Conflict) couchmend.Conflict {
	c = mapped(c, func(r couchmend.Revision) couchmend.Revision {
		r.Path = v.revs.path(r.Path)
		r.Rev = r.Path[0]
		r.Body = []byte(v.value(nil, jsondoc.Value(r.Body)))
		r.Attachments = slices.Clone(r.Attachments)
		for i := range r.Attachments {
			v.attachment(&r.Attachments[i])
		}
		return r
	})
	c.DB, c.ID = "", v.text(c.ID)
	return c
}

// attachment replaces name, digest and bytes; the length stays.
func (v *veil) attachment(a *couchmend.Attachment) {
	a.Name = v.fileName(a.Name)
	if a.Data != nil {
		a.Data = noise(string(a.Data), len(a.Data))
	}
	a.Digest = v.digests[a.Digest]
}

// veilDigests gives each digest another one, in the order in which they appear.
func (v *veil) veilDigests(all []couchmend.Revision) {
	for _, r := range all {
		for _, a := range r.Attachments {
			if _, ok := v.digests[a.Digest]; !ok {
				v.digests[a.Digest] = digest(fmt.Appendf(nil, "attachment %d", len(v.digests)))
			}
		}
	}
}

// otherKind says in what two decisions differ that are to be of one kind: that
// on a conflict, and that on the same one veiled. It is empty where they do not.
func (v *veil) otherKind(was, is couchmend.Decision) string {
	switch {
	case was.Outcome != is.Outcome || was.Reason != is.Reason:
		return fmt.Sprintf("%s instead of %s", outcomeOf(is.Outcome, is.Reason), outcomeOf(was.Outcome, was.Reason))
	case was.Rule != is.Rule:
		return fmt.Sprintf("by rule %s instead of %s", is.Rule, was.Rule)
	case len(was.Violations) != len(is.Violations):
		return fmt.Sprintf("%d violations of the schema instead of %d", len(is.Violations), len(was.Violations))
	case len(was.Fields) != len(is.Fields):
		return fmt.Sprintf("%d fields of the merge have an origin instead of %d", len(is.Fields), len(was.Fields))
	}
	for _, o := range was.Fields {
		if !slices.ContainsFunc(is.Fields, func(p couchmend.Origin) bool { return v.sameOrigin(o, p) }) {
			return fmt.Sprintf("%s was %q", o.Path, o.Why)
		}
	}
	return ""
}

func (v *veil) sameOrigin(was, is couchmend.Origin) bool {
	from := make([]couchmend.Rev, len(was.From))
	for i, r := range was.From {
		from[i] = v.revs.rev(r)
	}
	return was.Why == is.Why && was.Removed == is.Removed && slices.Equal(from, is.From) && v.samePath(was.Path, is.Path)
}

// secondName is what stands for the name of an attachment that was kept beside
// another one of its name: "scan (9f1c2b77).png", after the leaf that it is from.
func (v *veil) secondName(name string) string {
	for was, is := range v.revs.revs {
		mark := fmt.Sprintf(" (%.8s)", was.Hash)
		if strings.Contains(name, mark) {
			veiled := v.fileName(strings.Replace(name, mark, "", 1))
			ext := path.Ext(veiled)
			return fmt.Sprintf("%s (%.8s)%s", strings.TrimSuffix(veiled, ext), is.Hash, ext)
		}
	}
	return ""
}

// samePath compares the paths of origins. A name in it may be an element's key,
// or an attachment's name: those are veiled.
func (v *veil) samePath(was, is string) bool {
	if name, ok := strings.CutPrefix(was, "_attachments/"); ok {
		other, ok := strings.CutPrefix(is, "_attachments/")
		return ok && (v.fileName(name) == other || v.secondName(name) == other)
	}
	return slices.EqualFunc(merge.ParsePath(was), merge.ParsePath(is), func(a, b string) bool {
		if a == b || v.text(a) == b {
			return true
		}
		number, err := jsondoc.Parse([]byte(a))
		return err == nil && number.Kind() == '0' && string(v.numbers.of(number)) == b
	})
}

// Redact is a conflict of which the values stand for others: shape and equality,
// not content. Names of fields stay, and so do true, false, null, 0 and "". The
// DB and, where it stands for nothing in the bodies, the ID are no longer told.
func Redact(c couchmend.Conflict) couchmend.Conflict {
	return newVeil(c, policy.Builtin(), nil).conflict(c)
}
