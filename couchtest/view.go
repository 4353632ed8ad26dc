package couchtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// A node has no JavaScript. It knows one view by the text of its map function,
// whatever the white space, quotes and semicolons in it: that of documents in
// conflict, whose key is the list of the losing revisions, as operators have
// long had it. Every other view is a 501.
const conflictsMap = "function(doc){if(doc._conflicts){emit(doc._conflicts,null)}}"

// bareMap is a map function's text with what does not matter taken out.
func bareMap(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == ';' {
			return -1
		}
		return r
	}, text)
	return strings.Replace(text, "if(doc._conflicts)emit(doc._conflicts,null)}", "if(doc._conflicts){emit(doc._conflicts,null)}}", 1)
}

// designDoc is what of a design document matters here.
type designDoc struct {
	Language string
	Options  struct {
		IncludeDesign bool `json:"include_design"`
	}
	Views map[string]struct{ Map json.RawMessage }
}

var (
	errNoView     = &apiError{http.StatusNotFound, "not_found", "missing_named_view"}
	errNoLanguage = &apiError{http.StatusNotImplemented, "not_implemented", "couchtest has no JavaScript: it knows the view of conflicts alone"}
)

// design reads a design document.
func (db *DB) design(name string) (designDoc, *apiError) {
	var d designDoc
	db.mu.RLock()
	defer db.mu.RUnlock()
	doc := db.docs["_design/"+name]
	if doc == nil || doc.leaves[0].deleted() {
		return d, errMissing
	}
	body := slices.Concat([]byte{'{'}, doc.leaves[0].rev.body, []byte{'}'})
	if err := json.Unmarshal(body, &d); err != nil {
		return d, badRequest("invalid design doc")
	}
	return d, nil
}

// view answers /{db}/_design/{name}/_view/{view}, and _info of the design
// document: here every view is built at once.
func (c *call) view(db *DB, name string, rest []string) *apiError {
	d, err := db.design(name)
	if err != nil {
		return err
	}
	if len(rest) == 1 {
		return c.json(http.StatusOK, `{"name":`+string(appendString(nil, name))+
			`,"view_index":{"updater_running":false,"updates_pending":{"minimum":0,"preferred":0,"total":0}}}`)
	}
	v, ok := d.Views[rest[1]]
	if !ok {
		return errNoView
	}
	var source string
	if d.Language == "query" {
		return c.json(http.StatusOK, `{"rows":[]}`)
	}
	if json.Unmarshal(v.Map, &source) != nil || bareMap(source) != conflictsMap {
		return errNoLanguage
	}
	return c.conflictsView(db, d.Options.IncludeDesign)
}

// conflictRow is a row of the view of conflicts: text is its key as JSON.
type conflictRow struct {
	id   string
	revs []string
	text []byte
}

func (c *call) conflictsView(db *DB, designs bool) *apiError {
	limit, err := c.number("limit", -1)
	if err != nil {
		return err
	}
	var start []string
	if text := c.query.Get("startkey"); text != "" {
		if json.Unmarshal([]byte(text), &start) != nil {
			return badRequest("Invalid value for key: " + text)
		}
	}
	rows := db.conflictRows(designs)
	total := len(rows)
	from := 0
	if start != nil {
		first := conflictRow{id: c.query.Get("startkey_docid"), revs: start}
		from, _ = slices.BinarySearchFunc(rows, first, conflictRow.compare)
	}
	skip, err := c.number("skip", 0)
	if err != nil {
		return err
	}
	rows = rows[min(from+skip, total):]
	if limit >= 0 {
		rows = rows[:min(limit, len(rows))]
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"total_rows":%d,"offset":%d,"rows":[`, total, from)
	for i, r := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n"+`{"id":%s,"key":%s,"value":null}`, appendString(nil, r.id), r.text)
	}
	b.WriteString("\n]}")
	return c.send(http.StatusOK, b.Bytes())
}

// compare orders rows by key, then by id. Revision ids are compared as bytes:
// CouchDB's collation gives the same for digits and small letters.
func (r conflictRow) compare(s conflictRow) int {
	if order := slices.Compare(r.revs, s.revs); order != 0 {
		return order
	}
	return strings.Compare(r.id, s.id)
}

func (db *DB) conflictRows(designs bool) []conflictRow {
	db.mu.RLock()
	defer db.mu.RUnlock()
	var rows []conflictRow
	for id, d := range db.docs {
		if strings.HasPrefix(id, "_design/") && !designs || d.leaves[0].deleted() {
			continue
		}
		row := conflictRow{id: id}
		for _, n := range d.leaves[1:] {
			if !n.deleted() {
				row.revs = append(row.revs, revText(n.gen, n.hash))
			}
		}
		if len(row.revs) > 0 {
			row.text, _ = json.Marshal(row.revs)
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, conflictRow.compare)
	return rows
}

// cleanViews answers /{db}/_view_cleanup: no view has files here.
func (c *call) cleanViews(db *DB) *apiError {
	if c.r.Method != http.MethodPost {
		return notAllowed("POST")
	}
	if err := c.adminOnly(db); err != nil {
		return err
	}
	return c.json(http.StatusAccepted, `{"ok":true}`)
}
