package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/policy"
)

// triedText is a policy with a resolver of each kind and a schema.
const triedText = `couchdb: { url: "http://127.0.0.1:5984", username: mender, password_file: secret }
databases: [medic]
policies:
  default:
    rules:
      - name: script
        when: { type: a }
        resolver: { starlark: merge.star, steps: 1000000 }
        fields: { n: max }
      - name: program
        when: { type: b }
        resolver: { exec: [./touch.sh], timeout: 2s }
      - name: module
        when: { type: c }
        resolver: { python: touch.py }
      - name: checked
        when: { type: d }
        schema: report.json
    otherwise: review
`

// tried is a loaded policy in a folder that holds more than it names.
func tried(t *testing.T) *policy.File {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"couchmend.yaml": triedText,
		"secret":         "s3cret\n",
		"merge.star":     "def resolve(base, revisions):\n    return merge3(base, revisions)\n",
		"other.star":     "def resolve(base, revisions):\n    return revisions[0]\n",
		"touch.sh":       "#!/bin/sh\ntouch ran\n",
		"touch.py":       "open('ran', 'w')\ndef resolve(base, revisions): return revisions[0]\n",
		"other.py":       "open('ran', 'w')\ndef resolve(base, revisions): return revisions[0]\n",
		"report.json":    `{"required": ["n"]}`,
		"other.json":     `{"required": ["s3cret"]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f, err := policy.Load(filepath.Join(dir, "couchmend.yaml"), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestATrialOfTheLoadedTextDoesWhatTheLoadedPolicyDoes(t *testing.T) {
	f := tried(t)
	trial, err := f.Trial("edited", []byte(strings.Replace(triedText, "type: a", "type: z", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if trial.Server.URL != "" || trial.Server.PasswordFile != "" {
		t.Errorf("a trial heeds couchdb: %+v", trial.Server)
	}
	body, err := jsondoc.Parse([]byte(`{"type":"z"}`))
	if err != nil {
		t.Fatal(err)
	}
	if rule := trial.For("medic").Select(body, "x"); rule == nil || rule.Name != "default/script" || rule.ResolverName != "starlark merge.star" {
		t.Errorf("the edited rule is %+v", rule)
	}
	if f.For("medic").Select(body, "x") != nil {
		t.Error("the loaded policy was edited with it")
	}
}

func TestAScriptInATrialMergesByTheEditedFields(t *testing.T) {
	f := tried(t)
	question := func(n string) couchmend.Revision {
		return couchmend.Revision{Body: []byte(`{"_id":"d","_rev":"1-a","n":` + n + `}`)}
	}
	base := question("0")
	for want, text := range map[string]string{"7": triedText, "3": strings.Replace(triedText, "n: max", "n: min", 1)} {
		trial, err := f.Trial("edited", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := trial.Policies["default"].Rules[0].Resolver.Resolve(t.Context(), &base, []couchmend.Revision{question("3"), question("7")})
		if err != nil {
			t.Fatal(err)
		}
		if n := jsondoc.Value(got).Get("n"); string(n) != want {
			t.Errorf("merged to %s, want %s", n, want)
		}
	}
}

func TestATrialReadsNoFileAndRunsNoProgramThatTheLoadedPolicyDoesNot(t *testing.T) {
	f := tried(t)
	for _, edit := range []struct{ name, old, new string }{
		{"another script", "merge.star", "other.star"},
		{"a script with other limits", "1000000", "9000000"},
		{"another function", "starlark: merge.star", "starlark: merge.star, function: other"},
		{"another program", "[./touch.sh]", "[/bin/sh, -c, touch ran]"},
		{"another argument", "[./touch.sh]", "[./touch.sh, -x]"},
		{"more time", "timeout: 2s", "timeout: 60s"},
		{"another module", "touch.py", "other.py"},
		{"another interpreter", "python: touch.py", "python: touch.py, interpreter: ./touch.sh"},
		{"another schema", "report.json", "other.json"},
		{"a file elsewhere", "report.json", "/etc/passwd"},
		{"a secret", "report.json", "secret"},
	} {
		_, err := f.Trial("edited", []byte(strings.Replace(triedText, edit.old, edit.new, 1)))
		var problems policy.Problems
		if !errors.As(err, &problems) || problems[0].Line < 6 || problems[0].File != "edited" {
			t.Errorf("%s: %v", edit.name, err)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s tells what the file holds: %v", edit.name, err)
		}
		_, err = (*policy.File)(nil).Trial("edited", []byte(strings.Replace(triedText, edit.old, edit.new, 1)))
		if !errors.As(err, &problems) {
			t.Errorf("%s, without a loaded policy: %v", edit.name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(f.Dir, "ran")); err == nil {
		t.Error("a program ran")
	}
}

func TestATrialSaysSoWhereAScriptIsNotTheOneThatWasLoaded(t *testing.T) {
	f := tried(t)
	if err := os.WriteFile(filepath.Join(f.Dir, "merge.star"), []byte("def resolve(base, revisions):\n    return None\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Trial("edited", []byte(triedText)); err == nil || !strings.Contains(err.Error(), "no longer what the loaded policy has read") {
		t.Errorf("got %v", err)
	}
}

func TestTheTextForPeopleKeepsItsLinesAndNotWhatCouchdbSays(t *testing.T) {
	const rest = "databases: [medic]\n"
	for _, c := range []struct{ name, text, want string }{
		{"one line", "couchdb: {username: a, password_file: s3cret}\n" + rest, "# couchdb: is not shown\n" + rest},
		{"a block", "# medic\ncouchdb:\n  username: a\n\n  # s3cret\n  password_file: s3cret\n" + rest, "# medic\n" + strings.Repeat("# couchdb: is not shown\n", 5) + rest},
		{"at the end", rest + "couchdb:\n  username: a\n  password_file: s3cret\n", rest + strings.Repeat("# couchdb: is not shown\n", 3)},
		{"without a last line end", rest + "couchdb: {username: a, password_file: s3cret}", rest + "# couchdb: is not shown"},
		{"none", rest, rest},
		{"in one line with the rest", "{couchdb: {username: a, password_file: s3cret}, databases: [medic]}\n", ""},
		{"under an anchor", "couchdb: &s {username: a, password_file: s3cret}\n" + rest, ""},
	} {
		f, err := policy.Parse("couchmend.yaml", []byte(c.text), t.TempDir(), policy.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := f.TextWithoutServer(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzTheTextForPeopleNeverTellsWhereSecretsAre(f *testing.F) {
	f.Add("couchdb:\n  username: a\n  password_file: s3cret\n", "databases: [medic]\n")
	f.Add("databases: [medic]\n", "\"couchdb\": {token_file: s3cret}")
	f.Add("? couchdb\n: {token_file: s3cret}\n", "databases: [m]")
	f.Fuzz(func(t *testing.T, before, after string) {
		file, err := policy.Parse("f", []byte(before+after), t.TempDir(), policy.Options{})
		if err != nil || !strings.Contains(file.Server.PasswordFile+file.Server.TokenFile, "s3cret") || strings.Count(before+after, "s3cret") != 1 {
			return
		}
		if shown := file.TextWithoutServer(); strings.Contains(shown, "s3cret") {
			t.Errorf("%q shows %q", before+after, shown)
		}
	})
}
