package ledger

import (
	"context"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

// Attend opens the state for a process that looks at it for long and does not
// mend, such as a console by itself: through the process that holds the
// directory, or as its holder if there is none. As the holder it gives way to a
// process that mends: see Lost.
func Attend(ctx context.Context, c Config) (*Ledger, error) {
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	if c.URL != "" {
		return Connect(ctx, c)
	}
	h, conn, err := holdOrDial(ctx, c, true)
	if err != nil {
		return nil, err
	}
	lose := func(l *Ledger) func() { return sync.OnceFunc(func() { close(l.lost) }) }
	if h == nil {
		l, err := start(ctx, c, nil, conn, false)
		if err != nil {
			return nil, err
		}
		gone := lose(l)
		conn.SetClosedHandler(func(*nats.Conn) { gone() })
		if conn.IsClosed() { // before it was told to say so
			gone()
		}
		return l, nil
	}
	l, err := startHome(ctx, c, h)
	if err != nil {
		return nil, err
	}
	gone := lose(l)
	if _, err := l.conn.Subscribe(yieldSubject(c), func(*nats.Msg) { gone() }); err != nil {
		return nil, wrap("open state", fmt.Errorf("%w; %w", err, l.Close()))
	}
	return l, nil
}

// Lost is closed when a Ledger that attends has lost the state, because its
// holder is gone, or has to give it up, because another process wants to mend:
// close it, and Attend again. That of another Ledger stays open.
func (l *Ledger) Lost() <-chan struct{} { return l.lost }

// yieldSubject is where a holder that yields hears that it has to.
func yieldSubject(c Config) string { return c.Name + ".yield" }

// askToYield tells a holder that yields to do so. It may be leaving already.
func askToYield(c Config, holder address) {
	if holder.Port == 0 {
		return
	}
	conn, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", holder.Port), nats.Name(c.Name), nats.Token(holder.Token), nats.NoReconnect())
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.Publish(yieldSubject(c), nil) == nil {
		_ = conn.FlushTimeout(pollHome) // asked again otherwise
	}
}
