package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// openLog opens a log: a file, - for standard input, or systemd's journal of a
// unit.
func (t *triageCmd) openLog(a *app, name, unit string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.stdin), nil
	}
	if rest, ok := strings.CutPrefix(name, "journal"); ok && (rest == "" || rest[0] == ':') {
		if named := strings.TrimPrefix(rest, ":"); named != "" {
			unit = named
		}
		return openJournal(a.ctx, unit, time.Now().Add(-t.Since))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usage(err)
	}
	return f, nil
}

// unitJournal is a running journalctl.
type unitJournal struct {
	io.Reader
	cmd    *exec.Cmd
	cancel context.CancelFunc
	said   bytes.Buffer
}

// openJournal reads what a unit logged. Close ends it.
func openJournal(ctx context.Context, unit string, since time.Time) (*unitJournal, error) {
	ctx, cancel := context.WithCancel(ctx)
	j := &unitJournal{cancel: cancel}
	j.cmd = exec.CommandContext(ctx, "journalctl", "--unit="+unit, "--output=json", "--no-pager", "--since=@"+fmt.Sprint(since.Unix()))
	j.cmd.Stderr = &j.said
	out, err := j.cmd.StdoutPipe()
	if err == nil {
		err = j.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, usage(fmt.Errorf("the journal cannot be read: %w", err))
	}
	j.Reader = &ended{from: out, journal: j}
	return j, nil
}

// Close ends journalctl.
func (j *unitJournal) Close() error {
	j.cancel()
	_ = j.cmd.Wait() // it was ended, or has said already what was wrong
	return nil
}

// ended tells, at the end of what journalctl writes, how it ended: as often as it
// is asked.
type ended struct {
	from    io.Reader
	journal *unitJournal
	how     error
}

func (e *ended) Read(p []byte) (int, error) {
	if e.how != nil {
		return 0, e.how
	}
	n, err := e.from.Read(p)
	if n > 0 || err != io.EOF {
		return n, err
	}
	e.how = io.EOF
	if failed := e.journal.cmd.Wait(); failed != nil {
		e.how = fmt.Errorf("journalctl: %w: %s", failed, strings.TrimSpace(e.journal.said.String()))
	}
	return 0, e.how
}
