package resolver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// call is one run of a script: its thread, its limits, and what its values
// were read from.
type call struct {
	options   StarlarkOptions
	ctx       context.Context // of run
	thread    *starlark.Thread
	base      *couchmend.Revision
	revisions []couchmend.Revision

	// texts are the frozen containers of the question, as they were written.
	texts map[starlark.Value]jsondoc.Value
	// literals are the question's spellings of floats, by their bits.
	literals map[uint64]jsondoc.Value

	limit atomic.Pointer[couchmend.ResolverError] // that was reached first
}

const callKey = "call"

// callOf is the call that a built-in function was called in.
func callOf(thread *starlark.Thread) *call { return thread.Local(callKey).(*call) }

var errTimeout = errors.New("the time is over")

func newCall(o StarlarkOptions) *call {
	c := &call{options: o, texts: map[starlark.Value]jsondoc.Value{}, literals: map[uint64]jsondoc.Value{}}
	c.thread = &starlark.Thread{
		Print: func(_ *starlark.Thread, line string) {
			if o.Print != nil {
				o.Print(line)
			}
		},
		OnMaxSteps: func(*starlark.Thread) {
			c.cancel(couchmend.ReasonResolverTimeout, "it ran past its limit of %d steps", o.Steps)
		},
	}
	c.thread.SetLocal(callKey, c)
	c.thread.SetMaxExecutionSteps(o.Steps)
	return c
}

// run lets f run the thread, within the limits. It returns when what it started
// has ended.
func (c *call) run(ctx context.Context, f func() error) (err error) {
	ctx, stop := context.WithTimeoutCause(ctx, c.options.Timeout, errTimeout)
	c.ctx = ctx
	var watching sync.WaitGroup
	watching.Go(c.watch)
	defer watching.Wait()
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			err = failure(couchmend.ReasonResolverError, "the interpreter failed: %v", p)
		}
	}()
	if err := f(); err != nil {
		return c.failed(err)
	}
	return nil
}

// watched is how often a call's time and memory are looked at. A script takes
// some MiB meanwhile.
const watched = 5 * time.Millisecond

// watch cancels the thread when its time is over or it holds too much.
func (c *call) watch() {
	ticker := time.NewTicker(watched)
	defer ticker.Stop()
	m := memory{most: uint64(c.options.Memory), before: math.MaxUint64}
	for {
		select {
		case <-c.ctx.Done():
			if context.Cause(c.ctx) == errTimeout {
				c.cancel(couchmend.ReasonResolverTimeout, "it ran past its limit of %s", c.options.Timeout)
			} else {
				c.thread.Cancel("stopped")
			}
			return
		case <-ticker.C:
			if m.over() {
				c.cancel(couchmend.ReasonResolverMemory, "it ran past its limit of %d MiB of memory", c.options.Memory>>20)
			}
		}
	}
}

// memory is what the process has grown by since a call began.
type memory struct {
	most   uint64 // bytes to grow by
	before uint64 // the least that was seen
	clear  uint64 // up to here, the last collection showed, it may all be garbage
}

// over reports whether the process has grown by too much. Before it says so it
// collects garbage, but not each time it looks.
func (m *memory) over() bool {
	now := heap()
	m.before = min(m.before, now)
	if now <= max(m.before+m.most, m.clear) {
		return false
	}
	runtime.GC()
	now = heap()
	m.clear = now + m.most/4
	return now > m.before+m.most
}

// heap is how many bytes this process's values take, garbage included.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func (c *call) cancel(reason couchmend.Reason, format string, args ...any) {
	c.limit.CompareAndSwap(nil, &couchmend.ResolverError{Reason: reason, Err: fmt.Errorf(format, args...)})
	c.thread.Cancel("a limit was reached")
}

// failed makes of an error of the interpreter's what Resolve returns.
func (c *call) failed(err error) error {
	where := ""
	cause := err
	for eval := (*starlark.EvalError)(nil); errors.As(cause, &eval); cause = eval.Unwrap() {
		if where == "" {
			where = place(eval.CallStack)
		}
	}
	var known *couchmend.ResolverError
	switch limit := c.limit.Load(); {
	case limit != nil:
		return failure(limit.Reason, "%w%s", limit.Err, where)
	case c.ctx.Err() != nil && context.Cause(c.ctx) != errTimeout:
		return c.ctx.Err()
	case errors.Is(cause, couchmend.ErrReview):
		return cause
	case errors.As(cause, &known):
		return failure(known.Reason, "%w%s", known.Err, where)
	case isA[tooMuch](cause):
		return failure(couchmend.ReasonResolverMemory, "%w%s", cause, where)
	}
	return failure(couchmend.ReasonResolverError, "%s%s", words(err), where)
}

// words is an error's message, with the name of the built-in function that
// it came from and with what to do about it.
func words(err error) string {
	text := err.Error()
	var eval *starlark.EvalError
	if errors.As(err, &eval) && len(eval.CallStack) > 0 {
		if top := eval.CallStack.At(0); top.Pos.Line == 0 && !strings.Contains(text, top.Name) {
			text = top.Name + ": " + text
		}
	}
	if strings.Contains(text, "frozen hash table") || strings.Contains(text, "frozen list") {
		text += ": globals and what a resolver is given can't be changed; change a copy, as in doc = copy(revisions[0])"
	}
	return shortened(text)
}

// place says in which line an error arose, and from where that was called.
func place(stack starlark.CallStack) string {
	var lines []string
	for i := range stack {
		if frame := stack.At(i); frame.Pos.Line > 0 { // not a built-in function
			lines = append(lines, fmt.Sprintf("%s in %s", frame.Pos, frame.Name))
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return shortened(" (" + strings.Join(lines, ", called from ") + ")")
}

// maxWords bounds a script's words, which are kept with the document in review.
const maxWords = 4 << 10 // bytes

func shortened(text string) string {
	if len(text) <= maxWords {
		return text
	}
	return strings.ToValidUTF8(text[:maxWords], "") + "…"
}
