package couchtest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// index answers /{db}/_index: it keeps Mango indexes, as design documents of
// the language "query", and never asks them. There is no /{db}/_find.
func (c *call) index(db *DB) *apiError {
	if c.r.Method == http.MethodDelete && len(c.parts) == 5 && c.parts[3] == "json" {
		return c.deleteIndex(db, strings.TrimPrefix(c.parts[2], "_design/"), c.parts[4])
	}
	if c.r.Method != http.MethodPost || len(c.parts) != 2 {
		return notAllowed("POST")
	}
	if err := c.adminOnly(db); err != nil {
		return err
	}
	text, err := c.body()
	if err != nil {
		return err
	}
	var asked struct {
		Index struct {
			Fields  []string        `json:"fields"`
			Partial json.RawMessage `json:"partial_filter_selector,omitempty"`
		}
		DDoc, Name string
	}
	if json.Unmarshal(text, &asked) != nil || asked.DDoc == "" || asked.Name == "" || len(asked.Index.Fields) == 0 {
		return badRequest("couchtest wants index.fields, ddoc and name")
	}
	id := "_design/" + asked.DDoc
	answer := func(result string) *apiError {
		out, _ := json.Marshal(map[string]string{"result": result, "id": id, "name": asked.Name})
		return c.send(http.StatusOK, out)
	}
	if d, err := db.design(asked.DDoc); err == nil && d.Views[asked.Name].Map != nil {
		return answer("exists")
	}
	fields := map[string]string{}
	for _, f := range asked.Index.Fields {
		fields[f] = "asc"
	}
	doc, _ := json.Marshal(map[string]any{
		"_id": id, "language": "query",
		"views": map[string]any{asked.Name: map[string]any{
			"map":     map[string]any{"fields": fields, "partial_filter_selector": asked.Index.Partial},
			"reduce":  "_count",
			"options": map[string]any{"def": asked.Index},
		}},
	})
	if err := c.save(db, doc); err != nil {
		return err
	}
	return answer("created")
}

// save writes a document as a client does.
func (c *call) save(db *DB, doc []byte) *apiError {
	v, jsonErr := decode(doc)
	if jsonErr != nil {
		return errInvalid
	}
	e, err := parseEdit(&v)
	if err != nil {
		return err
	}
	w := writing{db: db, user: c.user}
	outcomes, err := w.apply([]*edit{e})
	if err == nil {
		err = outcomes[0].err
	}
	return err
}

// deleteIndex deletes an index, and its design document with it: here each has
// but one.
func (c *call) deleteIndex(db *DB, design, name string) *apiError {
	if err := c.adminOnly(db); err != nil {
		return err
	}
	d, err := db.design(design)
	if err != nil || d.Views[name].Map == nil {
		return errMissing
	}
	id := "_design/" + design
	doc, _ := json.Marshal(map[string]any{"_id": id, "_rev": db.Leaves(id)[0].Rev, "_deleted": true})
	if err := c.save(db, doc); err != nil {
		return err
	}
	return c.json(http.StatusOK, `{"ok":true}`)
}
