package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAResolverThatCannotBeStartedIsToldWithItsPlaceBeforeItIsAsked(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no python3")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.py":   "def resolve(base, revisions):\n    return revisions[0]\n",
		"bad.py":    "def resolve(base, revisions)\n    return revisions[0]\n",
		"slow.py":   "import time\ntime.sleep(9)\n",
		"script.sh": "exit\n", // nobody may execute it
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ resolver, want string }{ // how the error begins
		{"{python: good.py}", ""},
		{"{python: slow.py, timeout: 100ms}", ""}, // a busy machine is no mistake
		{"{exec: [sh, script.sh]}", ""},
		{"{python: bad.py}", `try resolvers: policy.yaml:6:28: resolver in rule "r": bad.py:1: SyntaxError: `},
		{"{python: good.py, function: merge}", `try resolvers: policy.yaml:6:28: resolver in rule "r": good.py: there is no function merge(base, revisions)`},
		{"{python: good.py, interpreter: no-such-python}", `try resolvers: policy.yaml:6:28: resolver in rule "r": no-such-python could not be started: exec: "no-such-python": executable file not found in $PATH. Install it, or give its path in the policy`},
		{"{exec: [no-such-program]}", `try resolvers: policy.yaml:6:26: resolver in rule "r": no-such-program could not be started: exec: "no-such-program": executable file not found in $PATH. Install it, or give its path in the policy`},
		{"{exec: [./script.sh]}", `try resolvers: policy.yaml:6:26: resolver in rule "r": ./script.sh could not be started: exec: "` + filepath.Join(dir, "script.sh") + `": permission denied. Install it, or give its path in the policy`},
	} {
		f, err := Parse("policy.yaml", []byte(inRule("resolver: "+c.resolver)), dir, Options{})
		if err != nil {
			t.Fatal(c.resolver, err)
		}
		got, began := "", time.Now()
		if err := f.Ping(t.Context()); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") || time.Since(began) > 8*time.Second {
			t.Errorf("%s after %v: got\n%s\nwant\n%s", c.resolver, time.Since(began), got, c.want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
