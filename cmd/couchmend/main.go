// Command couchmend keeps CouchDB databases free of conflicts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/couchmend/couchmend"
)

// The exit codes that scripts branch on.
const (
	exitOK     = 0 // everything is resolved
	exitFailed = 1
	exitReview = 2 // something is in review
)

// cli is the command line: a verb a field.
type cli struct {
	Demo   demoCmd   `cmd:"" group:"Begin:" help:"A clinic in this process: conflicts, what becomes of them, and why. Needs no CouchDB."`
	Scan   scanCmd   `cmd:"" group:"Begin:" help:"Say which conflicts there are, and what the policy would make of them."`
	Run    runCmd    `cmd:"" group:"Begin:" help:"Follow databases and mend their conflicts. With --once: catch up and leave."`
	Triage triageCmd `cmd:"" group:"Begin:" help:"Say why there are conflicts and what fails, before anything is repaired."`

	Show    showCmd    `cmd:"" group:"One document:" help:"Draw the revision tree; show the leaves, the merge and the origin of its fields."`
	Diff    diffCmd    `cmd:"" group:"One document:" help:"Put the leaves side by side, field by field."`
	Resolve resolveCmd `cmd:"" group:"One document:" help:"Decide what a document becomes."`
	History historyCmd `cmd:"" group:"One document:" help:"List what was decided about a document."`
	Undo    undoCmd    `cmd:"" group:"One document:" help:"Take the newest decision on a document back."`
	Split   splitCmd   `cmd:"" group:"One document:" help:"Give several things that drew one id an id of their own, and mend what refers to them."`

	Refs    refsCmd    `cmd:"" group:"All of it:" help:"Say who refers to these ids, and at which place."`
	Review  reviewCmd  `cmd:"" group:"All of it:" help:"What waits for a person."`
	Pause   pauseCmd   `cmd:"" group:"All of it:" help:"Stop all writing to a database, or to all; or list such pauses."`
	Resume  resumeCmd  `cmd:"" group:"All of it:" help:"End a pause."`
	Rights  rightsCmd  `cmd:"" group:"All of it:" help:"Say what this login may do, and what a missing right costs."`
	Console consoleCmd `cmd:"" group:"All of it:" help:"Serve the web console alone. A run serves it anyway."`
	Views   viewsCmd   `cmd:"" group:"All of it:" help:"A view of conflicts and a Mango index in CouchDB, for who works by hand."`
	Alert   alertCmd   `cmd:"" group:"All of it:" help:"Who is told when something needs a person."`
	Policy  policyCmd  `cmd:"" group:"All of it:" help:"The policy file."`

	Health     healthCmd     `cmd:"" group:"The command:" help:"Ask a running couchmend whether it is well: for containers, which have no curl."`
	Completion completionCmd `cmd:"" group:"The command:" help:"Print a script by which a shell completes verbs and flags."`
	Version    versionCmd    `cmd:"" group:"The command:" help:"Print the version."`
}

// app is what every verb works with.
type app struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// exitError ends the command with a code of its own.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func main() { os.Exit(Main()) }

// Main runs the command of os.Args and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return run(&app{ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:])
}

func run(a *app, args []string) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("couchmend"),
		kong.Description("couchmend keeps CouchDB databases free of conflicts, and loses nothing.\n\nExit codes: 0 all resolved, 2 something is in review, 1 failure."),
		kong.Writers(a.stdout, a.stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Bind(a),
	)
	if err != nil {
		fmt.Fprintln(a.stderr, "couchmend:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "couchmend: %v\nSee %s --help.\n", err, helpFor(err))
		return exitFailed
	}
	err = parsed.Run(a)
	var exit exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.code
	}
	fmt.Fprintln(a.stderr, "couchmend:", err)
	if hint := hint(err); hint != "" {
		fmt.Fprintln(a.stderr, hint)
	}
	return exitFailed
}

// helpFor names the command whose help is about an error of parsing.
func helpFor(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		return parse.Context.Selected().FullPath()
	}
	return "couchmend"
}

// hint says what one can do about an error.
func hint(err error) string {
	switch couchmend.KindOf(err) {
	case couchmend.KindAuth:
		return "Check the user and the password. couchmend stops at the first refusal: CouchDB locks an account for five minutes after five."
	case couchmend.KindUnreachable:
		return "Is the server running, and is this its address?"
	case couchmend.KindLocked:
		return "Use another --state directory, or stop the other process."
	case couchmend.KindFull:
		return "Nothing is mended without a journal. Make room, then start again; nothing is lost."
	}
	return ""
}
