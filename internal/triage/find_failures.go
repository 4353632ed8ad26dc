package triage

import (
	"fmt"
	"net/url"

	"github.com/couchmend/couchmend"
)

func escape(segment string) string { return url.PathEscape(segment) }

// example is the command that shows one document of a failure.
func (f *finding) example(x *Failure, otherwise string) string {
	if len(x.Docs) == 0 {
		return otherwise
	}
	if x.Review == 0 {
		return f.about("show", x.DB, x.Docs[0])
	}
	return f.about("review show", x.DB, x.Docs[0])
}

// counts says where a failure was seen.
func (x *Failure) counts() string {
	switch {
	case x.Review == 0:
		return fmt.Sprintf("%s in couchmend's log; among them %s.", plural(x.Logged, "line"), list(x.Docs))
	case x.Logged == 0:
		return fmt.Sprintf("%s in review for it; among them %s.", plural(x.Review, "document"), list(x.Docs))
	}
	return fmt.Sprintf("%s in review for it, %s in couchmend's log; among them %s.", plural(x.Review, "document"), plural(x.Logged, "line"), list(x.Docs))
}

func (x *Failure) n() int { return x.Review + x.Logged }

func (x *Failure) said() string {
	if x.Says == "" {
		return ""
	}
	return fmt.Sprintf("In its words: %q", x.Says)
}

// refusedMerges: the server takes the merge from nobody, or not from couchmend.
func refusedMerges(f *finding) {
	for i := range f.Failures {
		x := &f.Failures[i]
		if x.Class != "forbidden" && x.Class != "write_refused" {
			continue
		}
		one := Finding{
			Kind: "merge_refused", DB: x.DB, Weight: 72 + more(x.n()),
			Title:    fmt.Sprintf("%s: CouchDB refuses couchmend's merges", x.DB),
			Says:     "The server would not take these merges, so nothing was buried. Either the database's validation function does not accept what the merge says, or it does not accept it from couchmend's user.",
			Evidence: []string{x.counts(), x.said()},
			Next:     f.example(x, f.validators(x.DB)),
		}
		if x.Reason == couchmend.ReasonNotBuried {
			one.Title = x.DB + ": CouchDB refuses to bury what was merged"
			one.Says = "The merges stand; the losing leaves stay alive beside them, contained in the merge. A validation function refuses deletions, most often: it should let tombstones pass, or those of couchmend's user. Nothing is merged twice."
			one.Weight -= 6
		}
		f.add(one)
	}
}

// timeouts: writes whose outcome CouchDB did not tell in time.
func timeouts(f *finding) {
	for i := range f.Failures {
		x := &f.Failures[i]
		if x.Class != "write_timeout" {
			continue
		}
		one := Finding{
			Kind: "write_timeout", DB: x.DB, Weight: 66 + more(x.n()),
			Title:    fmt.Sprintf("%s: CouchDB does not answer couchmend in time", x.DB),
			Says:     "The outcome of these writes was unknown at first; couchmend sends the same revisions again, which is safe. The server is overloaded, restarting, or something between them cuts long requests.",
			Evidence: []string{x.counts(), x.said()},
			Next:     f.example(x, f.curl("/_active_tasks")),
		}
		if f.Logs != nil {
			one.Evidence = append(one.Evidence, f.answers(x)...)
		}
		f.add(one)
	}
}

// answers say what CouchDB's log has of the same requests.
func (f *finding) answers(x *Failure) []string {
	const most = 3
	var says []string
	missing := 0
	for _, j := range f.Logs.Joined {
		if j.DB != x.DB || j.Class != x.Class {
			continue
		}
		if len(j.Answers) == 0 {
			missing++
			continue
		}
		for _, a := range j.Answers {
			if len(says) < most {
				says = append(says, fmt.Sprintf("CouchDB's log, request %s: %s %s ended with %d after %d ms.", j.Trace, a.Method, a.Path, a.Status, a.Millis))
			}
		}
	}
	if missing > 0 && f.Logs.Entries > 0 {
		says = append(says, fmt.Sprintf("Of %s CouchDB's log has no line: they never arrived, or were not finished.", plural(missing, "such request")))
	}
	return says
}

