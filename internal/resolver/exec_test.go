package resolver

import (
	"errors"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

func TestAProgramThatTakesTooLongIsKilled(t *testing.T) {
	needNode(t)
	r := command(t, ProcessOptions{Dir: "testdata/exec", Workers: 3, Timeout: 3 * time.Second}, "node", "hostile.js")
	testHostile(t, r, []behaviour{
		{"loop", couchmend.ReasonResolverTimeout, "within 3s"},
		{"sleep", couchmend.ReasonResolverTimeout, "within 3s"},
	})
}

func TestWhateverAProgramDoesItsNeighboursAreResolved(t *testing.T) {
	needNode(t)
	r := command(t, ProcessOptions{Dir: "testdata/exec", Workers: 3, Timeout: time.Minute, MaxOutput: 1 << 20}, "node", "hostile.js")
	testHostile(t, r, []behaviour{
		{"large", couchmend.ReasonResolverMemory, "1048576 bytes"},
		{"endless", couchmend.ReasonResolverMemory, "1048576 bytes"},
		{"exit", couchmend.ReasonResolverCrashed, "exit status 3"},
		{"exception", couchmend.ReasonResolverCrashed, "Error: no"},
		{"kill", couchmend.ReasonResolverCrashed, "killed"},
		{"log", couchmend.ReasonResolverOutput, "hello"},
		{"two answers", couchmend.ReasonResolverOutput, "no answer, or beside one"},
		{"another id", couchmend.ReasonResolverOutput, "was asked"},
		{"no id", couchmend.ReasonResolverOutput, `"id"`},
		{"not JSON", couchmend.ReasonResolverOutput, "not one line of JSON"},
		{"not UTF-8", couchmend.ReasonResolverOutput, "UTF-8"},
		{"lone surrogate", couchmend.ReasonResolverOutput, "surrogate"},
		{"same name", couchmend.ReasonResolverOutput, "duplicate"},
		{"more members", couchmend.ReasonResolverOutput, "one more member"},
		{"unknown member", couchmend.ReasonResolverOutput, "results"},
		{"words of a wrong type", couchmend.ReasonResolverOutput, "review"},
		{"empty line", couchmend.ReasonResolverOutput, "not one line of JSON"},
		{"error", couchmend.ReasonResolverError, "resolve.js:7: no such clinic"},
		{"review", "", "two names"},
		{"random", couchmend.ReasonResolverUnstable, `"n":0.`},
	})
}

func TestAProgramThatAllocatesWithoutEndIsToldFromOneThatCrashes(t *testing.T) {
	needNode(t)
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: memory is limited on Linux alone")
	}
	r := command(t, ProcessOptions{Dir: "testdata/exec", Workers: 1, Timeout: 30 * time.Second, Memory: 200 << 20}, "node", "hostile.js")
	_, err := ask(t, r, `{"do":"allocate"}`, `{}`)
	wantFailure(t, err, couchmend.ReasonResolverMemory, "MiB in memory, of 200")
}

// shell makes a resolver of a shell script.
func shell(t testing.TB, script string, change ...func(*ProcessOptions)) *Exec {
	t.Helper()
	o := ProcessOptions{Dir: folder(t, map[string]string{"resolve.sh": script}), Workers: 1}
	for _, c := range change {
		c(&o)
	}
	return command(t, o, "sh", "resolve.sh")
}

// readID begins a shell script that answers questions.
const readID = `while IFS= read -r question; do id=${question#'{"id":'}; id=${id%%,*}
`

func TestShellScriptsAreResolvers(t *testing.T) {
	r := shell(t, readID+`echo "log line" >&2; printf '{"result":%s,"id":%s}\n' "$question" "$id"; done`)
	base := revisions("{\"a\":\n1}")[0]
	got, err := r.Resolve(t.Context(), &base, revisions(`12345678901234567891`, "", `"é"`))
	if want := `{"id":1,"base":{"a": 1},"revisions":[12345678901234567891,null,"é"]}`; err != nil || string(got) != want {
		t.Errorf("got %s %v, want %s", got, err, want)
	}
	null := shell(t, readID+`printf '{"id":%s,"result":null}\n' "$id"; done`)
	if got, err := null.Resolve(t.Context(), nil, revisions("1", "2")); got != nil || err != nil {
		t.Errorf("a null is %q %v, want an absent value", got, err)
	}
}

func TestAProgramMayEndAfterItsAnswer(t *testing.T) {
	r := shell(t, `read -r question; id=${question#'{"id":'}; printf '{"id":%s,"result":1}\n' "${id%%,*}"`)
	for range 3 {
		wantAnswer(t, r, "1", `{}`, `{}`)
	}
}

