package console

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/couchmend/couchmend"
)

// visit is one request. On routes that need a sign-in it has a person, with
// that person's rights.
type visit struct {
	*Console
	w http.ResponseWriter
	r *http.Request
	*person
	session *session // nil: the request bore its own login, or needs none
	api     bool     // answers are JSON
	since   uint64   // the board's changes when it began
}

// see checks that the person may know of a database: KindNotFound otherwise,
// whether there is one or not.
func (v *visit) see(db string) error {
	ok, err := v.sees(v.r.Context(), db)
	if err == nil && !ok {
		err = &couchmend.Error{Op: "look", DB: db, Kind: couchmend.KindNotFound, Err: errors.New("there is no such database, or you have no rights on it")}
	}
	return err
}

// document reads ?db=…&id=… and checks that the person may know of the
// database.
func (v *visit) document() (db, id string, err error) {
	db, id = v.r.FormValue("db"), v.r.FormValue("id")
	if db == "" || id == "" {
		return "", "", refuse(couchmend.KindUsage, "want ?db= and id=, the names of a database and a document")
	}
	return db, id, v.see(db)
}

// parseForm reads the form of a POST: KindTooLarge, KindUsage.
func (v *visit) parseForm() error {
	err := v.r.ParseForm()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return refuse(couchmend.KindTooLarge, "the form is larger than any that is taken here")
	case err != nil:
		return refuse(couchmend.KindUsage, "the form can't be read")
	}
	return nil
}

// body reads a JSON request into to; members that it does not have are refused.
func (v *visit) body(to any) error {
	dec := json.NewDecoder(v.r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(to)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return refuse(couchmend.KindTooLarge, "the request is larger than any that is taken here")
	case err != nil:
		return refuse(couchmend.KindUsage, "the request's JSON: "+err.Error())
	}
	return nil
}

// redirect sends the browser on with a GET, to a path of this console.
func (v *visit) redirect(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// say tells the person something on the next page that is shown.
func (v *visit) say(words string) {
	if v.session != nil {
		v.session.say(words)
	}
}

// json answers with JSON.
func (v *visit) json(status int, answer any) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(append(text, '\n')) // the client has gone: nobody to tell
	return nil
}
