package laws

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/internal/policy"
)

// loaded reads a policy file, twice, and makes subjects of its policies.
func loaded(t *testing.T, file string) []Subject {
	t.Helper()
	needsPython(t, file)
	read := func() *policy.File {
		f, err := policy.Load(file, policy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
		return f
	}
	f, fresh := read(), read()
	var subjects []Subject
	for name, p := range f.Policies {
		s := Subject{Policy: p, Fresh: fresh.Policies[name], Names: map[string][]string{}}
		for i := range p.Rules {
			s.Names[p.Rules[i].Name] = FieldNames(f.Dir, &p.Rules[i].Rule)
		}
		subjects = append(subjects, s)
	}
	return subjects
}

// needsPython skips a test of a policy with resolvers in Python where there is
// none; where COUCHMEND_REQUIRE_PYTHON is set, that is a failure.
func needsPython(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("python3"); err == nil || !strings.Contains(string(text), "python:") {
		return
	}
	if os.Getenv("COUCHMEND_REQUIRE_PYTHON") != "" {
		t.Fatal("python3 is not installed")
	}
	t.Skip("python3 is not installed")
}

// brief is enough to find what the tests look for, and not cut short where the
// machine is busy.
var brief = Options{Seed: 1, Runs: 12, Time: time.Minute}

func TestEachBadPolicyBreaksItsLawAndSimulationConfirmsIt(t *testing.T) {
	for file, broken := range map[string]map[Law]string{ // a field that must be among those that differ; "": the whole
		"picks-the-winner":    {Commutative: "remark", Associative: ""},
		"joins-names":         {Commutative: "name", Associative: "name"},
		"averages":            {Associative: "weight", Agreement: "weight"},
		"adds-up":             {Idempotent: "count", Associative: "count"},
		"counts-merges":       {Idempotent: "merges"},
		"closes":              {Agreement: ""},
		"drops-fields":        {NothingLost: ""},
		"rounds":              {Exact: "zz_integer"},
		"renames":             {Exact: ""},
		"set-order":           {Deterministic: ""},
		"random":              {Deterministic: ""},
		"wall-clock-resolver": {Deterministic: ""},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata/bad", file+".yaml")
			report := Check(t.Context(), loaded(t, file)[0], brief)[0]
			for law, field := range broken {
				v := verdictOn(report, law)
				if v.Status != Failed || v.Example == nil {
					t.Errorf("%s: %s, want a counterexample", law, v.Status)
					continue
				}
				if field != "" && !slices.Contains(v.Example.Differs, field) {
					t.Errorf("%s: differs at %v, want %s", law, v.Example.Differs, field)
				}
				if v.Example.Source == "" || v.Example.Means == "" || len(v.Example.Answers) == 0 {
					t.Errorf("%s: not told what it means: %+v", law, v.Example)
				}
				confirm(t, file, v)
			}
		})
	}
}

func verdictOn(report RuleReport, law Law) Verdict {
	return report.Laws[slices.IndexFunc(report.Laws, func(v Verdict) bool { return v.Law == law })]
}

func TestMistakesThatNeedNoMergingAreFound(t *testing.T) {
	for _, c := range []struct {
		file     string
		severity Severity
		says     string
	}{
		{"unreachable", SeverityError, "default/visits above takes them"},
		{"sum-of-words", SeverityError, "sum at count never fits: the schema says that it is string"},
		{"sum-of-words", SeverityWarning, "nurse: in the schema, and no strategy covers it"},
		{"wall-clock", SeverityWarning, "updated_at is a wall clock"},
	} {
		var found []Finding
		for _, s := range loaded(t, filepath.Join("testdata/bad", c.file+".yaml")) {
			found = append(found, Static(s)...)
		}
		said := func(f Finding) bool { return f.Severity == c.severity && strings.Contains(f.Text, c.says) }
		if !slices.ContainsFunc(found, said) {
			t.Errorf("%s: %+v, want %s %q", c.file, found, c.severity, c.says)
		}
		report := Report{Findings: found}
		if !report.Failed(true) || report.Failed(false) != slices.ContainsFunc(found, func(f Finding) bool { return f.Severity == SeverityError }) {
			t.Errorf("%s: fails %v, strictly %v", c.file, report.Failed(false), report.Failed(true))
		}
	}
}
