package ledger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// home is a state directory that this process holds, with the NATS server that
// runs on it:
//
//	lock         an exclusive file lock: who has it is the holder
//	server.json  who that is, and where its server listens (0600)
//	jetstream/   the streams
type home struct {
	dir    string
	lock   *os.File
	server *server.Server
	token  string
	brief  bool // see address
	yields bool
	gone   sync.Once
}

// address is what server.json says.
type address struct {
	PID int `json:"pid"`
	// Brief says that the holder is a command that leaves in a moment: wait
	// for it and do not depend on its server.
	Brief bool `json:"brief,omitempty"`
	// Yields says that the holder leaves when it is asked to (Attend).
	Yields bool   `json:"yields,omitempty"`
	Port   int    `json:"port,omitempty"` // 0 until the streams are there
	Token  string `json:"token,omitempty"`
}

const (
	// patience is how long to wait for a holder that is starting or leaving.
	patience = 10 * time.Second
	pollHome = 20 * time.Millisecond
	// announced is how soon a process that took the lock says who it is.
	announced = time.Second
)

var errLocked = errors.New("locked")

// hold becomes the holder of c.Dir. A brief holder is waited for, one that
// yields is asked to, and for a moment any other is waited for: until it has
// written its own, the file tells of an earlier one, or is not there.
func hold(ctx context.Context, c Config, brief bool) (*home, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	asked := false
	for began := time.Now(); ; {
		h, err := tryHold(c, brief, false)
		if !errors.Is(err, errLocked) {
			return h, err
		}
		holder := readAddress(c.Dir)
		if holder.Yields {
			askToYield(c, holder)
			asked = true
		}
		stays := !holder.Brief && !asked
		if stays && time.Since(began) > announced || !pause(ctx) {
			return nil, fail("open state", couchmend.KindLocked, inUse(c.Dir, holder))
		}
	}
}

// holdOrDial becomes the holder of c.Dir, a brief one or one that yields, or
// reaches the server of the process that holds it for long.
func holdOrDial(ctx context.Context, c Config, yields bool) (*home, *nats.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		h, err := tryHold(c, !yields, yields)
		if !errors.Is(err, errLocked) {
			return h, nil, err
		}
		// What the file says may be an earlier holder's word, until this one
		// has written its own: then the server does not answer, or knows
		// another token.
		holder := readAddress(c.Dir)
		if !holder.Brief && holder.Port != 0 {
			url := fmt.Sprintf("nats://127.0.0.1:%d", holder.Port)
			conn, err := nats.Connect(url, append(clientOptions(c), nats.Token(holder.Token), nats.NoReconnect())...)
			if err == nil {
				return nil, conn, nil
			}
		}
		if !pause(ctx) {
			return nil, nil, fail("open state", couchmend.KindLocked, fmt.Errorf("%w, which does not answer", inUse(c.Dir, holder)))
		}
	}
}

func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pollHome):
		return true
	}
}

func inUse(dir string, holder address) error {
	if holder.PID == 0 {
		return fmt.Errorf("%s is in use by another process", dir)
	}
	return fmt.Errorf("%s is in use by process %d", dir, holder.PID)
}

// tryHold takes the lock and starts the server; errLocked if another process
// has the lock.
func tryHold(c Config, brief, yields bool) (*home, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fail("open state", diskKind(err), err)
	}
	lock, err := lockFile(filepath.Join(c.Dir, "lock"))
	if errors.Is(err, errLocked) {
		return nil, err
	}
	if err != nil {
		return nil, fail("open state", diskKind(err), err)
	}
	h := &home{dir: c.Dir, lock: lock, token: rand.Text(), brief: brief, yields: yields}
	if err := h.announce(address{PID: os.Getpid(), Brief: brief, Yields: yields}); err != nil {
		h.leave()
		return nil, fail("open state", diskKind(err), err)
	}
	if err := h.serve(c.Logger); err != nil {
		h.leave()
		return nil, fail("open state", diskKind(err), err)
	}
	return h, nil
}

// open lets others in: when the streams are there, and not before. A command
// that found none would make them, with settings that only the holder knows.
func (h *home) open() error {
	port := h.server.Addr().(*net.TCPAddr).Port
	return h.announce(address{PID: os.Getpid(), Brief: h.brief, Yields: h.yields, Port: port, Token: h.token})
}

// serve starts the NATS server: on loopback, for holders of the token.
func (h *home) serve(log *slog.Logger) error {
	store := filepath.Join(h.dir, "jetstream")
	if err := os.MkdirAll(store, 0o700); err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		ServerName:             "couchmend",
		Host:                   "127.0.0.1",
		Port:                   server.RANDOM_PORT,
		Authorization:          h.token,
		JetStream:              true,
		StoreDir:               h.dir, // the server adds "jetstream"
		SyncAlways:             true,
		JetStreamMaxStore:      1 << 50, // the disk's free space is asked before each write instead
		JetStreamMaxMemory:     256 << 20,
		NoSigs:                 true,
		NoLog:                  true,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return err
	}
	words := &serverLog{log: log}
	s.SetLoggerV2(words, false, false, false)
	h.server = s
	s.Start()
	if !s.ReadyForConnections(patience) || !s.JetStreamEnabled() {
		return errors.Join(errors.New("the embedded NATS server did not start"), words.fatal())
	}
	return nil
}

// leave stops the server, waits for it, and lets the directory go.
func (h *home) leave() {
	h.gone.Do(func() {
		if h.server != nil {
			h.server.Shutdown()
			h.server.WaitForShutdown()
		}
		os.Remove(filepath.Join(h.dir, "server.json"))
		h.lock.Close()
	})
}

func (h *home) announce(a address) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	path := filepath.Join(h.dir, "server.json")
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readAddress(dir string) address {
	var a address
	if text, err := os.ReadFile(filepath.Join(dir, "server.json")); err == nil {
		_ = json.Unmarshal(text, &a) // an unreadable one is no address
	}
	return a
}

// serverLog hands the NATS server's words to slog at debug, and keeps the last
// fatal one: a server that can't start says so nowhere else.
type serverLog struct {
	log  *slog.Logger
	mu   sync.Mutex
	last error
}

func (s *serverLog) say(format string, v ...any) { s.log.Debug("nats: " + fmt.Sprintf(format, v...)) }

func (s *serverLog) Noticef(format string, v ...any) { s.say(format, v...) }
func (s *serverLog) Warnf(format string, v ...any)   { s.say(format, v...) }
func (s *serverLog) Errorf(format string, v ...any)  { s.say(format, v...) }
func (s *serverLog) Debugf(format string, v ...any)  { s.say(format, v...) }
func (s *serverLog) Tracef(format string, v ...any)  { s.say(format, v...) }

func (s *serverLog) Fatalf(format string, v ...any) {
	s.say(format, v...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = errors.New(strings.TrimSpace(fmt.Sprintf(format, v...)))
}

func (s *serverLog) fatal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}
