package ledger

import (
	"context"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Lease is the right to do one thing, such as reading one database's feed,
// while it is renewed. It makes doing it twice rare, not impossible: a holder
// that slept may find out late. That is harmless (I3, I4).
type Lease struct {
	ledger  *Ledger
	subject string
	owner   string
	seq     uint64 // of the message that is the lease
	ending  context.CancelFunc
	ended   chan struct{} // the renewal has ended
	lost    chan struct{}
}

// Lease takes the lease of that name for owner, whose name is for people. It
// errs with ErrHeld while somebody else has it. A lease is renewed three times
// in LeaseTTL, and is free that long after its holder died.
func (l *Ledger) Lease(ctx context.Context, name, owner string) (*Lease, error) {
	if l.closing.Err() != nil {
		return nil, fail("lease "+name, couchmend.KindOther, nats.ErrConnectionClosed)
	}
	s := &Lease{
		ledger:  l,
		subject: l.cfg.Name + "." + leases + "." + digest(name, 32),
		owner:   owner,
		ended:   make(chan struct{}),
		lost:    make(chan struct{}),
	}
	asked := time.Now()
	err := s.write(ctx)
	switch {
	case isMoved(err):
		return nil, fail("lease "+name, couchmend.KindOther, ErrHeld)
	case err != nil:
		return nil, wrap("lease "+name, err)
	}
	renewing, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a lease outlives the call that took it
	s.ending = cancel
	unhook := context.AfterFunc(l.closing, cancel) //nolint:contextcheck // nor the Ledger
	l.running.Go(func() {
		defer unhook()
		s.renew(renewing, asked)
	})
	return s, nil
}

// write takes the lease, or renews it if it is still the one written last. A
// message with an age limit, and not the key-value store's Update: that one
// takes none, so what it wrote would never expire.
func (s *Lease) write(ctx context.Context) error {
	m := nats.NewMsg(s.subject)
	m.Data = []byte(s.owner)
	ack, err := s.ledger.js.PublishMsg(ctx, m,
		jetstream.WithMsgTTL(s.ledger.cfg.LeaseTTL),
		jetstream.WithExpectLastSequencePerSubject(s.seq))
	if err == nil {
		s.seq = ack.Sequence
	}
	return err
}

// renew keeps the lease until ctx ends, then gives it back.
func (s *Lease) renew(ctx context.Context, written time.Time) {
	defer close(s.ended)
	ttl := s.ledger.cfg.LeaseTTL
	tick := time.NewTicker(ttl / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.giveBack(context.WithoutCancel(ctx))
			return
		case asked := <-tick.C:
			asking, cancel := context.WithDeadline(ctx, written.Add(ttl))
			err := s.write(asking)
			cancel()
			switch {
			case err == nil:
				written = asked
			case ctx.Err() != nil: // giving back: the next turn
			case isMoved(err) || time.Since(written) >= ttl:
				close(s.lost)
				return
			}
		}
	}
}

// giveBack deletes the very message that is this lease, nobody else's. What
// goes wrong here ends with the lease's time.
func (s *Lease) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.ledger.cfg.LeaseTTL)
	defer cancel()
	_ = s.ledger.streams[leases].DeleteMsg(ctx, s.seq)
}

// Lost is closed when somebody else may have the lease: stop what it was for.
// It stays open when the lease is released.
func (s *Lease) Lost() <-chan struct{} { return s.lost }

// Release gives the lease back at once. It waits for that, but not beyond ctx.
func (s *Lease) Release(ctx context.Context) error {
	s.ending()
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return wrap("release lease", ctx.Err())
	}
}
