package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheExamplesOfConvergenceAreTrue writes the files that docs/convergence.md
// shows, runs its commands one after the other, and compares what they print.
// UPDATE=1 in the environment writes that anew.
func TestTheExamplesOfConvergenceAreTrue(t *testing.T) {
	const page = "../../docs/convergence.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	absolute, err := filepath.Abs(page)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	parts := strings.Split(string(text), "```")
	commands := 0
	for i := 1; i < len(parts); i += 2 {
		info, body, _ := strings.Cut(parts[i], "\n")
		switch {
		case info == "console":
			commands++
			line, _, _ := strings.Cut(body, "\n")
			now := line + "\n" + printed(t, strings.Fields(line)[2:])
			if now != body && os.Getenv("UPDATE") == "" {
				t.Errorf("docs/convergence.md says\n%s\nand now it is\n%s", body, now)
			}
			parts[i] = info + "\n" + now
		case strings.Contains(info, " file="):
			_, name, _ := strings.Cut(info, " file=")
			if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if commands < 2 {
		t.Errorf("only %d commands", commands)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(absolute, []byte(strings.Join(parts, "```")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// printed runs the command and returns what it prints.
func printed(t *testing.T, args []string) string {
	t.Helper()
	var out, errs bytes.Buffer
	run(&app{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &errs}, args)
	if errs.Len() > 0 {
		t.Errorf("%v: %s", args, errs.String())
	}
	return out.String()
}
