package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

// A hostile resolver, the language it is in, and why its documents are
// reviewed. Those with the reason "" are good: what they return is the winner
// with n set to 9.
type custom struct {
	kind, name, source string
	want               couchmend.Reason
}

var customs = []custom{
	{"starlark", "good", "def resolve(base, revisions):\n    d = copy(revisions[0])\n    set(d, 'n', 9)\n    return d", ""},
	{"starlark", "loops", "def resolve(base, revisions):\n    for i in range(1000000):\n        for j in range(1000000):\n            pass", couchmend.ReasonResolverTimeout},
	{"starlark", "allocates", "def resolve(base, revisions):\n    x = ['x'] * 1000\n    for i in range(1 << 60):\n        x = x + x\n    return x", couchmend.ReasonResolverMemory},
	{"starlark", "garbage", "def resolve(base, revisions):\n    return resolve", couchmend.ReasonResolverOutput},
	{"starlark", "identity", "def resolve(base, revisions):\n    return {'_id': 'other'}", couchmend.ReasonResolverIdentity},
	{"starlark", "mistaken", "def resolve(base, revisions):\n    return revisions[0]['none']", couchmend.ReasonResolverError},
	{"starlark", "asks", "def resolve(base, revisions):\n    review('two', 'doses')", couchmend.ReasonResolver},

	{"python", "good", "def resolve(base, revisions):\n    d = dict(revisions[0])\n    d['n'] = 9\n    return d", ""},
	{"python", "loops", "def resolve(base, revisions):\n    while True: pass", couchmend.ReasonResolverTimeout},
	{"python", "sleeps", "import time\ndef resolve(base, revisions):\n    time.sleep(60)", couchmend.ReasonResolverTimeout},
	{"python", "allocates", "def resolve(base, revisions):\n    x = []\n    while True: x.append(bytearray(1 << 20))", couchmend.ReasonResolverMemory},
	{"python", "prints", "def resolve(base, revisions):\n    print('hello')\n    return revisions[0]", couchmend.ReasonResolverPrinted},
	{"python", "exits", "import os\ndef resolve(base, revisions):\n    os._exit(3)", couchmend.ReasonResolverCrashed},
	{"python", "garbage", "def resolve(base, revisions):\n    return {1, 2}", couchmend.ReasonResolverOutput},
	{"python", "identity", "def resolve(base, revisions):\n    return dict(revisions[0], _id='other')", couchmend.ReasonResolverIdentity},
	{"python", "random", "import random\ndef resolve(base, revisions):\n    return dict(revisions[0], n=random.random())", couchmend.ReasonResolverUnstable},
	{"python", "unordered", "def resolve(base, revisions):\n    return dict(revisions[0], n=list({'a', 'b', 'c', 'd', 'e', 'f', 'g'}))", couchmend.ReasonResolverUnstable},
	{"python", "mistaken", "def resolve(base, revisions):\n    return revisions[0]['none']", couchmend.ReasonResolverError},
	{"python", "asks", "import couchmend\ndef resolve(base, revisions):\n    raise couchmend.Review('two doses')", couchmend.ReasonResolver},

	{"exec", "good", answering(`dict(q['revisions'][0], n=9)`), ""},
	{"exec", "loops", "while True: pass", couchmend.ReasonResolverTimeout},
	{"exec", "prints", "print('hello')\n" + answering(`q['revisions'][0]`), couchmend.ReasonResolverOutput},
	{"exec", "exits", "raise SystemExit(3)", couchmend.ReasonResolverCrashed},
	{"exec", "garbage", answering(`[1]`), couchmend.ReasonResolverOutput},
	{"exec", "identity", answering(`dict(q['revisions'][0], _id='other')`), couchmend.ReasonResolverIdentity},
	{"exec", "random", "import random\n" + answering(`dict(q['revisions'][0], n=random.random())`), couchmend.ReasonResolverUnstable},
}

// answering is a program in Python that answers each question by an expression.
func answering(expression string) string {
	return "import json, sys\nfor line in sys.stdin:\n    q = json.loads(line)\n    print(json.dumps({'id': q['id'], 'result': " + expression + "}), flush=True)"
}

