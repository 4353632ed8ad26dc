package ledger_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashDir) != "" {
		appendUntilKilled(os.Getenv(crashDir))
	}
	goleak.VerifyTestMain(m)
}

// onBoth runs a test on an embedded server and on one elsewhere.
func onBoth(t *testing.T, c ledger.Config, test func(t *testing.T, l *ledger.Ledger)) {
	t.Run("embedded", func(t *testing.T) {
		c := c
		c.Dir = t.TempDir()
		test(t, open(t, c))
	})
	t.Run("external", func(t *testing.T) {
		c := c
		c.URL = natsServer(t)
		test(t, open(t, c))
	})
}

func open(t *testing.T, c ledger.Config) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// natsServer starts a NATS server of its own and returns its URL.
func natsServer(t *testing.T) string {
	t.Helper()
	s := serve(t, t.TempDir(), server.RANDOM_PORT)
	return "nats://mender:s3cret@" + s.Addr().String()
}

func serve(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port,
		JetStream: true, StoreDir: dir,
		Username: "mender", Password: "s3cret",
		NoSigs: true, NoLog: true,
	})
	check(t, err)
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("no NATS server")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, kind couchmend.Kind) {
	t.Helper()
	if couchmend.KindOf(err) != kind {
		t.Fatalf("got error %v of kind %q, want kind %q", err, couchmend.KindOf(err), kind)
	}
}

func wantError(t *testing.T, err, target error) {
	t.Helper()
	var known *couchmend.Error
	if !errors.Is(err, target) || !errors.As(err, &known) {
		t.Fatalf("got error %v, want a couchmend.Error of %v", err, target)
	}
}

// within waits for a condition that comes true by itself.
func within(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

var background = context.Background()
