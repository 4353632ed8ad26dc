// Package laws asks of a policy's rules what must hold if any number of sites,
// merging and replicating in any order, are to end with one document that holds
// everybody's edits.
//
// A law is tried on questions: a base and two or more leaves that grew from it.
// They are sampled from a database, read from files or generated, and always
// answered by the real machinery: revision trees are grown from decisions, marks
// and all, so that the second merge of a chain has the base that it would have
// in the field. A law that does not hold is shown by the smallest question that
// breaks it.
//
//	question ── plant ──▶ sites ── Decide, replicate, Decide … ──▶ answers: alike?
//
// That no counterexample was found is no proof that there is none.
package laws

import (
	"encoding/json"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// Law is one thing that must hold of a rule.
type Law string

// The laws, in the order in which they are tried and told.
const (
	// Deterministic: one question has one answer, asked twice and in fresh
	// processes (I4).
	Deterministic Law = "deterministic"
	// Commutative: neither the order in which leaves are read nor which of them
	// won matters.
	Commutative Law = "commutative"
	// Idempotent: merging what is contained already changes nothing.
	Idempotent Law = "idempotent"
	// Associative: whichever leaves met first, the merge of all is the same.
	Associative Law = "associative"
	// Agreement: sites that saw the leaves in different orders and then
	// replicate come to rest, with one document (I5).
	Agreement Law = "agreement"
	// NothingLost: the winner stays (I2), and what only one side changed, or
	// none, is in the merge (I1).
	NothingLost Law = "nothing_lost"
	// Exact: what no side changed comes back byte for byte (I8), and answers are
	// documents with the right identity.
	Exact Law = "exact"
)

// All lists the laws in their order.
func All() []Law {
	return []Law{Deterministic, Commutative, Idempotent, Associative, Agreement, NothingLost, Exact}
}

// Says is the law in one sentence.
func (l Law) Says() string {
	return map[Law]string{
		Deterministic: "one question has one answer, asked twice and in fresh processes",
		Commutative:   "neither the order of the leaves nor which of them won matters",
		Idempotent:    "merging what is contained already changes nothing",
		Associative:   "whichever leaves meet first, the merge of all is the same",
		Agreement:     "sites that saw the leaves in different orders end with one document",
		NothingLost:   "the winner stays, and what one side alone changed is in the merge",
		Exact:         "what no side changed comes back byte for byte, with its own _id",
	}[l]
}

// Question is what a rule is asked: leaves that grew from one base.
type Question struct {
	ID string
	// Base is the body that the leaves grew from; nil: it can't be had.
	Base   jsondoc.Value
	Leaves []jsondoc.Value // two or more
	Source string          // where it comes from, for people
}

// Answer is what became of a question on one way.
type Answer struct {
	How     string            `json:"how"` // the way, in words: "(A·B)·C"
	Outcome couchmend.Outcome `json:"outcome"`
	Body    json.RawMessage   `json:"body,omitempty"`
	Reason  couchmend.Reason  `json:"reason,omitempty"` // of a review
	Words   []string          `json:"evidence,omitempty"`
}

// Counterexample shows that a law does not hold.
type Counterexample struct {
	Base    json.RawMessage   `json:"base"` // null: it can't be had
	Leaves  []json.RawMessage `json:"leaves"`
	Answers []Answer          `json:"answers"` // those that differ, or the one that is wrong
	Differs []string          `json:"differs,omitempty"`
	Means   string            `json:"means"` // for a fleet, one sentence
	Source  string            `json:"source"`
	// Shrunk says that smaller questions were tried.
	Shrunk bool `json:"shrunk,omitempty"`
}

// Status is how a law fared.
type Status string

// The ways in which a law may fare.
const (
	OK       Status = "ok"       // no counterexample was found
	Warning  Status = "warning"  // it does not hold, as was to be expected of the strategies in use
	Failed   Status = "failed"   // it must hold, and does not
	Untested Status = "untested" // no question could be put
)

// Verdict is how one law fared for one rule.
type Verdict struct {
	Law     Law             `json:"law"`
	Status  Status          `json:"status"`
	Tried   int             `json:"tried"`             // questions
	Broken  int             `json:"broken,omitempty"`  // of them, for a warning
	Because []Explanation   `json:"because,omitempty"` // why a warning is no more than a warning
	Example *Counterexample `json:"example,omitempty"` // of a failure or a warning
}

// Explanation says why a law need not hold, and where it does not.
type Explanation struct {
	Where []string `json:"where,omitempty"` // places in documents; none: it is about the whole
	Text  string   `json:"text"`
}

// RuleReport is what was found out about one rule.
type RuleReport struct {
	Rule      string                   `json:"rule"`
	Promises  []Promise                `json:"promises"`
	Sampled   int                      `json:"sampled"`   // questions from databases
	FromFiles int                      `json:"files"`     // from files
	Generated int                      `json:"generated"` // made up
	Merged    int                      `json:"merged"`    // questions that the rule decided
	Reviewed  int                      `json:"reviewed"`
	Reasons   map[couchmend.Reason]int `json:"reasons,omitempty"` // of the reviews
	Decisions int                      `json:"decisions"`         // that were made in all
	Laws      []Verdict                `json:"laws"`
	Notes     []string                 `json:"notes,omitempty"` // what was not shown, and why
	OutOfTime bool                     `json:"out_of_time,omitempty"`
	// Unfit are given conflicts of which not every document selects the rule and
	// satisfies its schema: they go to review, and were not tried.
	Unfit int `json:"unfit,omitempty"`
}

// failing reports whether a resolver failed on what the rule was asked.
func (r RuleReport) failing() bool {
	for reason := range r.Reasons {
		if reason.IsResolvers() || reason == couchmend.ReasonResolverError {
			return true
		}
	}
	return false
}

// Severity is how grave a static finding is.
type Severity string

// The severities.
const (
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Finding is what can be said of a policy without merging anything.
type Finding struct {
	Severity Severity `json:"severity"`
	Rule     string   `json:"rule,omitempty"`
	Text     string   `json:"text"`
}

// Report is the whole answer to "will this policy converge?".
type Report struct {
	Seed     uint64       `json:"seed"`
	Findings []Finding    `json:"findings"`
	Rules    []RuleReport `json:"rules"`
}

// Failed reports whether a law fails or a finding is an error; strict counts
// warnings, too, and laws that could not be tried.
func (r Report) Failed(strict bool) bool {
	for _, f := range r.Findings {
		if strict || f.Severity == SeverityError {
			return true
		}
	}
	for _, rule := range r.Rules {
		if rule.Merged == 0 && rule.failing() {
			return true
		}
		for _, v := range rule.Laws {
			if v.Status == Failed || strict && v.Status != OK {
				return true
			}
		}
	}
	return false
}
