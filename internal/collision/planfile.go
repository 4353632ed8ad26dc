package collision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend"
)

// ask stands in a plan's file for an open question.
const ask = "ask"

// File writes the plan as YAML for a person to look through and edit. It holds
// what was decided and not the documents: whoever carries it out makes the plan
// anew from the same leaves, and reads the decisions with Plan.Read.
func (p Plan) File() ([]byte, error) {
	top := mapping(
		"db", text(p.DB),
		"id", text(p.ID),
		"leaves", revs(p.Leaves),
		"dead", revs(p.Dead),
		"versions", p.versionNodes(),
		"references", p.referenceNodes(),
	)
	top.HeadComment = p.comment()
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(top); err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	return b.Bytes(), enc.Close()
}

// comment tells a person what the file is and what to do with it.
func (p Plan) comment() string {
	lines := []string{
		"How the documents under one id are taken apart. What may be changed is what each group of",
		fmt.Sprintf("references means (to): the name of a version, %q, or %q where it is not known yet.", Leave, ask),
		"To treat one document otherwise, move its line to another group, or to a copy of its own.",
		"",
	}
	lines = append(lines, p.Judgement.Evidence()...)
	for _, w := range p.Waits {
		lines = append(lines, "It cannot be carried out yet: "+w)
	}
	lines = append(lines, p.Doubts...)
	return oneLineEach(lines)
}

// oneLineEach keeps what a document says from ending a comment.
func oneLineEach(lines []string) string {
	for i, l := range lines {
		lines[i] = strings.Join(strings.FieldsFunc(l, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
	}
	return strings.Join(lines, "\n")
}

func (p Plan) versionNodes() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range p.Versions {
		n := mapping("name", text(v.Name), "root", text(v.Root.String()), "leaves", revs(v.Leaves), "new_id", text(v.NewID))
		if v.Revision != nil {
			add(n, "rev", text(v.Revision.Rev.String()))
		}
		if fate := v.fate(); fate != "" {
			add(n, "fate", text(fate))
		}
		n.HeadComment = oneLineEach([]string{v.Summary})
		list.Content = append(list.Content, n)
	}
	return list
}

// fate is what becomes of a version that is not created anew.
func (v Version) fate() string {
	switch {
	case v.Keep:
		return "keeps the id"
	case v.Moved:
		return "was moved before"
	case v.Deleted:
		return "is deleted"
	}
	return ""
}

// referenceNodes groups references that differ in their documents alone.
func (p Plan) referenceNodes() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	groups := map[string]*yaml.Node{}
	for _, r := range p.References {
		place, _ := json.Marshal(r.Place) // names and numbers alone: no error
		key := fmt.Sprintf("%q", []string{r.DB, string(place), string(r.Kind), r.Old, r.To, string(r.Confidence), r.Reason, fmt.Sprint(r.Losing)})
		docs, ok := groups[key]
		if !ok {
			docs = &yaml.Node{Kind: yaml.SequenceNode}
			groups[key] = docs
			n := r.node()
			add(n, "docs", docs)
			list.Content = append(list.Content, n)
		}
		docs.Content = append(docs.Content, text(r.Doc+"@"+r.Rev.String()))
	}
	return list
}

func (r Repoint) node() *yaml.Node {
	n := mapping("db", text(r.DB), "at", r.Place.node())
	if r.Kind != Value {
		add(n, "kind", text(string(r.Kind)))
	}
	if r.Part {
		add(n, "in", text(r.Old))
	}
	if r.Losing {
		add(n, "losing", text("yes"))
	}
	to := r.To
	if to == "" {
		to = ask
	}
	add(n, "to", text(to))
	add(n, "suggested", text(to))
	add(n, "confidence", text(string(r.Confidence)))
	add(n, "reason", text(r.Reason))
	return n
}

func (p Place) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range p {
		step := text(s.String())
		if s.Element {
			step.Tag = "!!int"
		}
		n.Content = append(n.Content, step)
	}
	return n
}

func revs(list []couchmend.Rev) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, r := range list {
		n.Content = append(n.Content, text(r.String()))
	}
	return n
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	if slices.ContainsFunc([]rune(s), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// mapping makes a mapping of names and nodes in turn.
func mapping(entries ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(entries); i += 2 {
		add(n, entries[i].(string), entries[i+1].(*yaml.Node))
	}
	return n
}

func add(n *yaml.Node, name string, value *yaml.Node) {
	n.Content = append(n.Content, text(name), value)
}
