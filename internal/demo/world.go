// Package demo is a clinic in memory: a server and two phones that edit
// offline, and couchmend at work on the server. It shows the main job without
// a CouchDB, and checks that nothing was lost.
package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/revtree"
)

// dbName is the database that every place has.
const dbName = "clinic"

// place is one CouchDB: the server's or a phone's.
type place struct {
	name   string // as the story calls it
	db     *couchtest.DB
	server *couchtest.Server
}

// world is the server and the phones, and who saved what.
type world struct {
	ctx       context.Context
	server    *place
	asha, ben *place
	savedBy   map[couchmend.Rev]string
	saves     map[string][]couchmend.Rev // by document, in order
	removed   map[couchmend.Rev]bool     // deletions among the saves
}

func newWorld(ctx context.Context) (*world, error) {
	w := &world{ctx: ctx, savedBy: map[couchmend.Rev]string{}, saves: map[string][]couchmend.Rev{}, removed: map[couchmend.Rev]bool{}}
	for _, p := range []struct {
		to   **place
		name string
	}{{&w.server, "the server"}, {&w.asha, "Asha's phone"}, {&w.ben, "Ben's phone"}} {
		node := couchtest.NewNode()
		listening, err := couchtest.Listen(node, "127.0.0.1:0")
		if err != nil {
			w.close()
			return nil, err
		}
		*p.to = &place{name: p.name, db: node.CreateDB(dbName), server: listening}
	}
	return w, nil
}

func (w *world) places() []*place {
	var all []*place
	for _, p := range []*place{w.server, w.asha, w.ben} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

func (w *world) close() {
	for _, p := range w.places() {
		p.server.Close()
	}
}

// sync replicates a phone with the server, both ways.
func (w *world) sync(phones ...*place) error {
	for _, phone := range phones {
		if _, err := couchtest.Replicate(w.ctx, phone.db, w.server.db); err != nil {
			return err
		}
		if _, err := couchtest.Replicate(w.ctx, w.server.db, phone.db); err != nil {
			return err
		}
	}
	return nil
}

// everywhere creates a document on the server and brings it to both phones.
func (w *world) everywhere(id, body string) error {
	if err := w.save(w.server, id, body); err != nil {
		return err
	}
	return w.sync(w.asha, w.ben)
}

// file is an attachment.
type file struct{ name, kind, content string }

// save writes a document as an app does: on top of the winner that it sees.
func (w *world) save(p *place, id, body string, files ...file) error {
	return w.saveOn(p, id, p.winner(id), body, files...)
}

// saveOn writes a document on top of a given revision.
func (w *world) saveOn(p *place, id string, parent couchmend.Rev, body string, files ...file) error {
	body = body[1:]
	if parent != (couchmend.Rev{}) {
		body = fmt.Sprintf(`"_rev":%q,%s`, parent, body)
	}
	if len(files) > 0 {
		all := map[string]any{}
		for _, f := range files {
			all[f.name] = map[string]string{"content_type": f.kind, "data": base64.StdEncoding.EncodeToString([]byte(f.content))}
		}
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		body = fmt.Sprintf(`"_attachments":%s,%s`, text, body)
	}
	return w.request(p, http.MethodPut, id, "", "{"+body)
}

// remove deletes a document as an app does.
func (w *world) remove(p *place, id string) error {
	return w.request(p, http.MethodDelete, id, "?rev="+p.winner(id).String(), "")
}

func (w *world) request(p *place, method, id, query, body string) error {
	r, err := http.NewRequestWithContext(w.ctx, method, p.server.URL+"/"+dbName+"/"+url.PathEscape(id)+query, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var saved struct{ Rev couchmend.Rev }
	if err := json.Unmarshal(text, &saved); err != nil || resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s on %s: %s %s", method, id, p.name, resp.Status, text)
	}
	if _, twice := w.savedBy[saved.Rev]; !twice {
		w.savedBy[saved.Rev] = p.name
	}
	w.saves[id] = append(w.saves[id], saved.Rev)
	w.removed[saved.Rev] = method == http.MethodDelete
	return nil
}

// winner is the live revision that a place shows; zero where there is none.
func (p *place) winner(id string) couchmend.Rev {
	leaves := p.db.Leaves(id)
	if len(leaves) == 0 || leaves[0].Deleted {
		return couchmend.Rev{}
	}
	return leaves[0].Rev
}

func (p *place) live(id string) []couchmend.Revision {
	var live []couchmend.Revision
	for _, leaf := range p.db.Leaves(id) {
		if !leaf.Deleted {
			live = append(live, leaf)
		}
	}
	return live
}

// lost returns the saves of a document that no live leaf at a place contains:
// edits that its readers, and its reviewers, would miss.
func (w *world) lost(p *place, id string) []couchmend.Rev {
	var paths []revtree.Path
	live := p.live(id)
	for _, leaf := range live {
		paths = append(paths, leaf.Path)
	}
	tree := revtree.New(paths...)
	var lost []couchmend.Rev
	for _, saved := range w.saves[id] {
		there := w.removed[saved]
		for _, leaf := range live {
			there = there || tree.Contains(leaf.Rev).Has(revtree.MarkOf(saved))
		}
		if !there {
			lost = append(lost, saved)
		}
	}
	return lost
}