// otherFailures: what couchmend could not decide.
func otherFailures(f *finding) {
	for i := range f.Failures {
		x := &f.Failures[i]
		var one Finding
		switch {
		case x.Class == "schema":
			one = f.schemaFailure(x)
		case wasResolver(x.Reason):
			one = f.resolverFailure(x)
		case x.Reason == couchmend.ReasonTwoRoots:
			one = f.collision(x)
		case x.Reason == couchmend.ReasonAnnihilated:
			one = f.annihilated(x)
		case x.Class == "merge_logic":
			one = f.undecided(x)
		case x.Class == "attachment":
			one = Finding{
				Kind: "attachment", Weight: 44, Title: x.DB + ": attachments that couchmend does not merge",
				Says: "They are too large to be carried over, or differ on both sides.", Next: f.example(x, ""),
			}
		default:
			continue
		}
		one.DB = x.DB
		one.Weight += more(x.n())
		one.Evidence = append([]string{x.counts()}, one.Evidence...)
		f.add(one)
	}
}

func (f *finding) schemaFailure(x *Failure) Finding {
	return Finding{
		Kind: "schema", Weight: 60,
		Title:    fmt.Sprintf("%s: documents do not satisfy the schema%s", x.DB, of(x.Rule)),
		Says:     "A leaf, or the merge of leaves that are right each by itself, is not what the rule's JSON Schema allows. An old version of an application writes such documents, or the schema asks for more than they have.",
		Evidence: []string{x.said()},
		Next:     f.example(x, f.couchmend("review list", "--reason", string(x.Reason))),
	}
}

func (f *finding) resolverFailure(x *Failure) Finding {
	if x.Reason == couchmend.ReasonResolver {
		return Finding{
			Kind: "resolver_asks", Weight: 34, Title: fmt.Sprintf("%s: the resolver%s asks for a person", x.DB, of(x.Rule)),
			Says: "It is the resolver's own decision.", Next: f.couchmend("review list", "--reason", string(x.Reason)),
		}
	}
	return Finding{
		Kind: "resolver_failed", Weight: 64,
		Title:    fmt.Sprintf("%s: the resolver%s fails (%s)", x.DB, of(x.Rule), x.Reason),
		Says:     "It is a fault of the resolver's code, or of its limits. The evidence of a document in review has file, line and call stack.",
		Evidence: []string{x.said()},
		Next:     f.example(x, f.couchmend("review list", "--reason", string(x.Reason))),
	}
}

func (f *finding) collision(x *Failure) Finding {
	one := Finding{
		Kind: "two_roots", Weight: 58, Title: x.DB + ": documents without a common first revision",
		Says: "Two different things drew the same id, or one thing was created twice. They are not to be merged before a person has looked.",
		Next: f.couchmend("review list", "--reason", string(x.Reason)),
	}
	if len(x.Docs) > 0 {
		one.Next = f.about("diff", x.DB, x.Docs[0])
	}
	return one
}

func (f *finding) annihilated(x *Failure) Finding {
	return Finding{
		Kind: "annihilated", Weight: 82, Title: x.DB + ": documents of which no leaf is left alive",
		Says: "A burial of couchmend's and somebody else's deletion met: another tool resolves conflicts here, too, by deleting all leaves but one of its choice. The bodies can be restored from the journal. Stop the other tool.",
		Next: f.example(x, f.couchmend("review list", "--reason", string(x.Reason))),
	}
}

func (f *finding) undecided(x *Failure) Finding {
	one := Finding{
		Kind: "merge_logic", Weight: 46,
		Title: fmt.Sprintf("%s: the policy does not decide (%s%s)", x.DB, x.Reason, of(x.Rule)),
		Says:  "The merge has no rule for what these documents differ in. Rules can be drawn from the conflicts themselves.",
		Next:  f.couchmend("policy suggest", x.DB),
	}
	if len(x.Fields) > 0 {
		one.Evidence = append(one.Evidence, "They differ in "+list(x.Fields)+".")
	}
	if x.Reason == couchmend.ReasonNoBase {
		one.Says = "The revision that the leaves grew from is gone: CouchDB was compacted before couchmend saw the conflict, or a replica never had it. Strategies that need no base (union, max, min, latest with a clock beside the value) decide without."
	}
	return one
}

func of(rule string) string {
	if rule == "" {
		return ""
	}
	return " of rule " + rule
}
