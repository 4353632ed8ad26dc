package couch

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Replication is one replication as the server's scheduler knows it, put
// together from _scheduler/docs, _scheduler/jobs and _active_tasks: each of the
// three leaves something out.
type Replication struct {
	// ID is the replication's own; empty where it has ended.
	ID string `json:"id,omitempty"`
	// Database and DocID name the document that asked for it; empty where it
	// was posted to _replicate.
	Database string `json:"database,omitempty"`
	DocID    string `json:"doc_id,omitempty"`
	Source   string `json:"source"` // a URL, without credentials, or a name
	Target   string `json:"target"`
	// State is the scheduler's word: "running", "pending", "crashing",
	// "failed", "completed", "initializing", "error". Of a job without a
	// document it is what its last event says.
	State      string `json:"state"`
	Continuous bool   `json:"continuous,omitempty"`
	// Errors is how often it has failed in a row; Error is what was wrong.
	Errors int    `json:"errors,omitempty"`
	Error  string `json:"error,omitempty"`
	// The counts are those since its last start: the scheduler begins anew when
	// it starts a job again. Counted says that the server told them at all.
	Counted       bool      `json:"counted"`
	DocsRead      int64     `json:"docs_read"`
	DocsWritten   int64     `json:"docs_written"`
	WriteFailures int64     `json:"doc_write_failures"`
	Started       time.Time `json:"started,omitzero"`
}

// Replications lists what the scheduler has to do, or has done. It takes a
// server admin: KindForbidden otherwise; KindNotFound where the server has no
// scheduler (PouchDB, CouchDB 1).
func (s *Server) Replications(ctx context.Context) ([]Replication, error) {
	var all []Replication
	at := map[string]int{} // by key
	add := func(r Replication) {
		if i, known := at[r.key()]; known {
			all[i].learn(r)
			return
		}
		at[r.key()] = len(all)
		all = append(all, r)
	}
	for _, part := range []struct{ path, list string }{{"/_scheduler/docs", "docs"}, {"/_scheduler/jobs", "jobs"}} {
		if err := s.scheduled(ctx, part.path, part.list, add); err != nil {
			return nil, err
		}
	}
	err := s.running(ctx, func(r Replication) {
		if i, known := at[r.key()]; known {
			all[i].learn(r)
		}
	})
	return all, err
}

// key tells replications apart: a job is its document's.
func (r *Replication) key() string {
	if r.DocID != "" {
		return r.Database + "\x00" + r.DocID
	}
	return "\x00" + r.ID
}

// learn takes over what another answer tells of the same replication.
func (r *Replication) learn(other Replication) {
	if other.Counted && !r.Counted {
		r.Counted, r.DocsRead, r.DocsWritten, r.WriteFailures = true, other.DocsRead, other.DocsWritten, other.WriteFailures
	}
	if r.Error == "" {
		r.Error = other.Error
	}
	if r.ID == "" {
		r.ID = other.ID
	}
	r.Continuous = r.Continuous || other.Continuous
}

// progress is the "info" of the scheduler's answers. An older server has the
// text of an error there.
type progress struct {
	DocsRead      *int64 `json:"docs_read"`
	DocsWritten   int64  `json:"docs_written"`
	WriteFailures int64  `json:"doc_write_failures"`
	Error         string `json:"error"`
}

func (p progress) tell(r *Replication) {
	if p.DocsRead != nil {
		r.Counted, r.DocsRead, r.DocsWritten, r.WriteFailures = true, *p.DocsRead, p.DocsWritten, p.WriteFailures
	}
	if p.Error != "" {
		r.Error = p.Error
	}
}

// schedulerRow is a row of _scheduler/docs or of _scheduler/jobs.
type schedulerRow struct {
	Database, ID, Source, Target, State string
	DocID                               string `json:"doc_id"`
	ErrorCount                          int    `json:"error_count"`
	StartTime                           string `json:"start_time"`
	Info                                json.RawMessage
	History                             []struct{ Type, Reason string } // the newest first
}

// eventStates are the states of a job by its last event.
var eventStates = map[string]string{"started": "running", "crashed": "crashing", "stopped": "pending", "added": "pending"}

func (row schedulerRow) replication() Replication {
	r := Replication{
		ID: row.ID, Database: row.Database, DocID: row.DocID, Source: plainURL(row.Source), Target: plainURL(row.Target),
		State: row.State, Errors: row.ErrorCount, Continuous: strings.Contains(row.ID, "+continuous"),
	}
	r.Started, _ = time.Parse(time.RFC3339, row.StartTime) // zero where it has not started
	var p progress
	if json.Unmarshal(row.Info, &p) != nil {
		_ = json.Unmarshal(row.Info, &p.Error)
	}
	p.tell(&r)
	if row.State != "" || len(row.History) == 0 {
		return r
	}
	r.State = eventStates[row.History[0].Type]
	for _, event := range row.History {
		if event.Type == "crashed" {
			r.Errors++
		}
		if r.Error == "" {
			r.Error = event.Reason
		}
	}
	return r
}

// schedulerPage is how many rows of the scheduler are read at a time.
const schedulerPage = 500

func (s *Server) scheduled(ctx context.Context, path, list string, add func(Replication)) error {
	for skip := 0; ; skip += schedulerPage {
		c := call{op: "scheduler", method: http.MethodGet, path: path + "?limit=" + strconv.Itoa(schedulerPage) + "&skip=" + strconv.Itoa(skip)}
		var answer map[string]json.RawMessage
		if err := s.json(ctx, c, &answer); err != nil {
			return err
		}
		var rows []schedulerRow
		if err := json.Unmarshal(answer[list], &rows); err != nil {
			return c.broken(err)
		}
		for _, row := range rows {
			add(row.replication())
		}
		if len(rows) < schedulerPage {
			return nil
		}
	}
}

// running reads the replications among _active_tasks: their counts are newer
// than the scheduler's, which has none before a job's first checkpoint.
func (s *Server) running(ctx context.Context, add func(Replication)) error {
	c := call{op: "active_tasks", method: http.MethodGet, path: "/_active_tasks"}
	var tasks []struct {
		Type, Source, Target, Database string
		DocID                          string `json:"doc_id"`
		ReplicationID                  string `json:"replication_id"`
		Continuous                     bool
		progress
	}
	if err := s.json(ctx, c, &tasks); err != nil {
		return err
	}
	for _, t := range tasks {
		if t.Type != "replication" {
			continue
		}
		r := Replication{
			ID: t.ReplicationID, DocID: t.DocID, Database: shardOf(t.Database),
			Source: plainURL(t.Source), Target: plainURL(t.Target), State: "running", Continuous: t.Continuous,
		}
		t.tell(&r)
		add(r)
	}
	return nil
}