func TestHowAProgramEndsIsTold(t *testing.T) {
	for _, c := range []struct {
		script string
		reason couchmend.Reason
		words  []string
	}{
		{"echo no such table >&2; exit 4", couchmend.ReasonResolverCrashed, []string{"exit status 4", "no such table"}},
		{"exec 1>&-; sleep 100", couchmend.ReasonResolverCrashed, []string{"closed its standard output"}},
		{"exec 0<&-; sleep 100", couchmend.ReasonResolverTimeout, nil},
		{"kill -SEGV $$", couchmend.ReasonResolverCrashed, []string{"segmentation fault"}},
		{"yes", couchmend.ReasonResolverOutput, nil},
		{"printf '{'; exit", couchmend.ReasonResolverCrashed, []string{"exit status 0"}},
	} {
		r := shell(t, c.script, func(o *ProcessOptions) { o.Timeout = 1500 * time.Millisecond })
		_, err := ask(t, r, `{}`, `"`+strings.Repeat("x", 1<<20)+`"`) // more than a pipe holds
		wantFailure(t, err, c.reason, c.words...)
	}
}

func TestAProgramThatIsMissingIsNamed(t *testing.T) {
	r := command(t, ProcessOptions{Dir: t.TempDir()}, "./resolve")
	_, err := ask(t, r, `{}`, `{}`)
	wantFailure(t, err, couchmend.ReasonResolverCrashed, "./resolve could not be started", "in the policy")
	for _, command := range [][]string{nil, {""}} {
		if _, err := NewExec(ExecOptions{Command: command}); couchmend.KindOf(err) != couchmend.KindUsage {
			t.Errorf("%q: %v", command, err)
		}
	}
	if _, err := NewExec(ExecOptions{ProcessOptions: ProcessOptions{Dir: "testdata/none"}, Command: []string{"sh"}}); couchmend.KindOf(err) != couchmend.KindUsage {
		t.Errorf("a folder that is missing: %v", err)
	}
}

func TestTheScriptsThatACommandNamesBelongToThePolicy(t *testing.T) {
	dir := folder(t, map[string]string{"resolve.sh": "exit", "lib/more.sh": "exit 1"})
	r := command(t, ProcessOptions{Dir: dir}, "./resolve.sh", "-x", "lib/more.sh", "/etc/passwd", "../x", "lib")
	if files := r.Files(); len(files) != 2 || string(files["resolve.sh"]) != "exit" || string(files["lib/more.sh"]) != "exit 1" {
		t.Errorf("%q", files)
	}
}

func TestBothProcessesOfAPythonProgramHaveTheirOwnHashSeed(t *testing.T) {
	dir := folder(t, map[string]string{"resolve.py": `import json, sys
for line in sys.stdin:
    q = json.loads(line)
    print(json.dumps({"id": q["id"], "result": list({"ant", "bee", "cat", "dog", "eel", "fox"})}), flush=True)
`})
	r := command(t, ProcessOptions{Dir: dir, Workers: 1}, needPython(t), "resolve.py")
	_, err := ask(t, r, `{}`, `{}`)
	wantFailure(t, err, couchmend.ReasonResolverUnstable, "two answers to one question", `"ant"`)
}

// codeBlock is a block of code in Markdown.
var codeBlock = regexp.MustCompile("(?ms)^```(json|js|sh|python)\n(.*?)^```$")

func TestEveryExampleOfTheProtocolRuns(t *testing.T) {
	text, err := os.ReadFile("../../docs/resolver-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{}
	for _, b := range codeBlock.FindAllSubmatch(text, -1) {
		blocks[string(b[1])] = append(blocks[string(b[1])], string(b[2]))
	}
	if len(blocks["js"]) != 1 || len(blocks["sh"]) != 1 || len(blocks["python"]) != 1 || len(blocks["json"]) < 2 {
		t.Fatalf("the page has other examples than this test knows: %q", blocks)
	}
	question := jsondoc.MustParse(blocks["json"][0])
	for i, line := range strings.Split(strings.TrimSpace(blocks["json"][1]), "\n") {
		verdicts := map[string]couchmend.Reason{"error": couchmend.ReasonResolverError}
		if _, err := parseAnswer([]byte(line), 7, verdicts); reasonOf(err) == couchmend.ReasonResolverOutput {
			t.Errorf("answer %d: %v", i, err)
		}
	}
	base := revisions(string(question.Get("base")))[0]
	var bodies []string
	for _, r := range question.Get("revisions").Elements() {
		bodies = append(bodies, string(r))
	}
	for language, run := range map[string]func() []string{
		"js":     func() []string { needNode(t); return []string{"node"} },
		"sh":     func() []string { return []string{"sh"} },
		"python": func() []string { return []string{needPython(t)} },
	} {
		t.Run(language, func(t *testing.T) {
			name := "resolve." + language
			r := command(t, ProcessOptions{Dir: folder(t, map[string]string{name: blocks[language][0]}), Workers: 1}, append(run(), name)...)
			got, err := r.Resolve(t.Context(), &base, revisions(bodies...))
			if language == "sh" {
				if !errors.Is(err, couchmend.ErrReview) {
					t.Fatal(err)
				}
				return
			}
			want, wantErr := parseAnswer([]byte(strings.Split(blocks["json"][1], "\n")[0]), 7, nil)
			if err != nil || wantErr != nil || !exactlyEqual(jsondoc.Value(got), want) {
				t.Errorf("got %s %v, want %s %v", got, err, want, wantErr)
			}
		})
	}
}