// javascript is a resolver whose language rounds integers and knows no 1.0.
const javascript = `
require('readline').createInterface({ input: process.stdin }).on('line', line => {
  const { id, revisions } = JSON.parse(line)
  console.log(JSON.stringify({ id, result: { ...revisions[0], n: 9 } }))
})`

// customSite is a site whose policy has a rule for the documents of each
// resolver: their type is its kind and name.
func customSite(t *testing.T, s server, all []custom) site {
	var rules strings.Builder
	fmt.Fprint(&rules, "databases: ['*']\npolicies:\n  default:\n    rules:\n")
	dir := t.TempDir()
	for _, c := range all {
		file := c.kind + "-" + c.name
		if err := os.WriteFile(filepath.Join(dir, file), []byte(c.source), 0o600); err != nil {
			t.Fatal(err)
		}
		limits := "timeout: 20s"
		if c.want == couchmend.ReasonResolverTimeout {
			limits = "timeout: 300ms"
		}
		switch c.kind {
		case "starlark":
			limits += ", starlark: " + file
		case "python":
			limits += ", workers: 1, memory: 128MiB, python: " + file
		case "exec":
			limits += ", workers: 1, exec: [python3, " + file + "]"
		case "node":
			limits += ", workers: 1, memory: 1GiB, exec: [node, " + file + "]"
		}
		fmt.Fprintf(&rules, "      - { name: %s, when: { type: %s }, resolver: { %s } }\n", file, file, limits)
	}
	at := s.site(t, rules.String())
	for _, c := range all {
		file := c.kind + "-" + c.name
		if err := os.Rename(filepath.Join(dir, file), filepath.Join(at.dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

// documents is how many documents a resolver is asked about.
func (c custom) documents() int {
	if c.want == "" {
		return 5
	}
	return 1
}

// exactly is what every good resolver leaves as it was.
const exactly = `"z":12345678901234567891,"f":1.0,"o":{"y":1,"x":[1.0,98765432109876543210,{"b":1,"a":2}]},"ü":"\u2028"`

func revisionText(id, kind, hash, parent string, n int) string {
	ids := `"` + hash + `"`
	start := 1
	if parent != "" {
		ids, start = ids+`,"`+parent+`"`, 2
	}
	return fmt.Sprintf(`{"_id":%q,"_rev":"%d-%s","_revisions":{"start":%d,"ids":[%s]},"type":%q,"n":%d,%s}`, id, start, hash, start, ids, kind, n, exactly)
}

func TestEachHostileResolverEndsInReviewForItsOwnReasonAndNoOtherDocumentDoes(t *testing.T) {
	t.Parallel()
	needPython(t)
	onEachServer(t, func(t *testing.T, s server) {
		all := slices.Clone(customs)
		if _, err := exec.LookPath("node"); err == nil {
			all = append(all, custom{"node", "good", javascript, ""})
		}
		at, db := customSite(t, s, all), s.newDB(t)
		var docs []string
		for _, c := range all {
			for i := range c.documents() {
				kind := c.kind + "-" + c.name
				id := fmt.Sprint(kind, i)
				docs = append(docs, revisionText(id, kind, "base", "", 1), revisionText(id, kind, "left", "base", 2), revisionText(id, kind, "right", "base", 3))
			}
		}
		s.must(t, http.MethodPost, "/"+db+"/_bulk_docs", []byte(`{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`), nil)
		at.once(t, db)
		reviews := at.reviews(t, db)
		for _, c := range all {
			for i := range c.documents() {
				id := fmt.Sprint(c.kind, "-", c.name, i)
				if reviews[id] != c.want {
					t.Errorf("%s is in review for %q, want %q", id, reviews[id], c.want)
				}
				if c.want != "" {
					continue
				}
				want := fmt.Sprintf(`"type":"%s-%s","n":9,%s}`, c.kind, c.name, exactly)
				if got := s.text(t, db, id); !strings.HasSuffix(got, strings.ReplaceAll(want, `\u2028`, "\u2028")) && !strings.HasSuffix(got, want) {
					t.Errorf("%s:\n got %s\nwant …%s", id, got, want)
				}
			}
		}
	})
}

// text is a document as the server sends it.
func (s server) text(t *testing.T, db, id string) string {
	t.Helper()
	resp, err := http.Get(s.url + "/" + db + "/" + escaped(id))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

func needPython(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
}
