package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/vbauerster/mpb/v8/cwriter"
)

// terminal returns the file behind a stream if that is a terminal.
func terminal(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && cwriter.IsTerminal(int(f.Fd()))
}

// width is the number of columns of the terminal that is written to, 0 off a
// terminal: then nothing is cut.
func (a *app) width() int {
	f, ok := terminal(a.stdout)
	if !ok {
		return 0
	}
	width, _, err := cwriter.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// printf writes for people. That a reader has gone is told by the last write.
func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }

// printJSON writes a value on a line of its own, <, > and & as they are.
func (a *app) printJSON(v any) error { return writeJSON(a.stdout, v) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// clean makes text safe to show, with JSON's escapes: documents and ids may
// hold anything, a terminal's control sequences too.
func clean(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case !unprintable(r):
			b.WriteRune(r)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// writing is what every verb that changes something offers.
type writing struct {
	DryRun bool `short:"n" help:"Show what would be done, and do nothing."`
	Yes    bool `short:"y" help:"Do not ask first."`
}

var (
	errUnasked  = errors.New("nothing was done: there is no terminal to ask on, so say --yes")
	errDeclined = errors.New("nothing was done")
)

// confirm reports whether to do what was just shown. It is false,
// without an error, in a dry run.
func (a *app) confirm(w writing, question string) (bool, error) {
	if w.DryRun || w.Yes {
		return !w.DryRun, nil
	}
	if _, ok := terminal(a.stdin); !ok {
		return false, usage(errUnasked)
	}
	answer, err := a.answer(question + " [y/N] ")
	if err != nil {
		return false, err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return true, nil
	}
	return false, errDeclined
}

// answer asks a person on a terminal for a line. That it ended without one is
// an empty line.
func (a *app) answer(question string) (string, error) {
	fmt.Fprint(a.stderr, question)
	answers := make(chan string, 1)
	go func() { // nothing interrupts a read from a terminal: it ends with the process
		line, _ := bufio.NewReader(a.stdin).ReadString('\n') // no answer is a no
		answers <- line
	}()
	select {
	case <-a.ctx.Done():
		return "", errDeclined
	case line := <-answers:
		return strings.TrimSpace(line), nil
	}
}

// when writes a moment for people, in their own time zone.
func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// age writes how long something has lasted: "5m", "3h", "12d".
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// plural counts things: "1 conflict", "2 conflicts".
func plural[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
