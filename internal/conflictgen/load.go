package conflictgen

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// batchSize is the number of documents that one request is about.
const batchSize = 250

// Load creates the database and writes the cases into it with
// new_edits=false, step after step, 250 documents a request. It speaks plain
// HTTP, so that nothing of couchmend's own client can hide a fault from the
// check. server may carry credentials.
func Load(ctx context.Context, server, db string, cases iter.Seq[Case]) error {
	s := target{server: strings.TrimSuffix(server, "/"), db: db}
	if err := s.do(ctx, http.MethodPut, "", nil, nil); err != nil {
		return err
	}
	for batch := range batches(cases) {
		for i := 0; ; i++ {
			docs := stepDocs(batch, i)
			if docs == nil {
				break
			}
			body := append([]byte(`{"new_edits":false,"docs":[`), bytes.Join(docs, []byte(","))...)
			var refused []json.RawMessage
			if err := s.do(ctx, http.MethodPost, "/_bulk_docs", append(body, "]}"...), &refused); err != nil {
				return err
			}
			if len(refused) > 0 {
				return s.failed("_bulk_docs", fmt.Errorf("%d revisions refused, the first: %s", len(refused), refused[0]))
			}
		}
	}
	return nil
}

// stepDocs are the documents of the i-th step of each case, nil after the last.
func stepDocs(batch []Case, i int) [][]byte {
	var docs [][]byte
	for _, c := range batch {
		if i < len(c.Steps) {
			for _, r := range c.Steps[i] {
				docs = append(docs, document(c.ID, r))
			}
		}
	}
	return docs
}

// batches cuts cases into slices of at most batchSize.
func batches(cases iter.Seq[Case]) iter.Seq[[]Case] {
	return func(yield func([]Case) bool) {
		var batch []Case
		for c := range cases {
			if batch = append(batch, c); len(batch) == batchSize {
				if !yield(batch) {
					return
				}
				batch = nil
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// document is a revision as _bulk_docs takes it with new_edits=false.
// Attachments go inline, with the revpos that a server cannot know.
func document(id string, r couchmend.Revision) []byte {
	hashes := make([]jsondoc.Value, len(r.Path))
	for i, ancestor := range r.Path {
		hashes[i] = jsondoc.String(ancestor.Hash)
	}
	members := []jsondoc.Member{
		{Name: "_id", Value: jsondoc.String(id)},
		{Name: "_rev", Value: jsondoc.String(r.Rev.String())},
		{Name: "_revisions", Value: jsondoc.Object([]jsondoc.Member{
			{Name: "start", Value: number(r.Rev.Gen)},
			{Name: "ids", Value: jsondoc.Array(hashes)},
		})},
	}
	if r.Deleted {
		members = append(members, jsondoc.Member{Name: "_deleted", Value: jsondoc.Value("true")})
	}
	if len(r.Attachments) > 0 {
		var files []jsondoc.Member
		for _, a := range r.Attachments {
			data, _ := json.Marshal(a.Data) // base64
			files = append(files, jsondoc.Member{Name: a.Name, Value: jsondoc.Object([]jsondoc.Member{
				{Name: "content_type", Value: jsondoc.String(a.ContentType)},
				{Name: "revpos", Value: number(a.RevPos)},
				{Name: "data", Value: data},
			})})
		}
		members = append(members, jsondoc.Member{Name: "_attachments", Value: jsondoc.Object(files)})
	}
	return jsondoc.Object(append(members, jsondoc.Value(r.Body).Members()...))
}

// target is a database of a server.
type target struct{ server, db string }

// do sends one request about the database and reads the answer into reply.
func (s target) do(ctx context.Context, method, path string, body []byte, reply any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.server+"/"+url.PathEscape(s.db)+path, bytes.NewReader(body))
	if err != nil {
		return &couchmend.Error{Op: "conflictgen", DB: s.db, Kind: couchmend.KindUsage, Err: fmt.Errorf("the server's URL is not one")}
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return &couchmend.Error{Op: method + path, DB: s.db, Kind: couchmend.KindUnreachable, Err: err}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return &couchmend.Error{Op: method + path, DB: s.db, Kind: couchmend.KindUnreachable, Err: err}
	case res.StatusCode >= 300:
		return s.failed(method+" "+path, fmt.Errorf("%s: %.200s", res.Status, answer))
	case reply == nil:
		return nil
	}
	if err := json.Unmarshal(answer, reply); err != nil {
		return s.failed(method+" "+path, err)
	}
	return nil
}

func (s target) failed(op string, err error) error {
	return &couchmend.Error{Op: op, DB: s.db, Kind: couchmend.KindServer, Err: err}
}
