package main

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
	"github.com/couchmend/couchmend/mend"
)

// draft is the document that a person wants, as text to be edited. Attachments
// are named with the leaf that each comes from.
func draft(id string, body []byte, attachments []couchmend.Attachment) jsondoc.Value {
	members := []jsondoc.Member{{Name: "_id", Value: jsondoc.String(id)}}
	members = append(members, jsondoc.Value(body).Members()...)
	var entries []jsondoc.Member
	for _, a := range attachments {
		entries = append(entries, jsondoc.Member{Name: a.Name, Value: jsondoc.Object([]jsondoc.Member{
			{Name: "from", Value: jsondoc.String(a.From.String())},
			{Name: "content_type", Value: jsondoc.String(a.ContentType)},
			{Name: "length", Value: jsondoc.Value(fmt.Sprint(a.Length))},
		})})
	}
	if entries != nil {
		members = append(members, jsondoc.Member{Name: "_attachments", Value: jsondoc.Object(entries)})
	}
	return jsondoc.Object(members)
}

// choiceOf reads the document that a person wants: a JSON object. Its _id, if
// given, must be the document's; _rev and other members of CouchDB's own are
// left out. Without _attachments the winner's are kept; with it, those that it
// names, see attachment.
func (s sight) choiceOf(text []byte) (decide.Choice, error) {
	doc, err := jsondoc.Parse(text)
	if err != nil {
		return decide.Choice{}, usage(fmt.Errorf("the merged document: %w", err))
	}
	if doc.Kind() != '{' {
		return decide.Choice{}, usage(errors.New("the merged document must be a JSON object"))
	}
	leaves := s.leaves()
	choice := decide.Choice{Attachments: taken(leaves[0])}
	var members []jsondoc.Member
	for _, m := range doc.Members() {
		switch {
		case m.Name == "_id" && m.Value.Text() != s.conflict.ID:
			return choice, usage(fmt.Errorf("the merged document has another _id, %s: it is about %q", clean(string(m.Value)), s.conflict.ID))
		case m.Name == "_deleted" && m.Value.Kind() == 't':
			return choice, usage(errors.New("the merged document says _deleted: use --delete"))
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

// attachment reads one entry of _attachments: {"from": REV} takes that leaf's,
// {"data": base64} is new; a stub is the winner's, or that of the first leaf
// which has one of the name.
func (s sight) attachment(entry jsondoc.Member) (couchmend.Attachment, error) {
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
	for _, leaf := range s.leaves() {
		for _, a := range taken(leaf) {
			if a.Name == entry.Name && (from == "" || from == leaf.Rev.String()) {
				return a, nil
			}
		}
	}
	if from != "" {
		return couchmend.Attachment{}, usage(fmt.Errorf("attachment %q: there is no such attachment at %s", entry.Name, from))
	}
	return couchmend.Attachment{}, usage(fmt.Errorf("attachment %q: no leaf has it, and no data is given", entry.Name))
}

// taken are a revision's attachments, each with the revision as its origin.
func taken(r couchmend.Revision) []couchmend.Attachment {
	attachments := slices.Clone(r.Attachments)
	for i := range attachments {
		attachments[i].From = r.Rev
	}
	return attachments
}

// fill fetches the bytes of attachments that are not the winner's: those travel
// inline.
func (d document) fill(ctx context.Context, c *mend.Couchmend, winner couchmend.Rev, attachments []couchmend.Attachment) error {
	for i, a := range attachments {
		if a.Data != nil || a.From == winner {
			continue
		}
		data, err := c.Server.DB(d.DB).Attachment(ctx, d.ID, a.From, a.Name)
		if err != nil {
			return fmt.Errorf("attachment %q of %s: %w", a.Name, a.From, err)
		}
		attachments[i].Data = data
	}
	return nil
}
