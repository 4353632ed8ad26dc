package resolver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// program is what a worker runs.
type program struct {
	name string // for people
	path string
	args []string
	// greeting is sent to each new process, which answers it as question 0,
	// within startLimit. Nil: a process is ready when it runs.
	greeting func(token string) []byte
	// verdicts are the members by which an answer says that it is none.
	verdicts map[string]couchmend.Reason
	// stray is the reason for output that is no answer.
	stray couchmend.Reason
}

// startLimit is how long a process may take to be ready. It is long because a
// busy machine must not cost documents their attempts.
const startLimit = 30 * time.Second

// grace is how long a process may take to end once it has nothing to read.
const grace = time.Second

// worker is one running process of a resolver. It answers one question at a
// time.
type worker struct {
	options ProcessOptions
	program *program
	token   string // each answer begins with it; what does not is stray
	cmd     *exec.Cmd
	in      *os.File // questions
	out     *os.File // answers
	answers *bufio.Reader
	err     *os.File // standard error
	last    *tail    // of it
	asked   uint64   // questions so far
	ended   chan struct{}
}

func notStarted(p *program, err error) error {
	return failure(couchmend.ReasonResolverCrashed, "%s could not be started: %w. Install it, or give its path in the policy", p.name, err)
}

// startWorker starts a process and returns when it is ready to be asked. Gone is
// called once, when nothing of it is left.
func startWorker(ctx context.Context, o ProcessOptions, p *program, hashSeed string, gone func()) (*worker, error) {
	w := &worker{options: o, program: p, cmd: exec.Command(p.path, p.args...), last: &tail{log: o.Log}, ended: make(chan struct{})}
	w.cmd.Dir, w.cmd.Env, w.cmd.SysProcAttr = o.Dir, environment(hashSeed), ownGroup()
	if err := w.run(gone); err != nil {
		return nil, notStarted(p, err)
	}
	if err := limitMemory(w.cmd.Process, o.Memory); err != nil && !errors.Is(err, syscall.ESRCH) {
		o.Log.Warn("the memory of a resolver is not limited", "resolver", p.name, "error", err)
	}
	if p.greeting == nil {
		return w, nil
	}
	w.token = newToken()
	if _, err := w.exchange(ctx, startLimit, p.greeting(w.token), 0); err != nil {
		w.kill()
		return nil, err
	}
	return w, nil
}

// run starts the process, and what waits for its end.
func (w *worker) run(gone func()) error {
	theirs, err := w.connect()
	if err != nil {
		closeAll(append(theirs, w.in, w.out, w.err)...)
		gone()
		return err
	}
	started := make(chan error, 1)
	go func() {
		defer gone()
		// Linux ends the process with the thread that started it: so this one
		// is kept until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := w.cmd.Start()
		closeAll(theirs...)
		started <- err
		if err != nil {
			closeAll(w.in, w.out, w.err)
			return
		}
		w.wait()
	}()
	return <-started
}

// connect makes pipes to the process's standard streams, and returns its ends
// of them.
func (w *worker) connect() (theirs []*os.File, err error) {
	questions, in, err1 := os.Pipe()
	out, answers, err2 := os.Pipe()
	stderr, errs, err3 := os.Pipe()
	w.in, w.out, w.err = in, out, stderr
	w.answers = bufio.NewReaderSize(w.out, 64<<10)
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = questions, answers, errs
	return []*os.File{questions, answers, errs}, errors.Join(err1, err2, err3)
}

// wait returns when the process and its children have ended, and what they
// wrote to standard error is read. A child that left the group may hold the
// pipes open: then it waits no longer than grace.
func (w *worker) wait() {
	read := make(chan struct{})
	go func() {
		w.last.readFrom(w.err)
		close(read)
	}()
	_ = w.cmd.Wait() // the status is kept in ProcessState
	killGroup(w.cmd.Process)
	deadline := time.Now().Add(grace)
	_ = w.out.SetReadDeadline(deadline)
	_ = w.err.SetReadDeadline(deadline)
	<-read
	_ = w.err.Close()
	close(w.ended)
}

