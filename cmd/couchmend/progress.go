package main

import (
	"io"

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
