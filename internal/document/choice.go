package document

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/decide"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/mender"
)

// Draft is the document that editing starts from, as text over several lines:
// the policy's merge, or else the winner. Attachments are named with the leaf
// that each comes from. Literals stand as they are (I8).
func (s *Sight) Draft() []byte {
	from := s.Leaves()[0]
	attachments := taken(from)
	if s.Decision.Merge != nil {
		from = *s.Decision.Merge
		if len(attachments) > 0 { // of which the merge may have none
			attachments = []couchmend.Attachment{}
		}
		attachments = append(attachments[:0], from.Attachments...)
	}
	return Indent(draft(s.Conflict.ID, from.Body, attachments))
}

// Indent spreads a JSON value over lines; its literals stay as they are.
func Indent(v []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, v, "", "  ") != nil { // it was read from CouchDB, so it is valid
		return v
	}
	return b.Bytes()
}

// draft is a document as text to be edited. Nil attachments are not spoken of:
// then it has those of the winner.
func draft(id string, body []byte, attachments []couchmend.Attachment) []byte {
	members := []jsondoc.Member{{Name: "_id", Value: jsondoc.String(id)}}
	members = append(members, jsondoc.Value(body).Members()...)
	if attachments != nil {
		entries := make([]jsondoc.Member, len(attachments))
		for i, a := range attachments {
			entries[i] = jsondoc.Member{Name: a.Name, Value: draftAttachment(a)}
		}
		members = append(members, jsondoc.Member{Name: "_attachments", Value: jsondoc.Object(entries)})
	}
	return jsondoc.Object(members)
}

func draftAttachment(a couchmend.Attachment) jsondoc.Value {
	contentType := jsondoc.Member{Name: "content_type", Value: jsondoc.String(a.ContentType)}
	if a.From == (couchmend.Rev{}) && a.Data != nil { // the person brought it
		data := jsondoc.String(base64.StdEncoding.EncodeToString(a.Data))
		return jsondoc.Object([]jsondoc.Member{contentType, {Name: "data", Value: data}})
	}
	return jsondoc.Object([]jsondoc.Member{
		{Name: "from", Value: jsondoc.String(a.From.String())},
		contentType,
		{Name: "length", Value: jsondoc.Value(fmt.Sprint(a.Length))},
	})
}

// Choice reads the document that a person wants: a JSON object. Its _id, if
// given, must be the document's; _rev and other members of CouchDB's own are
// left out. Without _attachments the winner's are kept; with it, those that it
// names: {"from": REV} takes that revision's, {"data": base64} is new, a
// stub is the winner's, or that of the first leaf which has one of the name.
// The error is of KindUsage.
func (s *Sight) Choice(text []byte) (decide.Choice, error) {
	doc, err := jsondoc.Parse(text)
	if err != nil {
		return decide.Choice{}, usage(fmt.Errorf("the merged document: %w", err))
	}
	if doc.Kind() != '{' {
		return decide.Choice{}, usage(errors.New("the merged document must be a JSON object"))
	}
	choice := decide.Choice{Attachments: taken(s.Leaves()[0])}
	var members []jsondoc.Member
	for _, m := range doc.Members() {
		switch {
		case m.Name == "_id" && m.Value.Text() != s.Conflict.ID:
			return choice, usage(fmt.Errorf("the merged document has another _id, %s: it is about %q", m.Value, s.Conflict.ID))
		case m.Name == "_deleted" && m.Value.Kind() == 't':
			return choice, usage(errors.New("the merged document says _deleted: delete the document instead"))
		case m.Name == "_attachments":
			choice.Attachments = nil
			for _, entry := range m.Value.Members() {
				a, err := s.attachment(entry)
				if err != nil {
					return choice, err
				}
				choice.Attachments = append(choice.Attachments, a)
			}
		case !strings.HasPrefix(m.Name, "_"):
			members = append(members, m)
		}
	}
	var body bytes.Buffer // an editor's line ends do not belong to the document
	err = json.Compact(&body, jsondoc.Object(members))
	choice.Body = body.Bytes()
	return choice, err
}

// attachment reads one entry of _attachments.
func (s *Sight) attachment(entry jsondoc.Member) (couchmend.Attachment, error) {
	if data := entry.Value.Get("data"); data.Kind() == '"' {
		content, err := base64.StdEncoding.DecodeString(data.Text())
		if err != nil {
			return couchmend.Attachment{}, usage(fmt.Errorf("attachment %q: data is not base64", entry.Name))
		}
		contentType := entry.Value.Get("content_type").Text()
		if contentType == "" {
			contentType = "application/octet-stream"
		}
		return couchmend.Attachment{Name: entry.Name, ContentType: contentType, Length: int64(len(content)), Data: content}, nil
	}
	from := entry.Value.Get("from").Text()
	for _, r := range slices.Concat(s.Leaves(), s.Bases()) {
		for _, a := range taken(r) {
			if a.Name == entry.Name && (from == "" || from == r.Rev.String()) {
				return a, nil
			}
		}
	}
	if rev, err := couchmend.ParseRev(from); err == nil && s.Tree != nil && s.Tree.Node(rev) != nil { // Decide reads it
		return couchmend.Attachment{Name: entry.Name, ContentType: entry.Value.Get("content_type").Text(), From: rev}, nil
	}
	if from != "" {
		return couchmend.Attachment{}, usage(fmt.Errorf("attachment %q: there is no such attachment at %s", entry.Name, from))
	}
	return couchmend.Attachment{}, usage(fmt.Errorf("attachment %q: no leaf has it, and no data is given", entry.Name))
}

// Take is a person's choice of one revision, as it is. The error, for a
// deletion, is of KindUsage.
func Take(r couchmend.Revision) (decide.Choice, error) {
	if r.Deleted {
		return decide.Choice{}, usage(fmt.Errorf("%s is a deletion: pick the revision that it deleted, %s, or delete the document", r.Rev, r.Path[min(1, len(r.Path)-1)]))
	}
	return decide.Choice{Body: r.Body, Attachments: taken(r)}, nil
}

// taken are a revision's attachments, each with the revision as its origin.
func taken(r couchmend.Revision) []couchmend.Attachment {
	attachments := slices.Clone(r.Attachments)
	for i := range attachments {
		attachments[i].From = r.Rev
	}
	return attachments
}

// Decide makes a choice a decision: exactly what Mender.Apply writes. It reads
// the bytes of attachments that are not the winner's, since those travel
// inline.
func (s *Sight) Decide(ctx context.Context, m *mender.Mender, choice decide.Choice) (couchmend.Decision, error) {
	winner := s.Leaves()[0].Rev
	for i, a := range choice.Attachments {
		if a.Data != nil || a.From == winner {
			continue
		}
		data, err := m.Server.DB(s.Conflict.DB).Attachment(ctx, s.Conflict.ID, a.From, a.Name)
		if err != nil {
			return couchmend.Decision{}, fmt.Errorf("attachment %q of %s: %w", a.Name, a.From, err)
		}
		choice.Attachments[i].Data, choice.Attachments[i].Length = data, int64(len(data))
	}
	rules, _ := m.Rules(s.Conflict.DB)
	return decide.Choose(rules, s.Conflict, choice)
}

// Delete makes the wish to delete the document a decision; KindUsage where it
// is deleted already.
func (s *Sight) Delete(by string) (couchmend.Decision, error) {
	if len(s.Conflict.Leaves) == 0 {
		return couchmend.Decision{}, usage(errors.New("the document is deleted already"))
	}
	return decide.ChooseDelete(s.Conflict, by), nil
}
