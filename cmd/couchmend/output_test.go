package main

import (
	"context"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/couchmend/couchmend"
	"pgregory.net/rapid"
)

func TestColumnsAreAlignedAndCutToTheTerminal(t *testing.T) {
	var b strings.Builder
	table := (&table{out: &b, limit: 36, head: []string{"A", "NAME", "TEXT"}, widths: make([]int, 3)}).cut(2)
	for _, rows := range [][][]string{
		{{"1", "日本", "short"}, {"22", "a-name-of-18-chars", strings.Repeat("long ", 20)}},
		{{"3", "later", "row"}},
	} {
		for _, row := range rows {
			table.add(row...)
		}
		if err := table.flush(); err != nil {
			t.Fatal(err)
		}
	}
	want := `
A   NAME                TEXT
1   日本                short
22  a-name-of-18-chars  long long l…
3   later               row
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("got:%swant:%s", got, want)
	}
}

func TestNothingOfADocumentReachesTheTerminalAsControl(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		if shown := clean(text); strings.ContainsFunc(shown, unprintable) {
			t.Fatalf("%q is shown as %q", text, shown)
		}
	})
	for text, want := range map[string]string{"a b": "a b", "\x1b[31m": `\u001b[31m`, "\u202e": `\u202e`, "\U000e0001": `\udb40\udc01`} {
		if got := clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestAPauseEndsAtTheNextSuchMoment(t *testing.T) {
	now := time.Date(2026, 11, 21, 16, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"17:30": "2026-11-21T17:30:00Z", "16:30": "2026-11-22T16:30:00Z", "2026-12-01": "2026-12-01T00:00:00Z",
		"2026-12-01 08:00": "2026-12-01T08:00:00Z", "2026-12-01T08:00:00+02:00": "2026-12-01T06:00:00Z",
	} {
		got, err := parseMoment(text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	if _, err := parseMoment("soon", now); couchmend.KindOf(err) != couchmend.KindUsage {
		t.Errorf("soon: %v", err)
	}
}

func TestEveryVerbHasHelpAndStandsInTheReference(t *testing.T) {
	reference, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	parser, err := kong.New(&cli{}, kong.Name("couchmend"))
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, v := range verbsOf(parser.Model.Node, "") {
		if v.path == "" {
			continue
		}
		known = append(known, v.path)
		if v.help == "" {
			t.Errorf("%s has no help", v.path)
		}
		if !strings.Contains(string(reference), "couchmend "+v.path) {
			t.Errorf("docs/commands.md does not name couchmend %s", v.path)
		}
		for _, f := range v.flags {
			if f.Help == "" {
				t.Errorf("%s --%s has no help", v.path, f.Name)
			}
		}
	}
	for _, named := range regexp.MustCompile(`(?m)^ *\$ couchmend ([a-z]+)( [a-z]+)?`).FindAllStringSubmatch(string(reference), -1) {
		if !slices.Contains(known, named[1]) {
			t.Errorf("docs/commands.md names couchmend %s, which is no verb", named[1])
		}
		if slices.Contains([]string{"review", "policy"}, named[1]) && !slices.Contains(known, named[1]+named[2]) {
			t.Errorf("docs/commands.md names couchmend %s%s, which is no verb", named[1], named[2])
		}
	}
}

func TestEachExampleOfTheReferenceParses(t *testing.T) {
	reference, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?m)^ *\$ couchmend (.*)$`).FindAllStringSubmatch(string(reference), -1)
	if len(examples) < 15 {
		t.Errorf("only %d examples", len(examples))
	}
	t.Chdir(t.TempDir())
	for _, name := range []string{"cert.pem", "key.pem"} { // that an example names, and which must exist
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, example := range examples {
		line, _, _ := strings.Cut(example[1], " #")
		line, _, _ = strings.Cut(line, " | ")
		parser, err := kong.New(&cli{}, kong.Name("couchmend"), kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard), kong.Bind(&app{ctx: context.Background()}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(words(line)); err != nil {
			t.Errorf("couchmend %s: %v", line, err)
		}
	}
}

// words splits a line as a shell does where quotes are single ones.
func words(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
