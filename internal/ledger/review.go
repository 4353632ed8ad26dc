package ledger

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
)

// Case is a document that waits for a person: the dead-letter queue's item.
type Case struct {
	DB     string           `json:"db"`
	ID     string           `json:"id"`
	Reason couchmend.Reason `json:"reason"`
	// FailureClass is the log's: "merge_logic", "write_refused"…
	FailureClass string `json:"failure_class,omitempty"`
	// Decision is what couchmend would have done or could not. Of a case over
	// 512 KB only Outcome, Rule and Reason are kept: a decision can be made
	// again (I4).
	Decision couchmend.Decision `json:"decision"`
	// Leaves are all that it was decided from, live and dead. A person's
	// decision is refused if the document's leaves are others by then (I3).
	Leaves   []couchmend.Rev `json:"leaves"`
	First    time.Time       `json:"first"` // it came to review. Set by PutCases if zero
	Last     time.Time       `json:"last"`  // it was seen again. Set by PutCases if zero
	Attempts int             `json:"attempts,omitempty"`
	Deep     bool            `json:"deep,omitempty"`
	Rule     string          `json:"rule,omitempty"`
	Evidence []string        `json:"evidence,omitempty"` // a sentence each
	Trace    string          `json:"trace,omitempty"`
	// Type is what the document says that it is. Fields are the paths in which
	// its live leaves differ, at most 20; Live counts these leaves. All are for
	// lists, and empty where the document could not be read.
	Type   string   `json:"type,omitempty"`
	Fields []string `json:"fields,omitempty"`
	Live   int      `json:"live,omitempty"`
	// Dismissed says that a person looked and lets the conflict stand, for
	// these Leaves; By is who.
	Dismissed bool   `json:"dismissed,omitempty"`
	By        string `json:"by,omitempty"`

	seq uint64 // of the message that it was read from
}

const maxCase = 512 << 10

// reasonHeader lets CountCases do without the cases themselves.
const reasonHeader = "Couchmend-Reason"

// PutCases writes cases; each replaces its document's earlier one. It returns
// when all are on disk.
func (l *Ledger) PutCases(ctx context.Context, cases ...Case) error {
	msgs := make([]*nats.Msg, 0, len(cases))
	size := 0
	for _, c := range cases {
		m, err := l.caseMessage(&c)
		if err != nil {
			return wrapDoc("put in review", c.DB, c.ID, err)
		}
		size += len(m.Data)
		msgs = append(msgs, m)
	}
	if err := l.room("put in review", size); err != nil {
		return err
	}
	return l.reason("put in review", l.commit(ctx, msgs))
}

func (l *Ledger) caseMessage(c *Case) (*nats.Msg, error) {
	if c.Last.IsZero() {
		c.Last = l.cfg.Now()
	}
	if c.First.IsZero() {
		c.First = c.Last
	}
	data, err := encode(c)
	if err == nil && len(data) > maxCase {
		d := c.Decision
		c.Decision = couchmend.Decision{Outcome: d.Outcome, Rule: d.Rule, Reason: d.Reason, Deep: d.Deep}
		data, err = encode(c)
	}
	m := nats.NewMsg(l.subject(review, c.DB, c.ID))
	m.Header.Set(reasonHeader, string(c.Reason))
	setLine(m, caseLine(*c))
	m.Data = data
	return m, err
}

// Case returns a document's case, if it has one.
func (l *Ledger) Case(ctx context.Context, db, id string) (Case, bool, error) {
	found, err := l.CasesOf(ctx, db, id)
	c, ok := found[id]
	return c, ok, err
}

// CasesOf returns those of the documents that are in review, by id. It waits
// once for every 500 documents.
func (l *Ledger) CasesOf(ctx context.Context, db string, ids ...string) (map[string]Case, error) {
	subjects := make([]string, len(ids))
	for i, id := range ids {
		subjects[i] = l.subject(review, db, id)
	}
	latest, err := l.newest(ctx, review, subjects)
	if err != nil {
		return nil, wrapDB("read review", db, err)
	}
	found := make(map[string]Case, len(latest))
	for _, m := range latest {
		if len(m.Data) == 0 {
			continue
		}
		c := Case{seq: m.Seq}
		if err := json.Unmarshal(m.Data, &c); err != nil {
			return nil, wrapDB("read review", db, err)
		}
		found[c.ID] = c
	}
	return found, nil
}

// Filter picks cases; an empty field picks all.
type Filter struct {
	DB     string
	Reason couchmend.Reason
}

// Cases goes through the review queue in the order in which cases were last
// written. It ends at the first error.
func (l *Ledger) Cases(ctx context.Context, f Filter) iter.Seq2[Case, error] {
	return func(yield func(Case, error) bool) {
		err := l.each(ctx, review, query{Subject: l.under(review, f.DB)}, func(m message) (bool, error) {
			if len(m.Data) == 0 || f.Reason != "" && m.Header.Get(reasonHeader) != string(f.Reason) {
				return true, nil
			}
			c := Case{seq: m.Seq}
			if err := json.Unmarshal(m.Data, &c); err != nil {
				return false, err
			}
			return yield(c, nil), nil
		})
		if err != nil {
			yield(Case{}, wrap("read review", err))
		}
	}
}

// DropCases takes documents out of review; those that are not in it do not matter.
func (l *Ledger) DropCases(ctx context.Context, db string, ids ...string) error {
	subjects := make([]string, len(ids))
	for i, id := range ids {
		subjects[i] = l.subject(review, db, id)
	}
	there, err := l.newest(ctx, review, subjects)
	if err != nil {
		return wrapDB("take out of review", db, err)
	}
	msgs := make([]*nats.Msg, 0, len(there))
	for subject, m := range there {
		if len(m.Data) > 0 {
			msgs = append(msgs, remover(subject))
		}
	}
	if err := l.commit(ctx, msgs); err != nil {
		return wrapDB("take out of review", db, err)
	}
	return nil
}

// CountCases counts what is in review by reason, dismissed cases included.
func (l *Ledger) CountCases(ctx context.Context) (map[couchmend.Reason]int, error) {
	counts := map[couchmend.Reason]int{}
	err := l.each(ctx, review, query{Subject: l.under(review, "")}, func(m message) (bool, error) {
		if len(m.Data) > 0 {
			counts[couchmend.Reason(m.Header.Get(reasonHeader))]++
		}
		return true, nil
	})
	return counts, wrap("count review", err)
}
