package triage

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every kind of finding and every sign is explained where people look for it.
func TestThePageNamesEveryFinding(t *testing.T) {
	page, err := os.ReadFile("../../docs/triage.md")
	if err != nil {
		t.Fatal(err)
	}
	kind := regexp.MustCompile(`Kind:\s+"([a-z0-9_]+)"`)
	kinds := 0
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), "find") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		source, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range kind.FindAllSubmatch(source, -1) {
			kinds++
			if !strings.Contains(string(page), "`"+string(m[1])+"`") {
				t.Errorf("docs/triage.md does not explain %s", m[1])
			}
		}
	}
	if kinds < 15 {
		t.Errorf("only %d kinds of findings were looked for", kinds)
	}
	for _, sign := range []Sign{SignOffline, SignStale, SignBurst, SignRepeat, SignClock} {
		if signWords[sign] == "" || short[sign] == "" || !strings.Contains(string(page), "`"+string(sign)+"`") {
			t.Errorf("the sign %s is not explained", sign)
		}
	}
}

// A command that a finding names is quoted as a shell wants it.
func TestCommandsAreQuoted(t *testing.T) {
	f := &finding{flags: " --state /var/lib/couchmend"}
	for _, c := range []struct{ id, want string }{
		{"report/1", "couchmend show --state /var/lib/couchmend medic report/1"},
		{"it's; rm -rf $HOME", `couchmend show --state /var/lib/couchmend medic 'it'\''s; rm -rf $HOME'`},
		{"-x", "couchmend show --state /var/lib/couchmend medic -- -x"},
		{"~root", `couchmend show --state /var/lib/couchmend medic '~root'`},
		{"", `couchmend show --state /var/lib/couchmend medic ''`},
	} {
		if got := f.about("show", "medic", c.id); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
