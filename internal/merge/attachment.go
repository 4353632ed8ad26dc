package merge

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
)

// DefaultMaxInline is how large one attachment may be to be carried over from
// a losing branch, where the rule does not say: 16 MiB.
const DefaultMaxInline = 16 << 20

// attachments merges both sides' attachments, by name and content, against the
// base's: the winner's order, names new to it after, sorted.
func (s *step) attachments() []couchmend.Attachment {
	names := []string{}
	var added []string
	for _, a := range s.a.attachments {
		names = append(names, a.Name)
	}
	for _, b := range s.b.attachments {
		if !slices.Contains(names, b.Name) {
			added = append(added, b.Name)
		}
	}
	slices.Sort(added)
	var merged []couchmend.Attachment
	for _, name := range append(names, added...) {
		merged = append(merged, s.attachment(name)...)
	}
	return merged
}

// attachment merges what stands under one name.
func (s *step) attachment(name string) []couchmend.Attachment {
	base, a, b := named(s.base.attachments, name), named(s.a.attachments, name), named(s.b.attachments, name)
	at := Path{"_attachments", name}
	switch {
	case same(a, b):
		return kept(a)
	case s.exact && same(base, b):
		s.note(at, "changed on one side", a == nil, s.a)
		return kept(a)
	case s.exact && same(base, a):
		s.note(at, "changed on one side", b == nil, s.b)
		return kept(b)
	case s.rule.Attachments == AttachmentsKeepBoth:
		s.note(at, "both kept", false, s.a, s.b)
		return append(kept(a), s.renamed(b, a != nil)...)
	case s.rule.Attachments == AttachmentsWinner && (s.exact || s.rule.NoBase == NoBaseStrategies):
		s.note(at, "the winner's", a == nil, s.a)
		return kept(a)
	}
	reason := couchmend.ReasonAttachment
	if !s.exact {
		reason = couchmend.ReasonNoBase
	}
	s.problem(reason, fmt.Sprintf("attachment %q differs between %s and %s", name, list(s.a.heads), list(s.b.heads)))
	return kept(a)
}

// renamed keeps an attachment beside another of its name:
// "scan.png" of 3-9f1c2b77… becomes "scan (9f1c2b77).png".
func (s *step) renamed(b *couchmend.Attachment, beside bool) []couchmend.Attachment {
	if b == nil || !beside {
		return kept(b)
	}
	copied := *b
	ext := path.Ext(b.Name)
	hash := b.From.Hash
	copied.Name = fmt.Sprintf("%s (%s)%s", strings.TrimSuffix(b.Name, ext), hash[:min(8, len(hash))], ext)
	if named(s.a.attachments, copied.Name) != nil || named(s.b.attachments, copied.Name) != nil {
		return nil // kept before
	}
	return []couchmend.Attachment{copied}
}

func kept(a *couchmend.Attachment) []couchmend.Attachment {
	if a == nil {
		return nil
	}
	return []couchmend.Attachment{*a}
}

func named(attachments []couchmend.Attachment, name string) *couchmend.Attachment {
	for i := range attachments {
		if attachments[i].Name == name {
			return &attachments[i]
		}
	}
	return nil
}

// same compares type and content. Digests that differ prove nothing where
// lengths agree: that of a compressible attachment is of its gzipped bytes, on
// each server differently; then the bytes are compared, if they were fetched.
func same(a, b *couchmend.Attachment) bool {
	switch {
	case a == nil || b == nil:
		return a == b
	case a.ContentType != b.ContentType || a.Length != b.Length:
		return false
	case a.Digest == b.Digest && a.Digest != "":
		return true
	}
	return a.Data != nil && b.Data != nil && bytes.Equal(a.Data, b.Data)
}

// tooLarge refuses to carry large attachments over from losing branches.
func (m *merger) tooLarge(attachments []couchmend.Attachment, winner couchmend.Rev) *Refusal {
	limit := m.rule.MaxInline
	if limit == 0 {
		limit = DefaultMaxInline
	}
	var refusal *Refusal
	for _, a := range attachments {
		if a.From != winner && a.Length > limit {
			if refusal == nil {
				refusal = &Refusal{Reason: couchmend.ReasonAttachment}
			}
			refusal.Evidence = append(refusal.Evidence, fmt.Sprintf("attachment %q of %s has %d bytes; at most %d are carried over", a.Name, a.From, a.Length, limit))
		}
	}
	return refusal
}
