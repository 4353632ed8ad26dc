package couch

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/couchmend/couchmend"
)

func TestAClosedGateStopsARepetitionToo(t *testing.T) {
	sent, closed := 0, errors.New("closed")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sent++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer web.Close()
	server, err := Open(Config{URL: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	rev := couchmend.MustRev("1-a")
	write := Write{ID: "d", Revision: couchmend.Revision{Rev: rev, Path: []couchmend.Rev{rev}, Body: []byte(`{}`)}}
	db := server.DB("clinic").Gated(func() error {
		if sent > 0 {
			return closed
		}
		return nil
	})
	if _, err := db.Write(t.Context(), []Write{write}); !errors.Is(err, closed) || sent != 1 {
		t.Errorf("%v after %d requests, want the gate's error after one", err, sent)
	}
}

func TestA404ThatIsNotCouchDBsDoesNotMeanThatADatabaseIsGone(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	server, err := Open(Config{URL: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := server.DB("clinic").Info(t.Context()); couchmend.KindOf(err) != couchmend.KindServer {
		t.Errorf("%v is of kind %s, want %s", err, couchmend.KindOf(err), couchmend.KindServer)
	}
}
