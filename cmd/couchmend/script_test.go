package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/couchmend/couchmend/couchtest"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"couchmend": func() { os.Exit(Main()) },
		"couch":     func() { os.Exit(couchMain(os.Args[1:])) },
	})
}

// Each script has a CouchDB of its own at $COUCHDB_URL, with a database medic;
// at $WEB_URL a web server that is no CouchDB; at $NOWHERE_URL nothing.
// `couch METHOD PATH [FILE]` is curl for it. `asked N` says how many requests there
// were, `eventually PATTERN COMMAND…` repeats a command until its output
// matches. UPDATE=1 in the environment writes what cmp compares anew.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup:               setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"asked":      cmdAsked,
			"eventually": cmdEventually,
			"code":       cmdCode,
			"compact":    cmdCompact,
		},
	})
}

type requestCount struct{ n atomic.Int64 }

const countKey, nodeKey = "count", "node"

func setupScript(e *testscript.Env) error {
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "sesame"))
	for _, name := range []string{"member", "keeper", "stranger"} { // what they may do, a script says in _security
		node.AddUser(name, "sesame")
	}
	node.CreateDB("medic")
	count := &requestCount{}
	node.OnRequest(func(*http.Request) { count.n.Add(1) })
	server, err := couchtest.Listen(node, "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.Defer(server.Close)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<html>hello</html>")
	}))
	e.Defer(web.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	e.Values[countKey], e.Values[nodeKey] = count, node
	e.Setenv("COUCHDB_URL", server.URL)
	e.Setenv("COUCHDB_USER", "admin")
	e.Setenv("COUCHDB_PASSWORD", "sesame")
	e.Setenv("WEB_URL", web.URL)
	e.Setenv("NOWHERE_URL", gone.URL)
	e.Setenv("USER", "ann")
	e.Setenv("TZ", "UTC")
	return nil
}

// couchMain makes one request and prints the answer's body.
func couchMain(args []string) int {
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: couch METHOD PATH [FILE]")
		return 1
	}
	var body io.Reader
	if len(args) > 2 {
		f, err := os.Open(args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer f.Close()
		body = f
	}
	req, err := http.NewRequest(args[0], os.Getenv("COUCHDB_URL")+args[1], body)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	req.SetBasicAuth(os.Getenv("COUCHDB_USER"), os.Getenv("COUCHDB_PASSWORD"))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer resp.Body.Close()
	io.Copy(os.Stdout, resp.Body)
	if resp.StatusCode >= 400 {
		return 1
	}
	return 0
}

// cmdAsked checks how many requests the server saw since the last time, and
// without a number begins to count anew.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	got := ts.Value(countKey).(*requestCount).n.Swap(0)
	if len(args) == 0 {
		return
	}
	want, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	if (got == want) == neg {
		ts.Fatalf("the server was asked %d times", got)
	}
}

// cmdCode runs a command and checks its exit code.
func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func cmdEventually(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND…")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...) // its output is what counts
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%q did not come", args[0])
		}
	}
}

// cmdCompact drops the bodies that are no leaves' from a database.
func cmdCompact(ts *testscript.TestScript, _ bool, args []string) {
	name, err := url.PathUnescape(args[0])
	ts.Check(err)
	ts.Value(nodeKey).(*couchtest.Node).DB(name).Compact()
}
