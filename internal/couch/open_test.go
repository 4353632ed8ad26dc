package couch

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

func TestOpenSaysWhatIsWrongWithTheURLWithoutShowingAPassword(t *testing.T) {
	for _, bad := range []string{
		"", "localhost:5984", "127.0.0.1:5984", "ftp://h", "http://", "http://h:port",
		"http://admin:hush/hush@h:5984", "http://admin:hush#hush@h", "http://admin:hush?x@h", "http://admin:hush%zz@h",
		"http://u:hush@h:5984/x?y=hush", "http://u:hush@h/a@b", "http://hush@a@h:x",
	} {
		_, err := Open(Config{URL: bad})
		wantKind(t, err, couchmend.KindUsage)
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error shows a password: %v", bad, err)
		}
	}
}

func TestCredentialsInTheURLAreUsedAndNeverShown(t *testing.T) {
	var user, password string
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		answer(w, 500, `{"error":"boom","reason":"x"}`)
	}))
	defer h.Close()
	s, err := Open(Config{URL: strings.Replace(h.URL, "://", "://me:hush%2Fhush@", 1) + "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.DB("a").Info(t.Context())
	wantKind(t, err, couchmend.KindServer, "boom")
	if user != "me" || password != "hush/hush" {
		t.Errorf("sent %q %q", user, password)
	}
	if s.URL() != h.URL || strings.Contains(err.Error(), "hush") {
		t.Errorf("URL %q, error %v", s.URL(), err)
	}
	h.Close()
	_, err = s.DB("a").Info(t.Context())
	wantKind(t, err, couchmend.KindUnreachable, "refused")
	if strings.Contains(fmt.Sprintf("%v %+v", err, err), "hush") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestOnlyOneKindOfLoginMayBeGiven(t *testing.T) {
	for _, cfg := range []Config{
		{Username: "u", Token: "t"}, {Username: "u", ProxyUser: "p"}, {Cookie: true}, {Cookie: true, Token: "t"},
	} {
		cfg.URL = "http://h"
		_, err := Open(cfg)
		wantKind(t, err, couchmend.KindUsage)
	}
}

func TestClientCertificateAndPrivateAuthorityAreUsed(t *testing.T) {
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, `{"couchdb":"Welcome","version":"%d"}`, len(r.TLS.PeerCertificates))
	}))
	h.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	h.StartTLS()
	defer h.Close()

	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(h.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := write("cert.pem", "CERTIFICATE", h.Certificate().Raw)
	cfg := Config{URL: h.URL, ClientCert: cert, ClientKey: write("key.pem", "PRIVATE KEY", key), CAFile: cert}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if welcome, err := s.Ping(t.Context()); err != nil || welcome.Version != "1" {
		t.Errorf("got %+v, %v; want one client certificate seen", welcome, err)
	}

	stranger, err := Open(Config{URL: h.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	_, err = stranger.Ping(t.Context())
	wantKind(t, err, couchmend.KindUnreachable, "certificate")

	for _, bad := range []Config{
		{CAFile: filepath.Join(dir, "none")}, {CAFile: cfg.ClientKey}, {ClientCert: cert}, {ClientKey: cfg.ClientKey},
	} {
		bad.URL = h.URL
		_, err := Open(bad)
		wantKind(t, err, couchmend.KindUsage)
	}
}
