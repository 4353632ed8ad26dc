package triage

import (
	"cmp"
	"fmt"
)

// bulkBlind is what no log tells.
const bulkBlind = "Conflicts inside _bulk_docs are rows of an answer of 201: CouchDB's log cannot show them."

// applicationConflicts: somebody saves over documents that have changed.
func applicationConflicts(f *finding) {
	if f.Logs == nil {
		return
	}
	for _, c := range f.Logs.Callers {
		if c.Who != Application && c.Who != Traced {
			continue
		}
		who := cmp.Or(c.User, "nobody (no login)")
		one := Finding{
			Kind: "application_409", DB: c.DB, Weight: 54 + more(c.N),
			Title: fmt.Sprintf("%s: %s from %s got 409 %s", c.DB, who, cmp.Or(c.Peer, "somewhere"), plural(c.N, "time")),
			Says:  "These 409s are the application's, not couchmend's: it saves with a revision that is no longer the newest. It should read the document again and repeat its change; one that writes back what it had, or gives up, loses its users' edits.",
			Evidence: []string{
				fmt.Sprintf("%s with 409, between %s and %s.", plural(c.N, c.Method), stamp(c.First), stamp(c.Last)),
				docsOf(c.Docs), bulkBlind,
			},
		}
		if c.Who == Traced {
			one.Weight -= 6
			one.Says = "Their request ids are trace ids, as couchmend's are, but couchmend's log that was given has none of them: another couchmend, another day's log, or an application that traces its requests. " + one.Says
		}
		if c.AfterOurs > 0 {
			one.Evidence = append(one.Evidence, fmt.Sprintf("%d of them came within %.0f s after couchmend had merged the same document: the application had read it before that.", c.AfterOurs, raceWindow.Seconds()))
		}
		one.Next = f.couchmend("scan", c.DB)
		if len(c.Docs) > 0 {
			verb := "show"
			if 2*c.AfterOurs > c.N {
				verb = "history"
			}
			one.Next = f.about(verb, c.DB, c.Docs[0].ID)
		}
		f.add(one)
	}
}

func docsOf(docs []DocN) string {
	if len(docs) == 0 {
		return ""
	}
	var names []string
	for _, d := range docs {
		names = append(names, fmt.Sprintf("%s (%d)", d.ID, d.N))
	}
	return "Most often " + list(names) + "."
}

// ownConflicts: couchmend itself got 409. Its merges cannot: they bear ids of
// their own.
func ownConflicts(f *finding) {
	if f.Logs == nil || f.Logs.Conflicts[Ours] == 0 {
		return
	}
	one := Finding{
		Kind: "own_409", Weight: 30,
		Title:    fmt.Sprintf("%s got 409 %s", "couchmend itself", plural(f.Logs.Conflicts[Ours], "time")),
		Says:     "couchmend's merges are written as replicas write and cannot conflict; a person's split or undo that was overtaken, or a design document of its own that was there already, can.",
		Evidence: []string{"The request ids are in couchmend's log."},
		Next:     f.couchmend("review list"),
	}
	for _, c := range f.Logs.Callers {
		if c.Who == Ours {
			one.Evidence = append(one.Evidence, fmt.Sprintf("%s in %s. %s", plural(c.N, c.Method), c.DB, docsOf(c.Docs)))
			if len(c.Docs) > 0 {
				one.DB, one.Next = c.DB, f.about("history", c.DB, c.Docs[0].ID)
			}
			break
		}
	}
	f.add(one)
}

// oldConflicts: what CouchDB 1 and 2 log without saying whose it was.
func oldConflicts(f *finding) {
	if f.Logs == nil || f.Logs.OldConflicts == 0 || len(f.Logs.Callers) > 0 {
		return
	}
	f.add(Finding{
		Kind: "old_409", Weight: 40 + more(f.Logs.OldConflicts),
		Title:    fmt.Sprintf("CouchDB's log has %s of documents saved over changed ones", plural(f.Logs.OldConflicts, "line")),
		Says:     "This version of CouchDB logs doc_update_conflict without the request. With its log level at info it logs each request: then the callers can be named.",
		Evidence: []string{"Lines with doc_update_conflict, or 409 error responses, and none of a request with 409."},
		Next:     f.curl("/_node/_local/_config/log/level") + ` -X PUT -d '"info"'`,
	})
}
