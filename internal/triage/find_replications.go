package triage

import (
	"fmt"
	"slices"
)

// name is how a replication is spoken of.
func (r *Replication) name() string {
	if r.DocID != "" {
		return fmt.Sprintf("replication %q", r.DocID)
	}
	return "replication " + r.ID
}

func (r *Replication) way() string { return r.Source + " to " + r.Target }

// refusals are what CouchDB's log says of documents that a replication's target
// refused.
func (f *finding) refusals(r *Replication) []Refused {
	if f.Logs == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(f.Logs.Refused), func(x Refused) bool { return x.Target != r.Target })
}

// failingReplications: documents that a target refused are missing there, and
// the replicator does not try them again until they change.
func failingReplications(f *finding) {
	told := map[string]bool{}
	for i := range f.Replications {
		r := &f.Replications[i]
		if r.WriteFailures == 0 {
			continue
		}
		one := Finding{
			Kind: "replication_write_failures", DB: r.TargetDB, Weight: 76 + more(r.WriteFailures),
			Title: fmt.Sprintf("The target of %s refused %s", r.name(), plural(r.WriteFailures, "document")),
			Says:  "The replicator passed over these documents and will not try them again until they change: the two databases stay apart, and edits that build on them are refused as well. Most often a validation function at the target refuses them, or the user whom the replication writes as may not.",
			Evidence: []string{
				fmt.Sprintf("%s, from %s: %s read, %d written, doc_write_failures %d.", r.State, r.way(), plural(r.DocsRead, "document"), r.DocsWritten, r.WriteFailures),
			},
			Next: "couchmend triage" + f.flags + " --couch-log FILE",
		}
		if r.Grew > 0 {
			one.Weight += 8
			one.Evidence = append(one.Evidence, fmt.Sprintf("doc_write_failures grew by %d within %.0f s.", r.Grew, r.Watched))
		}
		for _, x := range f.refusals(r) {
			told[x.Target] = true
			one.Evidence = append(one.Evidence, fmt.Sprintf("CouchDB's log: %s refused, %s: %q. Among them %s.", plural(x.N, "write"), x.Error, x.Reason, list(x.Docs)))
			if r.SourceDB != "" && len(x.Docs) > 0 {
				one.Next = f.about("show", r.SourceDB, x.Docs[0])
			} else if x.Error == "forbidden" && r.TargetDB != "" {
				one.Next = f.validators(r.TargetDB)
			}
		}
		if len(f.refusals(r)) == 0 && f.Logs != nil && r.TargetDB != "" {
			one.Next = f.validators(r.TargetDB)
		}
		f.add(one)
	}
	f.strayRefusals(told)
}

// validators is a command that shows a database's validation functions.
func (f *finding) validators(db string) string {
	return f.curl("/" + escape(db) + `/_design_docs?include_docs=true`)
}

// strayRefusals are those in the log of which no replication is known any more.
func (f *finding) strayRefusals(told map[string]bool) {
	if f.Logs == nil {
		return
	}
	for _, x := range f.Logs.Refused {
		if told[x.Target] {
			continue
		}
		one := Finding{
			Kind: "replication_write_failures", DB: x.TargetDB, Weight: 68 + more(x.N),
			Title:    fmt.Sprintf("A replication to %s had %s refused", x.Target, plural(x.N, "write")),
			Says:     "No replication that the scheduler knows now has this target: it has ended, begun anew, or runs elsewhere. The documents are missing at the target until they change.",
			Evidence: []string{fmt.Sprintf("CouchDB's log: %s: %q. Among them %s.", x.Error, x.Reason, list(x.Docs))},
			Next:     f.curl("/_scheduler/docs"),
		}
		if x.TargetDB != "" {
			one.Next = f.validators(x.TargetDB)
		}
		f.add(one)
	}
}

// brokenReplications: those that fail as a whole.
func brokenReplications(f *finding) {
	for i := range f.Replications {
		r := &f.Replications[i]
		if r.State != "crashing" && r.State != "failed" && r.State != "error" {
			continue
		}
		one := Finding{
			Kind: "replication_broken", DB: r.TargetDB, Weight: 70,
			Title:    fmt.Sprintf("The %s is %s", r.name(), r.State),
			Says:     "Nothing is replicated. The longer it lasts, the more both sides are edited apart, and the more conflicts there are when it goes on.",
			Evidence: []string{fmt.Sprintf("From %s: %s", r.way(), r.Error)},
			Next:     f.curl("/_scheduler/docs/" + escape(r.Database) + "/" + escape(r.DocID)),
		}
		if r.DocID == "" {
			one.Next = f.curl("/_scheduler/jobs/" + escape(r.ID))
		}
		if r.Errors > 0 {
			one.Evidence = append(one.Evidence, fmt.Sprintf("It has failed %s in a row.", plural(r.Errors, "time")))
		}
		f.add(one)
	}
}