// kill ends the process and its children, at once. Whoever reads or writes is
// woken, even if a child that left the group holds a pipe open.
func (w *worker) kill() {
	select {
	case <-w.ended: // its number may be another process's by now
	default:
		killGroup(w.cmd.Process)
	}
	closeAll(w.in, w.out)
}

// end lets the process find its standard input at an end, and kills it if that
// is not enough.
func (w *worker) end() {
	_ = w.in.Close()
	select {
	case <-w.ended:
	case <-time.After(grace):
	}
	w.kill()
}

// ask puts a question and returns the answer, nil for an absent value. It takes
// a new process to go on after an error that is broken.
func (w *worker) ask(ctx context.Context, q question) (jsondoc.Value, error) {
	w.asked++
	return w.exchange(ctx, w.options.Timeout, q.line(w.asked), w.asked)
}

// exchange writes a line and returns the answer to it.
func (w *worker) exchange(ctx context.Context, limit time.Duration, line []byte, id uint64) (jsondoc.Value, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := context.AfterFunc(limited, w.kill)
	written := make(chan struct{})
	go func() { // beside reading: a process may write before it has read all
		_, _ = w.in.Write(line) // where this fails, no answer comes
		close(written)
	}()
	answer, err := w.readAnswer()
	if err != nil {
		err = w.explain(err)
		w.kill()
	}
	<-written
	stop()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", w.program.name, ctx.Err())
	case limited.Err() != nil:
		return nil, failure(couchmend.ReasonResolverTimeout, "%s gave no answer within %s", w.program.name, limit)
	case err != nil:
		return nil, err
	}
	return parseAnswer(answer, id, w.program.verdicts)
}

// envelope is how many bytes an answer may have beside the result.
const envelope = 1 << 10

// readAnswer reads a line that begins with the token, and returns it without.
func (w *worker) readAnswer() ([]byte, error) {
	for i := range len(w.token) {
		c, err := w.answers.ReadByte()
		if err != nil {
			return nil, err
		}
		if c != w.token[i] {
			return nil, w.stray(append([]byte(w.token[:i]), c))
		}
	}
	var line []byte
	for {
		part, err := w.answers.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case int64(len(line)) > w.options.MaxOutput+envelope:
			return nil, failure(couchmend.ReasonResolverMemory, "the answer is larger than %d bytes", w.options.MaxOutput)
		case err == nil && w.answers.Buffered() > 0:
			more, _ := w.answers.Peek(w.answers.Buffered())
			if w.token == "" { // either line may be the answer
				more = append(line, more...)
			}
			return nil, w.stray(more)
		case err == nil:
			return line, nil
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

// stray is the failure of a process that wrote what is no answer. More of it is
// read, up to the end of the line, for people.
func (w *worker) stray(text []byte) error {
	_ = w.out.SetReadDeadline(time.Now().Add(grace / 10))
	for len(text) < quoted && text[len(text)-1] != '\n' {
		c, err := w.answers.ReadByte()
		if err != nil {
			break
		}
		text = append(text, c)
	}
	if w.token != "" {
		text, _, _ = bytes.Cut(text, []byte(w.token))
	}
	return failure(w.program.stray, "it wrote to standard output what is no answer, or beside one: %s", shown(text))
}

// explain makes of an error in reading the failure that it is a sign of.
func (w *worker) explain(err error) error {
	var f *couchmend.ResolverError
	if errors.As(err, &f) {
		return err
	}
	status := "closed its standard output"
	select {
	case <-w.ended:
		status = "ended (" + w.cmd.ProcessState.String() + ")"
		if peak := peakMemory(w.cmd.ProcessState); peak > w.options.Memory/4*3 {
			return failure(couchmend.ReasonResolverMemory, "%s %s with %d MiB in memory, of %d%s", w.program.name, status, peak>>20, w.options.Memory>>20, w.last)
		}
	case <-time.After(grace):
	}
	return failure(couchmend.ReasonResolverCrashed, "%s %s before it answered%s", w.program.name, status, w.last)
}

// closeAll closes those that are open.
func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // a nil or closed file says so
	}
}

// newToken returns 128 random bits that no output holds by chance. It never
// reaches a result.
func newToken() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
