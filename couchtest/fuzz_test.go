package couchtest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzEveryRequestGetsAnAnswer sends anything anywhere: the node answers with
// JSON and goes on.
func FuzzEveryRequestGetsAnAnswer(f *testing.F) {
	for _, script := range readScripts(f, "testdata/edges.txt") {
		for _, step := range script.Steps {
			path, query, _ := strings.Cut(strings.TrimPrefix(step.Path, "/$DB"), "?")
			f.Add(step.Method, "/db"+path, query, *step.Body)
		}
	}
	for _, path := range []string{"/", "/_all_dbs", "/_dbs_info", "/_session", "/_replicate", "/_uuids", "/_up", "/_db_updates"} {
		f.Add("GET", path, "since=1-x&count=2", "")
		f.Add("POST", path, "", `{"keys":["db","no"],"name":"a","password":"b","source":"db","target":"to"}`)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		switch method {
		case "GET", "PUT", "POST", "DELETE":
		default:
			t.Skip("no method of CouchDB's")
		}
		if parameters, _ := url.ParseQuery(query); parameters.Has("feed") || !strings.HasPrefix(path, "/") {
			t.Skip("it would wait, or is no path")
		}
		node := NewNode()
		defer node.Close()
		node.client.Transport = unplugged{node.client.Transport}
		fill(t, node.CreateDB("db"))
		w := &memoryWriter{header: make(http.Header), status: http.StatusOK}
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path, RawQuery: query}, ContentLength: int64(len(body)),
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
		}
		node.ServeHTTP(w, r)
		if w.header.Get("Content-Type") == "application/json" && !json.Valid(w.body.Bytes()) {
			t.Errorf("%s %s?%s %s\n%d %s", method, path, query, body, w.status, w.body.Bytes())
		}
		if w.status >= 500 && w.status != http.StatusNotImplemented && !strings.Contains(w.body.String(), "replication_error") {
			t.Errorf("%s %s?%s %s\n%d %s", method, path, query, body, w.status, w.body.Bytes())
		}
	})
}

// unplugged asks no other host.
type unplugged struct{ http.RoundTripper }

func (u unplugged) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != localHost {
		return nil, errors.New("unplugged")
	}
	return u.RoundTripper.RoundTrip(r)
}
