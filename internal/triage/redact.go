package triage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couchlog"
	"github.com/couchmend/couchmend/internal/ledger"
)

// veil gives names that stand for others: the same for the same, whatever it
// names, so that who reads a bundle sees that the user of one line is the writer
// of another, and not who that is. Names of fields, numbers and times stay.
type veil struct {
	names  map[string]string
	counts map[string]int
	revs   map[couchmend.Rev]couchmend.Rev
}

func newVeil() *veil {
	return &veil{names: map[string]string{}, counts: map[string]int{}, revs: map[couchmend.Rev]couchmend.Rev{}}
}

// name stands for a text of some kind; nothing stands for nothing.
func (v *veil) name(kind, text string) string {
	if text == "" {
		return ""
	}
	if other, known := v.names[text]; known {
		return other
	}
	v.counts[kind]++
	v.names[text] = fmt.Sprintf("%s-%d", kind, v.counts[kind])
	return v.names[text]
}

// systemDBs are databases whose names tell nothing.
var systemDBs = []string{"_users", "_replicator", "_global_changes", "_session", "_all_dbs", "_up", "_active_tasks", "_utils", "_node", "_scheduler", "_db_updates", "_replicate", "_uuids", "_dbs_info", "_changes"}

func (v *veil) db(name string) string {
	if slices.Contains(systemDBs, name) {
		return name
	}
	return v.name("db", name)
}

func (v *veil) doc(id string) string {
	for _, prefix := range []string{"_design/", "_local/"} {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			return prefix + v.name("doc", rest)
		}
	}
	return v.name("doc", id)
}

func (v *veil) docs(ids []string) []string { return each(ids, v.doc) }

// rev stands for a revision: its id is a hash of what it says. The generation
// stays.
func (v *veil) rev(r couchmend.Rev) couchmend.Rev {
	if r == (couchmend.Rev{}) {
		return r
	}
	if _, known := v.revs[r]; !known {
		v.revs[r] = couchmend.Rev{Gen: r.Gen, Hash: fmt.Sprintf("rev%d", len(v.revs)+1)}
	}
	return v.revs[r]
}

// rule stands for "policy/rule".
func (v *veil) rule(name string) string {
	policy, rule, both := strings.Cut(name, "/")
	if !both {
		return v.name("rule", name)
	}
	return v.name("policy", policy) + "/" + v.name("rule", rule)
}

// place stands for the URL of a database.
func (v *veil) place(text string) string {
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return v.db(text)
	}
	host, path, _ := strings.Cut(rest, "/")
	out := scheme + "://" + v.name("host", host)
	if path = strings.Trim(path, "/"); path != "" {
		out += "/" + v.db(path)
	}
	return out
}

// path stands for the path of a request.
func (v *veil) path(text string) string {
	a := couchlog.Access{Path: text}
	out := "/" + v.db(a.DB())
	if id := a.Doc(); id != "" {
		out += "/" + v.doc(id)
	}
	if h := a.Handler(); h != "" {
		out += "/" + v.handler(h)
	}
	return out
}

// handlers are what may be asked of a database.
var handlers = []string{"_bulk_docs", "_bulk_get", "_changes", "_all_docs", "_revs_diff", "_missing_revs", "_find", "_index", "_view", "_update", "_show", "_list", "_info",
	"_security", "_compact", "_revs_limit", "_purge", "_ensure_full_commit", "_design_docs", "_explain", "_search", "_rewrite", "_view_cleanup", "_local_docs"}

func (v *veil) handler(name string) string {
	if slices.Contains(handlers, name) {
		return name
	}
	return "_" + v.name("word", name)
}

// field stands for a field's path: an attachment's has a file's name in it.
func (v *veil) field(path string) string {
	if name, ok := strings.CutPrefix(path, "_attachments/"); ok {
		return "_attachments/" + v.name("file", name)
	}
	return path
}

func (v *veil) words(text string) string { return v.name("words", text) }

func each[T any](all []T, f func(T) T) []T {
	out := make([]T, len(all))
	for i, one := range all {
		out[i] = f(one)
	}
	return out
}

// keep is a word that stays if it is one of CouchDB's: letters and underscores
// alone.
func (v *veil) keep(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") == "" && len(word) <= 30 {
		return word
	}
	return v.words(word)
}

