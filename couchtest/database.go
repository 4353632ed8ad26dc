package couchtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

// version is the CouchDB that is imitated.
const version = "3.5.0"

var dbName = regexp.MustCompile(`^[a-z][a-z0-9_$()+/-]*$`)

// systemDBs are the names with an underscore that a database may have.
var systemDBs = map[string]bool{"_users": true, "_replicator": true, "_global_changes": true}

func (c *call) welcome() *apiError {
	return c.json(http.StatusOK, `{"couchdb":"Welcome","version":"`+version+`","git_sha":"couchtest","uuid":"`+c.node.uuid+
		`","features":["access-ready","partitioned","pluggable-storage-engines","reshard","scheduler"],`+
		`"vendor":{"name":"couchtest, a CouchDB in memory"}}`)
}

func (c *call) uuids() *apiError {
	count, err := c.number("count", 1)
	if err != nil {
		return err
	}
	if count > 1000 {
		return badRequest("count parameter too large")
	}
	uuids := make([]string, count)
	for i := range uuids {
		uuids[i] = randomID()
	}
	text, _ := json.Marshal(map[string][]string{"uuids": uuids})
	return c.send(http.StatusOK, text)
}

// allDBs answers /_all_dbs.
func (c *call) allDBs() *apiError {
	if err := c.serverAdminOnly(); err != nil {
		return err
	}
	names, err := c.dbRange()
	if err != nil {
		return err
	}
	text, _ := json.Marshal(names)
	return c.send(http.StatusOK, text)
}

// dbRange lists databases between startkey and endkey.
func (c *call) dbRange() ([]string, *apiError) {
	w, err := c.window()
	if err != nil {
		return nil, err
	}
	names, _ := w.cut(c.node.DBs())
	return append([]string{}, names...), nil
}

// dbsInfo answers /_dbs_info: of all databases, or of those that were posted.
func (c *call) dbsInfo() *apiError {
	if err := c.serverAdminOnly(); err != nil {
		return err
	}
	var names []string
	var err *apiError
	if c.r.Method == http.MethodPost {
		var v value
		if v, err = c.postedObject(); err == nil {
			keys, ok := v.get("keys")
			if !ok {
				err = badRequest("`keys` member must exist.")
			}
			names = keys.texts()
		}
	} else {
		names, err = c.dbRange()
	}
	if err != nil {
		return err
	}
	text := []byte{'['}
	for i, name := range names {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(appendString(append(text, `{"key":`...), name), ',')
		if db := c.node.DB(name); db != nil {
			text = append(db.appendInfo(append(text, `"info":`...)), '}')
		} else {
			text = append(text, `"error":"not_found"}`...)
		}
	}
	return c.send(http.StatusOK, append(text, ']'))
}

// routeDB answers what concerns one database.
func (c *call) routeDB(name string) *apiError {
	if len(c.parts) == 1 && c.r.Method == http.MethodPut {
		return c.putDB(name)
	}
	db := c.node.DB(name)
	if db == nil {
		return errNoDB
	}
	if len(c.parts) == 1 && c.r.Method == http.MethodDelete {
		return c.deleteDB(name)
	}
	if err := db.admit(c.user); err != nil {
		return err
	}
	if len(c.parts) == 1 {
		switch c.method() {
		case http.MethodGet:
			return c.send(http.StatusOK, db.appendInfo(nil))
		case http.MethodPost:
			return c.postDoc(db)
		default:
			return notAllowed("DELETE,GET,HEAD,POST")
		}
	}
	if answer := dbHandlers[c.parts[1]]; answer != nil {
		return answer(c, db)
	}
	return c.routeDoc(db)
}

// dbHandlers are what /{db}/{name} means for the names that are no document's.
var dbHandlers = map[string]func(*call, *DB) *apiError{
	"_all_docs":           (*call).allDocs,
	"_bulk_docs":          (*call).bulkDocs,
	"_bulk_get":           (*call).bulkGet,
	"_changes":            (*call).changes,
	"_compact":            (*call).compact,
	"_ensure_full_commit": (*call).fullCommit,
	"_index":              (*call).index,
	"_missing_revs":       (*call).missingRevs,
	"_revs_diff":          (*call).revsDiff,
	"_revs_limit":         (*call).limitRevs,
	"_security":           (*call).secure,
	"_view_cleanup":       (*call).cleanViews,
}

