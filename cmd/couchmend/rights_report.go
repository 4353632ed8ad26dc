package main

import (
	"context"
	"strings"

	"github.com/couchmend/couchmend/internal/couch"
)

// probing makes one probe, of a server or of a database.
type probing func(context.Context, couch.Probe) error

// rightsSummary ends the listing of rights.
type rightsSummary struct {
	Server  string   `json:"server"`
	User    string   `json:"user"` // "" is nobody
	Roles   []string `json:"roles"`
	For     []string `json:"for"`
	Missing int      `json:"missing"` // rights that For needs
	Unasked int      `json:"databases_not_asked,omitempty"`
}

// outcome is the error that makes the exit code.
func (s rightsSummary) outcome() error {
	if s.Missing > 0 {
		return exitError{exitFailed}
	}
	return nil
}

func (q *rightsQuery) summary() rightsSummary {
	s := rightsSummary{Server: q.c.Server.URL(), User: q.who.Name, Roles: q.who.Roles, For: q.cmd.For, Unasked: q.unasked}
	for _, r := range q.answered {
		if r.Needed && !r.May {
			s.Missing++
		}
	}
	return s
}

func (q *rightsQuery) json() error {
	for _, r := range q.answered {
		if err := q.app.printJSON(r); err != nil {
			return err
		}
	}
	s := q.summary()
	if err := q.app.printJSON(map[string]rightsSummary{"summary": s}); err != nil {
		return err
	}
	return s.outcome()
}

func (q *rightsQuery) print() error {
	s := q.summary()
	q.app.printf("%s takes this login for %s.\n", s.Server, q.whoIs())
	t := q.app.table(q.app.stdout, "WHERE", "TO", "MAY", "").cut(3)
	for _, r := range q.answered {
		where, may, remark := r.DB, "yes", r.Note
		if where == "" {
			where = "the server"
		}
		if !r.May {
			may, remark = "no", r.explain()
		}
		t.add(where, r.To, may, remark)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if s.Unasked > 0 {
		q.app.printf("%s more were not asked about: see --limit.\n", plural(s.Unasked, "database"))
	}
	task := strings.Join(s.For, ", ")
	if s.Missing == 0 {
		q.app.printf("Nothing is missing that %s needs.\n", task)
	} else {
		q.app.printf("Missing for %s: %s, marked needed.\n", task, plural(s.Missing, "right"))
	}
	return s.outcome()
}

func (q *rightsQuery) whoIs() string {
	switch {
	case !q.known:
		return "somebody whom it does not name"
	case q.who.Name == "":
		return "nobody"
	case len(q.who.Roles) == 0:
		return clean(q.who.Name) + ", without roles"
	}
	return clean(q.who.Name) + ", roles " + clean(strings.Join(q.who.Roles, ", "))
}

// explain says what a missing right costs, and how the server put it.
func (r right) explain() string {
	var b strings.Builder
	if r.Needed {
		b.WriteString("needed: ")
	}
	b.WriteString(r.Without)
	if r.Answer != "" {
		b.WriteString(" (" + r.Answer + ")")
	}
	return b.String()
}
