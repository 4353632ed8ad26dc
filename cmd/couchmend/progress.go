package main

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/couchmend/couchmend/mend"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress is a bar on standard error, where that is a terminal; elsewhere it
// shows nothing. The zero progress is done.
type progress struct {
	bars *mpb.Progress
	bar  *mpb.Bar
}

func (a *app) progress() *progress {
	if _, ok := terminal(a.stderr); !ok {
		return &progress{}
	}
	return &progress{bars: mpb.NewWithContext(a.ctx, mpb.WithOutput(a.stderr), mpb.WithWidth(64))}
}

// out is where to write while the bar is shown: above it, if w is a terminal
// too.
func (p *progress) out(w io.Writer) io.Writer {
	if _, ok := terminal(w); !ok || p.bars == nil {
		return w
	}
	return p.bars
}

// begin shows a new bar under a name in place of the one before.
func (p *progress) begin(name string) {
	if p.bars == nil {
		return
	}
	p.end()
	p.bar = p.bars.AddBar(0,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(clean(name)+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d of %d "), decor.AverageETA(decor.ET_STYLE_GO)),
	)
}

// set says how much of how much is done.
func (p *progress) set(done, total int64) {
	if p.bar != nil {
		p.bar.SetTotal(max(done+1, total), false) // never done by itself
		p.bar.SetCurrent(done)
	}
}

// followEvery is how often follow looks.
const followEvery = 200 * time.Millisecond

// follow shows how far the mending has come, of what is in the queue by then.
// It takes the bar away when stop is called.
func (p *progress) follow(c *mend.Couchmend) (stop func()) {
	if p.bars == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	p.begin("conflicts")
	group.Go(func() {
		for ctx.Err() == nil {
			if left, err := c.Ledger.Pending(ctx); err == nil {
				stats := &c.Mender.Stats
				done := stats.Resolved() + stats.Reviewed.Load() + stats.Quiet.Load()
				p.set(done, done+int64(left))
			}
			wait(ctx, followEvery)
		}
	})
	return func() {
		cancel()
		group.Wait()
		p.close()
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar.Wait()
		p.bar = nil
	}
}

// close takes the bar away and waits until all is written.
func (p *progress) close() {
	if p.bars != nil {
		p.end()
		p.bars.Wait()
		p.bars = nil
	}
}
