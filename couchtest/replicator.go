package couchtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// replicate answers POST /_replicate: it copies one database into another,
// each named by a URL or as a database of this node. It is done when the
// answer comes; continuous replication and checkpoints are left out.
func (c *call) replicate() *apiError {
	v, err := c.postedObject()
	if err != nil {
		return err
	}
	if continuous, _ := v.get("continuous"); continuous.kind == 't' {
		return &apiError{http.StatusNotImplemented, "not_implemented", "couchtest replicates once only"}
	}
	source, err := c.endpoint(&v, "source")
	if err != nil {
		return err
	}
	target, err := c.endpoint(&v, "target")
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	if create, _ := v.get("create_target"); create.kind == 't' {
		_ = target.ask(ctx, http.MethodPut, "", nil, nil) // it may be there already; else writing says so
	}
	ids, named := v.get("doc_ids")
	job := job{source: source, target: target, only: ids.texts(), named: named}
	last, failure := job.run(ctx)
	if failure != nil {
		return &apiError{http.StatusInternalServerError, "replication_error", failure.Error()}
	}
	history, _ := json.Marshal(job.stats)
	return c.json(http.StatusOK, fmt.Sprintf(`{"ok":true,"no_changes":%t,"session_id":"%s","source_last_seq":%s,"replication_id_version":4,"history":[%s]}`,
		job.stats.DocsRead == 0, randomID(), last, history))
}

// endpoint is a database that is reached by HTTP, be it this node's own.
type endpoint struct {
	client *http.Client
	url    string
	header http.Header
}

// localHost stands for this node in a URL.
const localHost = "local.couchtest"

// endpoint reads where a replication goes from or to.
func (c *call) endpoint(v *value, name string) (endpoint, *apiError) {
	place, ok := v.get(name)
	e := endpoint{client: c.node.client, header: make(http.Header)}
	where := place.text
	if place.kind == '{' {
		at, _ := place.get("url")
		where = at.text
		headers, _ := place.get("headers")
		for i, name := range headers.names {
			e.header.Set(name, headers.children[i].text)
		}
	}
	if !ok || where == "" {
		return e, badRequest("`" + name + "` must be a database")
	}
	if !strings.Contains(where, "://") {
		where = "http://" + localHost + "/" + url.PathEscape(where)
		for _, name := range []string{"Authorization", "Cookie"} {
			if text := c.r.Header.Get(name); text != "" {
				e.header.Set(name, text)
			}
		}
	}
	e.url = strings.TrimSuffix(where, "/")
	return e, nil
}

// ask makes one request and reads the answer's JSON into into. The address is
// left out of errors, since it may hold a password.
func (e endpoint) ask(ctx context.Context, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, e.url+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s %s: the address is no URL", method, path)
	}
	r.Header = e.header.Clone()
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		return fmt.Errorf("%s %s: no answer", method, path)
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 400 {
		return fmt.Errorf("%s %s: status %d", method, path, answer.StatusCode)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// job is one replication by HTTP.
type job struct {
	source, target endpoint
	only           []string
	named          bool // only says which documents
	stats          ReplicationStats
}

// run copies batch by batch and returns the source's last sequence id, as JSON.
func (j *job) run(ctx context.Context) (last json.RawMessage, err error) {
	since := json.RawMessage(`0`)
	for {
		var page struct {
			Results []struct {
				ID      string              `json:"id"`
				Changes []map[string]string `json:"changes"`
			} `json:"results"`
			LastSeq json.RawMessage `json:"last_seq"`
		}
		query := url.Values{"style": {"all_docs"}, "limit": {"200"}, "since": {string(since)}}
		body := map[string]any{}
		if j.named {
			query.Set("filter", "_doc_ids")
			body["doc_ids"] = j.only
		}
		if err := j.source.ask(ctx, http.MethodPost, "/_changes?"+query.Encode(), body, &page); err != nil {
			return nil, err
		}
		revs := make(map[string][]string)
		for _, row := range page.Results {
			for _, change := range row.Changes {
				revs[row.ID] = append(revs[row.ID], change["rev"])
				j.stats.MissingChecked++
			}
		}
		if err := j.copy(ctx, revs); err != nil {
			return nil, err
		}
		if len(page.Results) < 200 {
			return page.LastSeq, nil
		}
		since = page.LastSeq
	}
}

// copy writes those of the revisions that the target lacks.
func (j *job) copy(ctx context.Context, revs map[string][]string) error {
	var diff map[string]struct {
		Missing []string `json:"missing"`
	}
	if err := j.target.ask(ctx, http.MethodPost, "/_revs_diff", revs, &diff); err != nil {
		return err
	}
	type item struct {
		ID  string `json:"id"`
		Rev string `json:"rev"`
	}
	wanted := []item{}
	for id, d := range diff {
		for _, rev := range d.Missing {
			wanted = append(wanted, item{id, rev})
		}
	}
	j.stats.MissingFound += len(wanted)
	if len(wanted) == 0 {
		return nil
	}
	var got struct {
		Results []struct {
			Docs []struct {
				OK json.RawMessage `json:"ok"`
			} `json:"docs"`
		} `json:"results"`
	}
	if err := j.source.ask(ctx, http.MethodPost, "/_bulk_get?revs=true&attachments=true", map[string]any{"docs": wanted}, &got); err != nil {
		return err
	}
	docs := []json.RawMessage{}
	for _, result := range got.Results {
		for _, d := range result.Docs {
			if d.OK != nil {
				docs = append(docs, d.OK)
			}
		}
	}
	j.stats.DocsRead += len(docs)
	var failures []json.RawMessage
	err := j.target.ask(ctx, http.MethodPost, "/_bulk_docs", map[string]any{"new_edits": false, "docs": docs}, &failures)
	j.stats.DocWriteFailures += len(failures)
	j.stats.DocsWritten += len(docs) - len(failures)
	return err
}

// loopback carries requests to this node without a network, all others by wire.
type loopback struct {
	node *Node
	wire *http.Transport
}

func (t loopback) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != localHost {
		return t.wire.RoundTrip(r)
	}
	w := &memoryWriter{header: make(http.Header), status: http.StatusOK}
	c := &call{node: t.node, w: w, r: r}
	c.serve()
	return &http.Response{
		StatusCode: w.status, Header: w.header, Request: r,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}, nil
}

// CloseIdleConnections is asked for by http.Client.
func (t loopback) CloseIdleConnections() { t.wire.CloseIdleConnections() }

// memoryWriter keeps an answer.
type memoryWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *memoryWriter) Header() http.Header         { return w.header }
func (w *memoryWriter) WriteHeader(status int)      { w.status = status }
func (w *memoryWriter) Write(b []byte) (int, error) { return w.body.Write(b) }
