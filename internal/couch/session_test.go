package couch

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
)

func ward(t *testing.T) (*couchtest.Node, *Server) {
	t.Helper()
	node := couchtest.NewNode()
	listening, err := couchtest.Listen(node, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listening.Close)
	server, err := Open(Config{URL: listening.URL, Username: "root", Password: "toor"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return node, server
}

func TestASessionHasItsPersonsRightsAndNotOurs(t *testing.T) {
	node, server := ward(t)
	node.AddUser("root", "toor", "_admin")
	node.AddUser("asha", "pw", "nurse")
	theirs, user, err := server.SignIn(t.Context(), "asha", "pw")
	if err != nil {
		t.Fatal(err)
	}
	if user.Name != "asha" || user.ServerAdmin() || len(user.Roles) != 1 {
		t.Errorf("signed in as %+v", user)
	}
	for _, ask := range []struct {
		as   *Server
		want string
	}{{theirs, "asha"}, {server, "root"}, {theirs.Nobody(), ""}} {
		if got, err := ask.as.WhoAmI(t.Context()); err != nil || got.Name != ask.want {
			t.Errorf("the server takes it for %+v, %v; want %q", got, err, ask.want)
		}
	}
}

func TestAWrongPasswordIsSentOnce(t *testing.T) {
	node, server := ward(t)
	node.AddUser("asha", "pw")
	var asked atomic.Int64
	node.OnRequest(func(*http.Request) { asked.Add(1) })
	if _, _, err := server.SignIn(t.Context(), "asha", "guess"); couchmend.KindOf(err) != couchmend.KindAuth {
		t.Errorf("got %v, want a refused login", err)
	}
	if asked.Load() != 1 {
		t.Errorf("%d requests were made, want one", asked.Load())
	}
}

func TestWhereNobodyMustLogInNobodyIsAdmin(t *testing.T) {
	_, server := ward(t)
	if user, err := server.Nobody().WhoAmI(t.Context()); err != nil || user.Name != "" || !user.ServerAdmin() {
		t.Errorf("got %+v, %v", user, err)
	}
}
