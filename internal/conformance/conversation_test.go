package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// expectation is one sentence about a CouchDB and the conversation that shows
// it. Its databases are $db and, where the steps name it, $other; both are
// new. $url is the server's, and $user and $password are an admin's.
type expectation struct {
	name string
	// refuse is a validation function that $db has from the start.
	refuse *validator
	steps  []step
}

// step is one request and what its answer must be.
type step struct {
	do   string // "PUT /$db/d?new_edits=false", or "REPLICATE $db $other"
	body string
	as   string // the body's content type, application/json if empty
	send string // one more header, "Name: value"

	status int    // that the answer must have; 0 is any of 200 to 299
	want   string // pattern of the answer's JSON
	lines  bool   // the answer is several JSON values: want is an array
	raw    string // must stand in the answer literally
	header string // "Name: value" that the answer must have
	differ string // names of two variables that must not be equal

	after    time.Duration // wait so long before the request
	within   time.Duration // repeat until the answer is right, at most so long
	takes    time.Duration // the answer must not come sooner
	meantime *step         // done while the request waits for its answer
}

// validator is a validate_doc_update function twice: as a design document has
// it, and in Go for servers without JavaScript.
type validator struct {
	js string
	// refuses says why doc, a whole document, may not be written; "" if it may.
	refuses func(doc map[string]any) string
}

// slow is how long work that a server does in its own time may take.
const slow = 15 * time.Second

// patience bounds one expectation.
const patience = 30 * time.Second

// conversation is an expectation being put to a server.
type conversation struct {
	server *server
	names  names
}

// hold puts e to a server. The error is the first answer that was wrong.
func hold(ctx context.Context, s *server, e expectation) (err error) {
	c := &conversation{s, names{"url": s.url, "user": s.user, "password": s.password}}
	for _, name := range []string{"db", "other"} {
		if name == "other" && !mentions(e, "$other") {
			continue
		}
		c.names[name] = s.freshName()
		if err := c.create(ctx, c.names[name]); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.remove(context.WithoutCancel(ctx), c.names[name])) }()
	}
	if e.refuse != nil {
		if err := s.validate(ctx, c.names["db"], e.refuse); err != nil {
			return err
		}
	}
	for i, st := range e.steps {
		if err := c.take(ctx, st); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, c.names.spell(st.do), err)
		}
	}
	return nil
}

func mentions(e expectation, name string) bool {
	for _, s := range e.steps {
		if strings.Contains(s.do+s.body, name) {
			return true
		}
	}
	return false
}

func (c *conversation) create(ctx context.Context, db string) error {
	return c.take(ctx, step{do: "PUT /" + db, status: http.StatusCreated})
}

// take does one step, again and again while it may still come right.
func (c *conversation) take(ctx context.Context, s step) error {
	time.Sleep(s.after)
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		err := c.once(ctx, s)
		if err == nil || time.Since(start) > s.within || ctx.Err() != nil {
			return err
		}
	}
}

// once does one step, and keeps what it bound only if all was right.
func (c *conversation) once(ctx context.Context, s step) error {
	verb, rest, _ := strings.Cut(c.names.spell(s.do), " ")
	if verb == "REPLICATE" {
		from, to, _ := strings.Cut(rest, " ")
		return c.server.replicate(ctx, from, to)
	}
	r := request{body: c.names.spell(s.body), as: s.as, header: c.names.spell(s.send)}
	beside := func() error { return nil }
	if s.meantime != nil {
		done := make(chan error, 1)
		go func() { done <- c.take(ctx, *s.meantime) }()
		beside = func() error { return <-done }
	}
	start := time.Now()
	got, err := c.server.ask(ctx, verb, rest, r)
	took := time.Since(start)
	if err := errors.Join(err, beside()); err != nil {
		return err
	}
	if took < s.takes {
		return fmt.Errorf("answered after %v, before %v", took, s.takes)
	}
	tried := &conversation{c.server, maps.Clone(c.names)}
	if err := tried.judge(s, got); err != nil {
		return err
	}
	c.names = tried.names
	return nil
}

// judge holds an answer against what the step wants.
func (c *conversation) judge(s step, got answer) error {
	if s.status != got.status && (s.status != 0 || got.status/100 != 2) {
		return fmt.Errorf("status %d instead of %d: %s", got.status, s.status, clip(got.text))
	}
	if !strings.Contains(got.text, c.names.spell(s.raw)) {
		return fmt.Errorf("no %s in %s", c.names.spell(s.raw), clip(got.text))
	}
	if name, value, ok := strings.Cut(c.names.spell(s.header), ": "); ok && got.header.Get(name) != value {
		return fmt.Errorf("header %s is %q instead of %q", name, got.header.Get(name), value)
	}
	if s.want != "" {
		if err := c.judgeJSON(s, got.text); err != nil {
			return err
		}
	}
	if a, b, ok := strings.Cut(s.differ, " "); ok && c.names[a] == c.names[b] {
		return fmt.Errorf("$%s and $%s are both %q", a, b, c.names[a])
	}
	return nil
}

func (c *conversation) judgeJSON(s step, text string) error {
	pattern, err := parse(s.want)
	if err != nil {
		return fmt.Errorf("the pattern: %w", err)
	}
	var value any
	if s.lines {
		var values []any
		values, err = parseLines(text)
		value = values
	} else {
		value, err = parse(text)
	}
	if err != nil {
		return err
	}
	return c.names.match(pattern, value)
}

type request struct{ body, as, header string }

type answer struct {
	status int
	header http.Header
	text   string
}

// ask sends one request to path, which begins with a slash, as an admin.
func (s *server) ask(ctx context.Context, method, path string, r request) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	if r.as != "" {
		req.Header.Set("Content-Type", r.as)
	}
	if s.user != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	if name, value, ok := strings.Cut(r.header, ": "); ok {
		req.Header.Set(name, value)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}
