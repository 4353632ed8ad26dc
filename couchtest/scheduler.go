package couchtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Scheduled is a replication that a node's scheduler tells of. The node runs
// none of them: what it says is for tests of those who ask.
type Scheduled struct {
	DocID          string // of the document in _replicator; "": posted to _replicate
	Source, Target string // URLs
	// State is the scheduler's word: "running", "pending", "crashing",
	// "completed", "failed". The latter two have no job any more.
	State      string
	Continuous bool
	Error      string // of a job that is crashing or has failed
	Stats      ReplicationStats
	// Quiet leaves the counts out, as CouchDB does right after a start.
	Quiet   bool
	Started time.Time
}

// SetScheduled says which replications /_scheduler/docs, /_scheduler/jobs and
// /_active_tasks tell of, in the shapes of CouchDB 3.5.
func (n *Node) SetScheduled(all ...Scheduled) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.scheduled = slices.Clone(all)
}

// over reports whether the scheduler has no job for it any more.
func (s Scheduled) over() bool { return s.State == "completed" || s.State == "failed" }

func (s Scheduled) id() any {
	if s.over() {
		return nil
	}
	id := fmt.Sprintf("%x", s.DocID+s.Source+s.Target)
	if s.Continuous {
		id += "+continuous"
	}
	return id
}

// info is the scheduler's word on how far a replication is.
func (s Scheduled) info() any {
	switch {
	case s.Error != "":
		return map[string]any{"error": s.Error}
	case s.Quiet:
		return nil
	}
	return s.counts(map[string]any{})
}

func (s Scheduled) counts(to map[string]any) map[string]any {
	to["revisions_checked"] = s.Stats.MissingChecked
	to["missing_revisions_found"] = s.Stats.MissingFound
	to["docs_read"] = s.Stats.DocsRead
	to["docs_written"] = s.Stats.DocsWritten
	to["doc_write_failures"] = s.Stats.DocWriteFailures
	to["changes_pending"] = nil
	return to
}

func (s Scheduled) base() map[string]any {
	row := map[string]any{"source": s.Source, "target": s.Target, "start_time": s.Started.UTC().Format(time.RFC3339)}
	row["database"], row["doc_id"] = any("_replicator"), any(s.DocID)
	if s.DocID == "" {
		row["database"], row["doc_id"] = nil, nil
	}
	return row
}

// scheduler answers /_scheduler/docs, of documents that asked for a
// replication, and /_scheduler/jobs, of what runs or will.
func (c *call) scheduler() *apiError {
	if err := c.serverAdminOnly(); err != nil {
		return err
	}
	if c.method() != http.MethodGet {
		return notAllowed("GET,HEAD")
	}
	what := ""
	if len(c.parts) == 2 {
		what = c.parts[1]
	}
	rows := []map[string]any{}
	for _, s := range c.node.schedule() {
		row := s.base()
		row["id"], row["info"] = s.id(), s.info()
		switch {
		case what == "docs" && s.DocID != "":
			row["state"], row["error_count"] = s.State, 0
			if s.Error != "" {
				row["error_count"] = 1
			}
			rows = append(rows, row)
		case what == "jobs" && !s.over():
			row["history"] = s.history()
			if s.Error != "" {
				row["info"] = nil
			}
			rows = append(rows, row)
		case what != "docs" && what != "jobs":
			return errMissing
		}
	}
	return c.schedulerPage(what, rows)
}

func (s Scheduled) history() []map[string]string {
	at := s.Started.UTC().Format(time.RFC3339)
	events := []map[string]string{{"timestamp": at, "type": "started"}, {"timestamp": at, "type": "added"}}
	switch s.State {
	case "crashing":
		events = slices.Insert(events, 0, map[string]string{"timestamp": at, "type": "crashed", "reason": s.Error})
	case "pending":
		events = events[1:]
	}
	return events
}

func (c *call) schedulerPage(name string, rows []map[string]any) *apiError {
	skip, err := c.number("skip", 0)
	if err != nil {
		return err
	}
	limit, err := c.number("limit", 100)
	if err != nil {
		return err
	}
	total := len(rows)
	rows = rows[min(skip, total):]
	text, _ := json.Marshal(map[string]any{"total_rows": total, "offset": skip, name: rows[:min(limit, len(rows))]})
	return c.send(http.StatusOK, text)
}

// activeTasks answers /_active_tasks.
func (c *call) activeTasks() *apiError {
	if err := c.serverAdminOnly(); err != nil {
		return err
	}
	tasks := []map[string]any{}
	for _, s := range c.node.schedule() {
		if s.State != "running" {
			continue
		}
		task := s.counts(s.base())
		delete(task, "start_time")
		task["type"], task["replication_id"], task["continuous"] = "replication", s.id(), s.Continuous
		if s.DocID != "" {
			task["database"] = "shards/00000000-7fffffff/_replicator.1795318993"
		}
		tasks = append(tasks, task)
	}
	text, _ := json.Marshal(tasks)
	return c.send(http.StatusOK, text)
}

func (n *Node) schedule() []Scheduled {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.scheduled
}
