package main

import (
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/couchmend/couchmend/internal/policy"
)

const operations = "../../docs/operations.md"

// documented are the commands of a text: lines such as "    $ couchmend …",
// without remark, pipe and redirection, by the heading that they stand under.
func documented(t *testing.T, text string) map[string][]string {
	t.Helper()
	commands, heading := map[string][]string{}, ""
	for _, line := range strings.Split(text, "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			heading = title
		}
		for _, m := range shown.FindAllStringSubmatch(line, -1) {
			command := m[1] + m[2]
			for _, end := range []string{" # ", " | ", " > "} {
				command, _, _ = strings.Cut(command, end)
			}
			commands[heading] = append(commands[heading], strings.TrimSpace(command))
		}
	}
	if len(commands) == 0 {
		t.Fatal("no command is documented")
	}
	return commands
}

// shown are commands in a block of code, and within a sentence or a table.
var shown = regexp.MustCompile("^ {4}\\$ couchmend (.*)|`couchmend ([^`]*)`")

// shellWords splits a command as a shell does, as far as the documentation goes.
func shellWords(command string) []string {
	var all []string
	for i, part := range strings.Split(command, "'") {
		switch {
		case i%2 == 0:
			all = append(all, strings.Fields(part)...)
		default:
			all = append(all, part)
		}
	}
	return all
}

// parses checks a command line without running it. Files need not exist.
func parses(args []string) error {
	var c cli
	parser, err := kong.New(&c, kong.Name("couchmend"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}),
		kong.Bind(&app{}),
		kong.NamedMapper("existingfile", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
			return ctx.Scan.PopValueInto("file", target.Addr().Interface())
		})))
	if err != nil {
		return err
	}
	_, err = parser.Parse(args)
	return err
}

func TestCommandsInTheOperationsManualExist(t *testing.T) {
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for heading, commands := range documented(t, string(text)) {
		for _, command := range commands {
			n++
			if err := parses(shellWords(command)); err != nil {
				t.Errorf("%s: couchmend %s: %v", heading, command, err)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d commands were found", n)
	}
}

// What the runbook says is run for real by a script.
func TestTheRunbookIsRun(t *testing.T) {
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/runbook.txtar")
	if err != nil {
		t.Fatal(err)
	}
	runbook := documented(t, string(text))["Runbook"]
	if len(runbook) < 15 {
		t.Fatalf("the runbook has %d commands", len(runbook))
	}
	for _, command := range runbook {
		if !strings.Contains(string(script), "couchmend "+command+"\n") {
			t.Errorf("no script runs: couchmend %s", command)
		}
	}
}

// The manual's YAML is a policy file's part.
func TestAlertsInTheOperationsManualAreAPolicys(t *testing.T) {
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	file, err := policy.Parse("operations.md", []byte("databases: [medic]\n"+block), ".", policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !ok || len(file.Alerts.Webhooks) != 2 {
		t.Errorf("%+v", file.Alerts)
	}
}

func TestAMisspeltCommandInAManualIsFound(t *testing.T) {
	for _, command := range []string{"scna medic", "scan medic --shortly", "resolve medic", "review list --json extra"} {
		if parses(shellWords(command)) == nil {
			t.Errorf("%q is taken", command)
		}
	}
}
