package couch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/couchmend/couchmend"
)

// refusal is an answer, or a row of one, that says no.
type refusal struct {
	Status int // 0 in a row
	Name   string
	Reason string
}

func (r *refusal) Error() string {
	var b strings.Builder
	if r.Status != 0 {
		fmt.Fprintf(&b, "%d ", r.Status)
	}
	b.WriteString(r.Name)
	if r.Reason != "" {
		b.WriteString(": " + r.Reason)
	}
	if b.Len() == 0 {
		return "refused without a reason"
	}
	return strings.TrimSpace(b.String())
}

// statusKind classes an answer that is not a success.
func statusKind(r *refusal) couchmend.Kind {
	switch r.Status {
	case http.StatusUnauthorized:
		// CouchDB says 401, too, to a good login that may not do this:
		// "You are not a server admin."
		if strings.Contains(r.Reason, "admin") {
			return couchmend.KindForbidden
		}
		return couchmend.KindAuth
	case http.StatusForbidden:
		if strings.Contains(r.Reason, "locked") {
			return couchmend.KindAuth
		}
		return couchmend.KindForbidden
	case http.StatusPaymentRequired: // Cloudant's quota
		return couchmend.KindForbidden
	case http.StatusNotFound:
		return couchmend.KindNotFound
	case http.StatusConflict:
		return couchmend.KindConflict
	case http.StatusRequestEntityTooLarge:
		return couchmend.KindTooLarge
	case http.StatusBadRequest, http.StatusPreconditionFailed, http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return couchmend.KindRefused
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return couchmend.KindServer
	}
	if r.Status >= 500 || r.Status < 400 {
		return couchmend.KindServer
	}
	return couchmend.KindOther
}

// rowKind classes one failed row of an answer by the name of its error.
func rowKind(name string) couchmend.Kind {
	switch name {
	case "forbidden", "unauthorized": // a validation function's two words
		return couchmend.KindForbidden
	case "conflict":
		return couchmend.KindConflict
	case "not_found":
		return couchmend.KindNotFound
	case "document_too_large", "attachment_too_large", "too_large":
		return couchmend.KindTooLarge
	case "bad_request", "missing_stub", "doc_validation", "invalid_id", "illegal_docid", "precondition_failed":
		return couchmend.KindRefused
	}
	return couchmend.KindServer
}

// refused makes the error of an answer that is not a success, and closes it.
func (s *Server) refused(c call, resp *http.Response) error {
	defer finish(resp.Body)
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	r := &refusal{Status: resp.StatusCode}
	var told struct{ Error, Reason string }
	switch {
	case json.Unmarshal(text, &told) == nil && told.Error != "":
		r.Name, r.Reason = told.Error, told.Reason
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		r.Name, r.Reason = "redirect", "this is not how CouchDB answers: is "+s.url+" right?"
	case isHTML(resp, text):
		r.Name, r.Reason = "web page", "not an answer of CouchDB's: is "+s.url+" right?"
	default:
		r.Name = http.StatusText(resp.StatusCode)
		r.Reason = string(bytes.ToValidUTF8(text[:min(len(text), 200)], nil))
	}
	kind := statusKind(r)
	if kind == couchmend.KindNotFound && told.Error == "" {
		// A proxy whose CouchDB is restarting says 404, too. That the database
		// is gone is believed of CouchDB's own words only.
		kind = couchmend.KindServer
	}
	return c.failed(kind, r)
}

func isHTML(resp *http.Response, text []byte) bool {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return kind == "text/html" || bytes.HasPrefix(bytes.TrimSpace(text), []byte("<"))
}

// readError marks an answer that broke off: the connection's fault, not the
// answer's.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

// broken classes an error met while reading an answer: cut short, or nonsense.
func (c call) broken(err error) error {
	var read readError
	if errors.As(err, &read) {
		return c.failed(couchmend.KindUnreachable, fmt.Errorf("the answer broke off: %w", read.error))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return c.failed(couchmend.KindUnreachable, errors.New("the answer broke off before its end"))
	}
	return c.failed(couchmend.KindServer, fmt.Errorf("the answer makes no sense: %w", err))
}

// failed is an error of this call.
func (c call) failed(kind couchmend.Kind, err error) error {
	return &couchmend.Error{Op: c.op, DB: c.db, ID: c.id, Kind: kind, Err: err}
}
