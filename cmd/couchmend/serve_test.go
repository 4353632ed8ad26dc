package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/couchtest"
	"github.com/couchmend/couchmend/internal/couch"
)

var quiet = slog.New(slog.DiscardHandler)

func TestAClientThatSendsItsHeaderDropByDropIsLeft(t *testing.T) {
	server := patient(http.NotFoundHandler(), quiet)
	if server.ReadHeaderTimeout != headerTimeout || server.ReadTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 || server.MaxHeaderBytes == 0 {
		t.Fatalf("something is not bounded: %+v", server)
	}
	server.ReadHeaderTimeout /= 100 // as the others, for this test
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	if err := client.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(client); err != nil {
		t.Errorf("it is still connected: %v", err)
	}
}

func TestTheConsoleListensBeyondThisMachineOnlyWithTLSOrByItsUsersWord(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		l, err := serving{Listen: address}.listen(t.Context(), quiet)
		if l != nil || couchmend.KindOf(err) != couchmend.KindUsage || !strings.Contains(err.Error(), "--tls-cert") {
			t.Errorf("%s: %v, %v", address, l, err)
		}
		l, err = serving{Listen: address, InsecureHTTP: true}.listen(t.Context(), quiet)
		if err != nil {
			t.Errorf("%s behind a proxy: %v", address, err)
			continue
		}
		if loopback(l) {
			t.Errorf("%s counts as this machine's", address)
		}
		l.Close()
	}
	if _, err := (serving{Listen: "127.0.0.1:0", TLSCert: "cert.pem"}).listen(t.Context(), quiet); couchmend.KindOf(err) != couchmend.KindUsage {
		t.Errorf("a certificate without its key: %v", err)
	}
}

func TestAPortThatNobodyAskedForMayBeTaken(t *testing.T) {
	taken, err := net.Listen("tcp", defaultListen)
	if err == nil { // or another process has it: all the same
		defer taken.Close()
	}
	if l, err := (serving{}).listen(t.Context(), quiet); l != nil || err != nil {
		t.Errorf("the default: %v, %v", l, err)
	}
	if _, err := (serving{Listen: defaultListen}).listen(t.Context(), quiet); couchmend.KindOf(err) != couchmend.KindUsage {
		t.Errorf("asked for: %v", err)
	}
	if l, err := (serving{Listen: "off"}).listen(t.Context(), quiet); l != nil || err != nil {
		t.Errorf("off: %v, %v", l, err)
	}
}

func TestAConsoleAloneIsReadyWhereItHasItsStateAndCouchDBAnswers(t *testing.T) {
	node := couchtest.NewNode()
	db, err := couchtest.Listen(node, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := couch.Open(couch.Config{URL: db.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	on := new(stage)
	want := func(path string, status int, when string) {
		t.Helper()
		w := httptest.NewRecorder()
		on.watch().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != status {
			t.Errorf("%s %s: %d %s, want %d", path, when, w.Code, w.Body, status)
		}
	}
	want("/readyz", http.StatusServiceUnavailable, "without state")
	on.put(nil, server)
	want("/readyz", http.StatusOK, "with both")
	want("/metrics", http.StatusNotFound, "ever")
	db.Close()
	want("/readyz", http.StatusServiceUnavailable, "without CouchDB")
	want("/healthz", http.StatusOK, "without CouchDB")
}