// report is a report of which every name is another one, and of which the
// findings are drawn anew: nothing that was said is left in their sentences.
func (v *veil) report(r Report) *Report {
	r.Server.URL = v.place(r.Server.URL)
	r.Databases = each(r.Databases, func(d Database) Database {
		d.Name = v.db(d.Name)
		return d
	})
	r.Replications = each(r.Replications, v.replication)
	r.Conflicts = v.conflicts(r.Conflicts)
	r.Deep = each(r.Deep, func(d Deep) Deep {
		d.DB, d.ID, d.Type = v.db(d.DB), v.doc(d.ID), v.name("value", d.Type)
		d.Revs, d.Writers = each(d.Revs, v.rev), each(d.Writers, v.writer)
		return d
	})
	r.Clocks = each(r.Clocks, func(c Clock) Clock {
		c.DB, c.ID, c.Writer, c.Rev = v.db(c.DB), v.doc(c.ID), v.writer(c.Writer), v.rev(c.Rev)
		return c
	})
	r.Failures = each(r.Failures, func(f Failure) Failure {
		f.DB, f.Rule, f.Says = v.db(f.DB), v.rule(f.Rule), v.words(f.Says)
		f.Docs, f.Fields = v.docs(f.Docs), each(f.Fields, v.field)
		return f
	})
	r.Pauses = each(r.Pauses, func(p ledger.Pause) ledger.Pause {
		p.DB, p.By, p.Reason = v.db(p.DB), v.name("user", p.By), v.words(p.Reason)
		return p
	})
	r.Notes = each(r.Notes, func(n Note) Note {
		n.DB, n.Error = v.db(n.DB), v.words(n.Error)
		return n
	})
	if r.Logs != nil {
		r.Logs = v.logs(*r.Logs)
	}
	r.Findings = Find(&r, "")
	return &r
}

func (v *veil) writer(name string) string { return v.name("user", name) }

func (v *veil) replication(x Replication) Replication {
	word, _, _ := strings.Cut(x.Error, ":")
	x.ID, x.Database, x.DocID = v.name("replication", x.ID), v.db(x.Database), v.doc(x.DocID)
	x.Source, x.Target, x.SourceDB, x.TargetDB = v.place(x.Source), v.place(x.Target), v.db(x.SourceDB), v.db(x.TargetDB)
	x.Error = v.keep(word)
	return x
}

func (v *veil) conflicts(c Conflicts) Conflicts {
	group := func(name func(string) string) func(Group) Group {
		return func(g Group) Group {
			g.DB, g.Name = v.db(g.DB), name(g.Name)
			return g
		}
	}
	c.Types = each(c.Types, group(func(s string) string { return v.name("value", s) }))
	c.Fields = each(c.Fields, group(v.field))
	c.Writers = each(c.Writers, group(v.writer))
	c.Pairs = each(c.Pairs, group(func(s string) string {
		return strings.Join(each(strings.Split(s, pairSign), v.writer), pairSign)
	}))
	c.WriterFields, c.ClockFields = maps.Clone(c.WriterFields), maps.Clone(c.ClockFields)
	return c
}

func (v *veil) logs(l Logs) *Logs {
	l.Files = each(l.Files, func(s string) string { return v.name("log", s) })
	l.Callers = each(l.Callers, func(c Caller) Caller {
		c.DB, c.User, c.Peer = v.db(c.DB), v.writer(c.User), v.name("host", c.Peer)
		c.Docs = each(c.Docs, func(d DocN) DocN { return DocN{v.doc(d.ID), d.N} })
		return c
	})
	l.Refused = each(l.Refused, func(x Refused) Refused {
		x.Target, x.TargetDB, x.Error, x.Reason, x.Docs = v.place(x.Target), v.db(x.TargetDB), v.keep(x.Error), v.words(x.Reason), v.docs(x.Docs)
		return x
	})
	l.Statuses = each(l.Statuses, func(s Status) Status {
		method, path, _ := strings.Cut(s.Sample, " ")
		s.DB, s.User, s.Sample = v.db(s.DB), v.writer(s.User), method+" "+v.path(path)
		return s
	})
	l.Joined = each(l.Joined, func(j Joined) Joined {
		j.DB, j.ID, j.Error, j.Trace = v.db(j.DB), v.doc(j.ID), v.words(j.Error), v.name("trace", j.Trace)
		j.Answers = each(j.Answers, func(a Answer) Answer {
			a.Path = v.path(a.Path)
			return a
		})
		return j
	})
	return &l
}
