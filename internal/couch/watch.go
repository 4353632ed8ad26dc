package couch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// watch ends a request whose connection has been silent for too long. Only
// the time spent waiting for the network counts, not what the reader does with
// the bytes.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	limit  time.Duration
	timer  *time.Timer
}

var errEnded = errors.New("request ended")

// newWatch returns the context for one request. The watch runs from now on. It
// calls silent when it ends the request.
func newWatch(parent context.Context, limit time.Duration, silent func()) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(parent)
	w := &watch{ctx: ctx, cancel: cancel, limit: limit}
	w.timer = time.AfterFunc(limit, func() {
		silent()
		cancel(fmt.Errorf("no sign of life for %v", limit))
	})
	return ctx, w
}

// life starts the time anew: a byte has been seen, or is awaited from now.
func (w *watch) life() { w.timer.Reset(w.limit) }

// rest stops the time: nobody waits.
func (w *watch) rest() { w.timer.Stop() }

func (w *watch) end() {
	w.timer.Stop()
	w.cancel(errEnded)
}

// explain returns why the request failed: the silence, the caller's own
// cancellation, or what net/http says, without the URL around it.
func (w *watch) explain(err error) error {
	if cause := context.Cause(w.ctx); cause != nil && !errors.Is(cause, errEnded) {
		return cause
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// watchedBody is an answer's body.
type watchedBody struct {
	body     io.ReadCloser
	watch    *watch
	exchange *exchange
	broken   error
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.life()
	n, err := b.body.Read(p)
	b.watch.rest()
	if n > 0 {
		b.exchange.alive()
	}
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.watch.ctx); cause != nil {
			err = cause
		}
		b.broken = err
		err = readError{err}
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.body.Close()
	b.watch.end()
	b.exchange.end(b.broken)
	return err
}

// watchedUpload is a request's body: sending is life, too, on a slow line.
type watchedUpload struct {
	body  io.Reader
	watch *watch
}

func (u *watchedUpload) Read(p []byte) (int, error) {
	u.watch.life()
	return u.body.Read(p)
}