func (c *call) putDB(name string) *apiError {
	if err := c.serverAdminOnly(); err != nil {
		return err
	}
	if !dbName.MatchString(name) && !systemDBs[name] {
		return &apiError{http.StatusBadRequest, "illegal_database_name", "Name: '" + name +
			"'. Only lowercase characters (a-z), digits (0-9), and any of the characters _, $, (, ), +, -, and / are allowed. Must begin with a letter."}
	}
	if _, created := c.node.createDB(name); !created {
		return errFileExists
	}
	return c.json(http.StatusCreated, `{"ok":true}`)
}

func (c *call) deleteDB(name string) *apiError {
	if err := c.serverAdminOnly(); err != nil {
		return err
	}
	if c.query.Has("rev") {
		return badRequest("You tried to DELETE a database with a ?=rev parameter. Did you mean to DELETE a document instead?")
	}
	if !c.node.DeleteDB(name) {
		return errNoDB
	}
	return c.json(http.StatusOK, `{"ok":true}`)
}

func (db *DB) appendInfo(dst []byte) []byte {
	db.mu.RLock()
	defer db.mu.RUnlock()
	n := db.node.copies
	quorum := n/2 + 1
	return fmt.Appendf(dst, `{"instance_start_time":"%d","db_name":%s,"purge_seq":"0-%s","update_seq":"%s",`+
		`"sizes":{"file":0,"external":0,"active":0},"props":{},"doc_del_count":%d,"doc_count":%d,`+
		`"disk_format_version":8,"compact_running":false,"cluster":{"q":%d,"n":%d,"w":%d,"r":%d}}`,
		db.created, appendString(nil, db.name), db.node.opaque(db.instance, 0), db.seqID(db.seq),
		len(db.docs)-db.live, db.live, shards, n, quorum, quorum)
}

func (c *call) compact(db *DB) *apiError {
	if c.r.Method != http.MethodPost {
		return notAllowed("POST")
	}
	if err := c.adminOnly(db); err != nil {
		return err
	}
	db.Compact()
	return c.json(http.StatusAccepted, `{"ok":true}`)
}

func (c *call) fullCommit(db *DB) *apiError {
	if c.r.Method != http.MethodPost {
		return notAllowed("POST")
	}
	return c.json(http.StatusCreated, `{"ok":true,"instance_start_time":"`+strconv.FormatInt(db.created, 10)+`"}`)
}

// limitRevs answers /{db}/_revs_limit.
func (c *call) limitRevs(db *DB) *apiError {
	switch c.method() {
	case http.MethodGet:
		db.mu.RLock()
		limit := db.revsLimit
		db.mu.RUnlock()
		return c.json(http.StatusOK, strconv.Itoa(limit))
	case http.MethodPut:
		if err := c.adminOnly(db); err != nil {
			return err
		}
		v, err := c.jsonBody()
		if err != nil {
			return err
		}
		limit, convErr := strconv.Atoi(v.text)
		if v.kind != '0' || convErr != nil || limit < 1 {
			return badRequest("`revs_limit` must be positive integer")
		}
		db.SetRevsLimit(limit)
		return c.json(http.StatusOK, `{"ok":true}`)
	default:
		return notAllowed("PUT,GET")
	}
}

// secure answers /{db}/_security.
func (c *call) secure(db *DB) *apiError {
	switch c.method() {
	case http.MethodGet:
		db.mu.RLock()
		text := slices.Clone(db.security.text)
		db.mu.RUnlock()
		return c.send(http.StatusOK, text)
	case http.MethodPut:
		if err := c.adminOnly(db); err != nil {
			return err
		}
		v, err := c.jsonBody()
		if err != nil {
			return err
		}
		if v.kind != '{' {
			return errNotObject
		}
		db.mu.Lock()
		db.security = parseSecurity(&v)
		db.mu.Unlock()
		return c.json(http.StatusOK, `{"ok":true}`)
	default:
		return notAllowed("PUT,GET")
	}
}
