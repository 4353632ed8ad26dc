package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/couchmend/couchmend/internal/pouchserver"
)

// drawer holds PouchDB phones that do what they are told, one thing at a time.
type drawer struct {
	in  io.Writer
	out *bufio.Reader
}

// openDrawer starts test/pouch/phones.js. There are as many phones in it as
// names are used.
func openDrawer(t *testing.T) *drawer {
	in, out := pouchserver.Script(t, "phones.js")
	return &drawer{in, out}
}

// phone is one of them.
type phone struct {
	drawer *drawer
	name   string
}

// order is a command to a phone; test/pouch/phones.js says what each does.
type order struct {
	Phone string         `json:"phone"`
	Do    string         `json:"do"`
	ID    string         `json:"id,omitempty"`
	Set   map[string]any `json:"set,omitempty"`
	Push  map[string]any `json:"push,omitempty"`
	Add   map[string]int `json:"add,omitempty"`
	Name  string         `json:"name,omitempty"`
	Type  string         `json:"type,omitempty"`
	Data  []byte         `json:"data,omitempty"` // base64 in JSON
	URL   string         `json:"url,omitempty"`
}

type outcome struct {
	Error  string
	Rev    string
	Pulled int
	Pushed int
	Docs   []json.RawMessage
}

func (p phone) obey(t *testing.T, o order) outcome {
	t.Helper()
	o.Phone = p.name
	line, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.drawer.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	answer, err := p.drawer.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var got outcome
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatal(err)
	}
	if got.Error != "" {
		t.Fatalf("%s could not %s %s: %s", p.name, o.Do, o.ID, got.Error)
	}
	return got
}

// sync pulls from and pushes to a database's URL; moved is how many documents
// went either way.
func (p phone) sync(t *testing.T, url string) (moved int) {
	t.Helper()
	got := p.obey(t, order{Do: "sync", URL: url})
	return got.Pulled + got.Pushed
}

// visit is a document of the phones' test, as a phone shows it.
type visit struct {
	ID          string          `json:"_id"`
	Rev         string          `json:"_rev"`
	Conflicts   []string        `json:"_conflicts"`
	Read        []string        `json:"read"`
	Visits      int             `json:"visits"`
	Fields      map[string]any  `json:"-"` // all members
	Attachments map[string]file `json:"_attachments"`
}

type file struct {
	Data []byte `json:"data"`
}

// shown is what the phone shows, by document id.
func (p phone) shown(t *testing.T) map[string]visit {
	t.Helper()
	docs := map[string]visit{}
	for _, raw := range p.obey(t, order{Do: "dump"}).Docs {
		var v visit
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		fields := json.NewDecoder(bytes.NewReader(raw))
		fields.UseNumber()
		if err := fields.Decode(&v.Fields); err != nil {
			t.Fatal(err)
		}
		docs[v.ID] = v
	}
	return docs
}
