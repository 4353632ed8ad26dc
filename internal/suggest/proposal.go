package suggest

import (
	"encoding/json"

	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

// Proposal is a policy for one database, with the reasons for each line.
type Proposal struct {
	DB     string   `json:"db"`
	Policy string   `json:"policy"` // its name in the file
	By     []string `json:"by"`     // the fields that say what kind a document is; "_id": its prefix
	// Conflicts is how many were read, Of about how many are open. Where they
	// differ, the conflicts are a sample.
	Conflicts int `json:"conflicts"`
	Of        int `json:"of"`
	Based     int `json:"based"`  // of those read: with a base
	Design    int `json:"design"` // of those read: design documents
	// Cut says that documents have more fields than were looked at.
	Cut bool `json:"cut,omitempty"`
	// Rules in the order of the file.
	Rules []Rule `json:"rules"`
	// Total is what the policy makes of all that was read, Otherwise of those
	// that no rule is about, Builtin what couchmend makes of all without a
	// policy file.
	Total     Share `json:"total"`
	Otherwise Share `json:"otherwise"`
	Builtin   Share `json:"builtin"`
	// Text is the policy file, valid as it stands.
	Text string `json:"text"`
}

// Rule is what is proposed for one kind of document.
type Rule struct {
	Name      string      `json:"name"`
	When      []Condition `json:"when"` // all must hold; none: every document
	Conflicts int         `json:"conflicts"`
	Based     int         `json:"based"`     // with a base
	Blind     int         `json:"blind"`     // without one
	TwoRoots  int         `json:"two_roots"` // histories that start at different revisions
	Clock     *Clock      `json:"clock,omitempty"`
	Fields    []Field     `json:"fields"`
	// SoftDelete is the field by which documents seem to be deleted softly;
	// what wins is left to a person.
	SoftDelete *Field `json:"soft_delete,omitempty"`
	// Open are the places that stay in review, most conflicts first; More is
	// how many others there are.
	Open    []Field  `json:"open"`
	More    int      `json:"more,omitempty"`
	Share   Share    `json:"share"`
	Choices []Choice `json:"choices"`
}

// Condition is what a document must have to fall to a rule: Field is Value, or
// one of Or; where Field is "_id", the id begins with Value.
type Condition struct {
	Field string   `json:"field"`
	Value string   `json:"value"`
	Or    []string `json:"or,omitempty"`
}

// Clock is a field that serves as the document's clock.
type Clock struct {
	Kind merge.ClockKind `json:"kind"`
	Path merge.Path      `json:"path"` // names from the top
	Why  string          `json:"why"`
}

// Field is a place in documents of one kind, and what is proposed for it.
type Field struct {
	// Pattern is its path; a name "*" is any name, or any element under by_key.
	Pattern merge.Path `json:"-"`
	// Strategy is merge.ReviewIt where the evidence supports none.
	Strategy merge.Strategy `json:"-"`
	Why      string         `json:"why"`
	// Contested counts conflicts in which both sides changed it differently,
	// Alike those in which they changed it alike, Blind those in which it
	// differs and no base tells who changed it.
	Contested int `json:"contested"`
	Alike     int `json:"alike,omitempty"`
	Blind     int `json:"blind,omitempty"`
	// Maybe are strategies that would fit, if a person knows what the evidence
	// can't tell.
	Maybe []merge.Strategy `json:"-"`
	// Example is a conflict in which it differs.
	Example Example `json:"example"`
}

// MarshalJSON writes a field with its pattern and strategies as a policy has
// them.
func (f Field) MarshalJSON() ([]byte, error) {
	type plain Field
	shown := struct {
		Pattern  string   `json:"pattern"`
		Strategy string   `json:"strategy"`
		Maybe    []string `json:"maybe,omitempty"`
		plain
	}{Pattern: patternOf(f.Pattern), Strategy: strategyText(f.Strategy), plain: plain(f)}
	for _, s := range f.Maybe {
		shown.Maybe = append(shown.Maybe, strategyText(s))
	}
	return json.Marshal(shown)
}

// Example is one conflict. Values are cut after a few dozen bytes; they are
// left out unless they were asked for.
type Example struct {
	ID   string        `json:"id"`
	Base jsondoc.Value `json:"-"`
	A    jsondoc.Value `json:"-"` // the winner's
	B    jsondoc.Value `json:"-"`
	// Values are Base, A and B as text, where they were asked for.
	Values []string `json:"values,omitempty"`
}

// Choice is a line that a person may add, and no tool may.
type Choice struct {
	Line  string `json:"line"`  // as it stands in a rule, such as "no_base: strategies"
	More  int    `json:"more"`  // conflicts that it would resolve, beyond the proposal and alone
	Price string `json:"price"` // what it costs
}
