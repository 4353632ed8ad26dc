// Package cases tests a policy: a case is a conflict and what the policy is to
// make of it, written in a YAML file beside the policy. docs/policy-tests.md is
// the reference.
//
//	medic.yaml                  the policy
//	medic.cases.yaml            its cases
//	medic.recorded.cases.yaml   more of them
//
// A case goes the way of a live conflict: from its leaves' paths it is found
// which bases are needed, and the decision is the one that couchmend would
// carry out. Record makes a case of a live conflict, and Redact takes from it
// what is nobody's business.
package cases

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/policy"
)

// MaxText is the size of the largest file of cases that is read, in bytes.
const MaxText = 16 << 20

// Case is a conflict and what is to become of it.
type Case struct {
	Name         string
	File         string
	Line, Column int // where it begins, from 1
	Policy       *policy.Policy
	Want         Want
	// conflicts are one, or one for each leaf that may win.
	conflicts []couchmend.Conflict
	winners   []int                      // the leaf that wins in each, from 0, as listed
	names     []map[couchmend.Rev]string // what people call the revisions of each: "the winner"
}

// Want is what is expected of a decision.
type Want struct {
	// Outcome is one of the outcomes. Merge stands for Keep too: what a reader
	// of the document sees decides.
	Outcome     couchmend.Outcome
	Body        jsondoc.Value          // of a Merge
	Exact       bool                   // Body's key order counts
	Attachments []couchmend.Attachment // of the Merge
	NamesOnly   bool                   // of the attachments no more than the names is said
	Reason      couchmend.Reason       // of a Review
	Says        []string               // words that stand in the evidence of a Review
	Violations  []string               // JSON pointers of all violations, in order
	Rule        string                 // the rule that applies, without its policy's name; "": any
	Fields      []Field                // origins that are named, of all that there are
}

// Field is why a field has the value that it has: its origin's words, or the
// beginning of them.
type Field struct{ Path, Why string }

// Files returns the names of the files that hold a policy's cases, sorted:
// beside medic.yaml that is medic.cases.yaml and medic.*.cases.yaml.
func Files(policyFile string) ([]string, error) {
	stem := stem(policyFile)
	entries, err := os.ReadDir(filepath.Dir(policyFile))
	if err != nil {
		return nil, &couchmend.Error{Op: "find cases", Kind: couchmend.KindUsage, Err: err}
	}
	var files []string
	for _, e := range entries {
		if isOf(stem, e.Name()) {
			files = append(files, filepath.Join(filepath.Dir(policyFile), e.Name()))
		}
	}
	slices.Sort(files)
	return files, nil
}

// IsBeside reports whether a file of that name would be one of Files.
func IsBeside(policyFile, name string) bool {
	dir, err := filepath.Abs(filepath.Dir(policyFile))
	own, wrong := filepath.Abs(filepath.Dir(name))
	return err == nil && wrong == nil && dir == own && isOf(stem(policyFile), filepath.Base(name))
}

// isOf reports whether a file is called like one of cases.
func isOf(stem, file string) bool {
	rest, ok := strings.CutPrefix(file, stem+".")
	return ok && (rest == suffix || strings.HasSuffix(rest, "."+suffix))
}

const suffix = "cases.yaml"

func stem(policyFile string) string {
	name := filepath.Base(policyFile)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// FileFor is the name of the file that a policy's cases are looked for first.
func FileFor(policyFile string) string {
	return filepath.Join(filepath.Dir(policyFile), stem(policyFile)+"."+suffix)
}

// Load reads all cases beside a policy file, which has been read into f. Every
// error is a *couchmend.Error of KindUsage; one that is about the files'
// content wraps policy.Problems: all mistakes of all files.
func Load(policyFile string, f *policy.File) ([]Case, error) {
	files, err := Files(policyFile)
	if err != nil {
		return nil, err
	}
	var all []Case
	var problems policy.Problems
	for _, name := range files {
		text, err := readText(name)
		if err != nil {
			return nil, &couchmend.Error{Op: "read cases", Kind: couchmend.KindUsage, Err: err}
		}
		cases, err := Parse(name, text, f)
		var mistakes policy.Problems
		if errors.As(err, &mistakes) {
			problems = append(problems, mistakes...)
		}
		all = append(all, cases...)
	}
	if len(problems) > 0 {
		return nil, mistaken(problems)
	}
	return all, nil
}

func mistaken(problems policy.Problems) error {
	return &couchmend.Error{Op: "parse cases", Kind: couchmend.KindUsage, Err: problems}
}

func readText(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxText+1))
}

// Parse reads the text of a file of cases for the policies of f. Name stands in
// messages. Errors are those of Load.
func Parse(name string, text []byte, f *policy.File) ([]Case, error) {
	top, problems := policy.ReadYAML(name, text, MaxText)
	r := &reader{file: name, lines: strings.Split(string(text), "\n"), policies: f, problems: problems}
	var cases []Case
	if top != nil {
		cases = r.cases(top)
	}
	if len(r.problems) > 0 {
		return nil, mistaken(r.sorted())
	}
	return cases, nil
}

// place is where a case begins, for messages.
func (c *Case) place() string { return fmt.Sprintf("%s:%d", c.File, c.Line) }

// Conflicts are those that the case is about: one, or one for each leaf that may
// win.
func (c *Case) Conflicts() []couchmend.Conflict { return c.conflicts }
