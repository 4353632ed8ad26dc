package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/couchmend/couchmend"
)

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	switch couchmend.KindOf(err) {
	case couchmend.KindUsage, couchmend.KindRefused:
		return http.StatusBadRequest
	case couchmend.KindAuth:
		return http.StatusUnauthorized
	case couchmend.KindForbidden:
		return http.StatusForbidden
	case couchmend.KindNotFound, couchmend.KindReset:
		return http.StatusNotFound
	case couchmend.KindConflict:
		return http.StatusConflict
	case couchmend.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case couchmend.KindUnreachable, couchmend.KindServer:
		return http.StatusBadGateway
	case couchmend.KindFull:
		return http.StatusInsufficientStorage
	case couchmend.KindLocked:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// failure is what an error page shows.
type failure struct {
	Status int
	Kind   couchmend.Kind
	Words  string
	Hint   string
}

// problem is an error as the API tells it.
type problem struct {
	Error    string         `json:"error"`
	Kind     couchmend.Kind `json:"kind"`
	Database string         `json:"db,omitempty"`
	Document string         `json:"id,omitempty"`
}

// fail answers with an error. Whoever is not signed in is asked to.
func (v *visit) fail(err error) {
	status := statusOf(err)
	var locked *throttled
	if errors.As(err, &locked) {
		status = http.StatusTooManyRequests
		v.w.Header().Set("Retry-After", locked.seconds())
	}
	switch {
	case v.r.Context().Err() != nil: // the client has gone
		return
	case status >= http.StatusInternalServerError:
		v.Log.Warn("console", "path", v.r.URL.Path, "status", status, "error", err.Error())
	default:
		v.Log.Debug("console", "path", v.r.URL.Path, "status", status, "error", err.Error())
	}
	if v.api {
		told := problem{Error: err.Error(), Kind: couchmend.KindOf(err)}
		var e *couchmend.Error
		if errors.As(err, &e) {
			told.Database, told.Document = e.DB, e.ID
		}
		_ = v.json(status, told) // a problem can be marshalled
		return
	}
	if status == http.StatusUnauthorized && v.r.Method == http.MethodGet {
		_ = v.redirect("/sign-in?next=" + url.QueryEscape(v.r.URL.RequestURI())) // never fails
		return
	}
	v.failPage(status, err)
}

func (v *visit) failPage(status int, err error) {
	f := failure{Status: status, Kind: couchmend.KindOf(err), Words: sentence(words(err)), Hint: hint(err)}
	if err := v.renderStatus(status, "error", page{Title: http.StatusText(status), Data: f}); err != nil {
		http.Error(v.w, http.StatusText(status), status)
	}
}

// lost answers a request for what is not here, or not with that method.
func (v *visit) lost() {
	v.api = strings.HasPrefix(v.r.URL.Path, "/api/")
	v.fail(refuse(couchmend.KindNotFound, "there is nothing at this address"))
}

// words is what a person reads of an error: the cause, without what we were
// doing on the way if nothing of it concerns a database.
func words(err error) string {
	var e *couchmend.Error
	if errors.As(err, &e) && e.DB == "" && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if text = string(unicode.ToUpper(first)) + text[size:]; !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// hint says what one can do about an error.
func hint(err error) string {
	switch couchmend.KindOf(err) {
	case couchmend.KindConflict:
		return "Somebody saved the document, or decided on it, while you looked. Nothing was written. Look at it again."
	case couchmend.KindUnreachable, couchmend.KindServer:
		return "CouchDB does not answer as it should. Nothing is lost; try again in a moment."
	case couchmend.KindForbidden:
		return "Ask who administers the database, if you think that you should be allowed to."
	case couchmend.KindFull:
		return "Nothing is written without a journal. Make room where couchmend keeps its state."
	case couchmend.KindAuth:
		return "Sign in again."
	}
	return ""
}
