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
	var names, added []string
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
	at := "_attachments/" + name
	switch {
	case same(a, b):
		return kept(a)
	case s.exact && same(base, b):
		s.noteAt(at, "changed on one side", a == nil, s.a)
		return kept(a)
	case s.exact && same(base, a):
		s.noteAt(at, "changed on one side", b == nil, s.b)
		return kept(b)
	case s.rule.Attachments == AttachmentsKeepBoth:
		return s.both(at, a, b)
	case s.rule.Attachments == AttachmentsWinner && (s.exact || s.rule.NoBase == NoBaseStrategies):
		s.noteAt(at, "the winner's", a == nil, s.a)
		return kept(a)
	}
	reason := couchmend.ReasonAttachment
	if !s.exact {
		reason = couchmend.ReasonNoBase
	}
	s.problem(reason, fmt.Sprintf("attachment %q differs between %s and %s", name, couchmend.ListRevs(s.a.heads), couchmend.ListRevs(s.b.heads)))
	return kept(a)
}

// both keeps two attachments of one name, the second under another:
// "scan.png" of 3-9f1c2b77… becomes "scan (9f1c2b77).png". Where that name is
// taken by the same content, that is it; by any other: review.
func (s *step) both(at string, a, b *couchmend.Attachment) []couchmend.Attachment {
	s.noteAt(at, "both kept", false, s.a, s.b)
	if a == nil || b == nil {
		return slices.Concat(kept(a), kept(b))
	}
	ext := path.Ext(b.Name)
	copied := *b
	copied.Name = fmt.Sprintf("%s (%.8s)%s", strings.TrimSuffix(b.Name, ext), b.From.Hash, ext)
	for _, side := range [][]couchmend.Attachment{s.a.attachments, s.b.attachments} {
		switch taken := named(side, copied.Name); {
		case taken == nil:
		case same(taken, b):
			return kept(a)
		default:
			s.problem(couchmend.ReasonAttachment, fmt.Sprintf("both %q cannot be kept: the name %q is taken", b.Name, copied.Name))
			return kept(a)
		}
	}
	return []couchmend.Attachment{*a, copied}
}

// preferring returns merged attachments with those that the winner has too as
// the winner's: they travel as stubs, and nobody needs their bytes.
func preferring(winner couchmend.Revision, merged []couchmend.Attachment) []couchmend.Attachment {
	preferred := slices.Clone(merged)
	for i := range preferred {
		if own := named(winner.Attachments, preferred[i].Name); own != nil && same(own, &preferred[i]) {
			preferred[i] = *own
			preferred[i].From = winner.Rev
		}
	}
	return preferred
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

func sameFiles(a, b side) bool {
	return slices.EqualFunc(a.attachments, b.attachments, func(x, y couchmend.Attachment) bool {
		return x.Name == y.Name && same(&x, &y)
	})
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
