package deploy_test

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one of a Dockerfile, its lines joined.
type instruction struct{ word, rest string }

// instructions are those that are understood here; another one is an error.
var instructions = []string{
	"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD",
}

func readDockerfile(name string) ([]instruction, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseDockerfile(string(text))
}

func parseDockerfile(text string) ([]instruction, error) {
	var all []instruction
	var line string
	for n, part := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(part), "#") {
			continue
		}
		if more, ok := strings.CutSuffix(part, `\`); ok {
			line += more
			continue
		}
		line = strings.TrimSpace(line + part)
		if line != "" {
			word, rest, _ := strings.Cut(line, " ")
			if !slices.Contains(instructions, word) {
				return nil, fmt.Errorf("line %d: %q is no instruction", n+1, word)
			}
			all = append(all, instruction{word, strings.TrimSpace(rest)})
		}
		line = ""
	}
	if line != "" {
		return nil, fmt.Errorf("the last line goes on")
	}
	return all, nil
}

// stage is one FROM and what follows.
type stage struct {
	from, name string
	all        []instruction
}

// last returns what the last instruction of a kind says.
func (s stage) last(word string) string {
	for _, i := range slices.Backward(s.all) {
		if i.word == word {
			return i.rest
		}
	}
	return ""
}

func stagesOf(t *testing.T, text string) []stage {
	t.Helper()
	all, err := parseDockerfile(text)
	if err != nil {
		t.Fatal(err)
	}
	var stages []stage
	for _, i := range all {
		if i.word == "FROM" {
			from, name, _ := strings.Cut(i.rest, " AS ")
			stages = append(stages, stage{from: from, name: name})
			continue
		}
		s := &stages[len(stages)-1]
		s.all = append(s.all, i)
	}
	return stages
}

func TestImagesBeginFromPinnedOnes(t *testing.T) {
	for _, s := range stagesOf(t, readFile(t, "Dockerfile")) {
		if s.from != "scratch" && !pinned.MatchString(s.from) {
			t.Errorf("FROM %s is not pinned", s.from)
		}
	}
}

func TestTheImageBuildsWithTheModulesOwnGo(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "../go.mod"))[1]
	if from := stagesOf(t, readFile(t, "Dockerfile"))[0].from; !strings.HasPrefix(from, "golang:"+version+".") {
		t.Errorf("FROM %s, but go.mod says %s", from, version)
	}
}

func TestFinalImagesRunAsNobodyAndCheckThemselves(t *testing.T) {
	stages := stagesOf(t, readFile(t, "Dockerfile"))
	if last := stages[len(stages)-1]; last.from != "scratch" {
		t.Errorf("the image built by default comes from %s", last.from)
	}
	for _, s := range stages {
		if s.name == "build" {
			continue
		}
		if user := s.last("USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
			t.Errorf("USER %q: want numbers, which Kubernetes can tell from root's", user)
		}
		if got := s.last("ENTRYPOINT"); got != `["/couchmend"]` {
			t.Errorf("ENTRYPOINT %s", got)
		}
		_, check, _ := strings.Cut(s.last("HEALTHCHECK"), "CMD ")
		for _, command := range []string{check, `["/couchmend",` + s.last("CMD")[1:]} {
			var args []string
			if err := json.Unmarshal([]byte(command), &args); err != nil || args[0] != "/couchmend" {
				t.Fatalf("%s: %v", command, err)
			}
			wantCommand(t, args[1:])
		}
		name, state, _ := strings.Cut(s.last("ENV"), "=")
		wantEnv(t, name)
		if s.last("VOLUME") != state {
			t.Errorf("the state is in %s, the volume at %s", state, s.last("VOLUME"))
		}
		for _, i := range s.all {
			if i.word == "COPY" && strings.HasSuffix(i.rest, " "+state) && !strings.Contains(i.rest, "--chown="+s.last("USER")) {
				t.Errorf("COPY %s: the state directory belongs to another user", i.rest)
			}
		}
	}
}

func TestTheProgramIsStaticAndBearsItsVersion(t *testing.T) {
	program, err := elf.Open(couchmend)
	if err != nil {
		t.Skip("not built for Linux: ", err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it wants a dynamic linker, and scratch has none")
		}
	}
	out, err := exec.Command(couchmend, "version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "couchmend "+stamp) {
		t.Errorf("version says %q (%v)", out, err)
	}
}

// What go build reads must be in the build context, and no secret may be.
func TestTheBuildContextHoldsTheSourcesAndNothingElse(t *testing.T) {
	rules := strings.Fields(readFile(t, "Dockerfile.dockerignore"))
	if rules[0] != "*" {
		t.Fatal("what is not named must stay out")
	}
	out, err := exec.Command("go", "list", "-deps", "-f", `{{if and .Module .Module.Main}}{{.ImportPath}}{{end}}`, "../cmd/couchmend").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		_, within, ok := strings.Cut(path, "github.com/couchmend/couchmend/")
		top, _, _ := strings.Cut(within, "/")
		if ok && !slices.Contains(rules, "!"+top) {
			t.Errorf("package %s is not in the build context", path)
		}
	}
	for _, rule := range rules {
		if strings.HasPrefix(rule, "!") && slices.Contains([]string{"!deploy", "!.git", "!*"}, rule) {
			t.Errorf("%s lets in what no image needs", rule)
		}
	}
}

func TestAMistakeInADockerfileIsFound(t *testing.T) {
	for _, text := range []string{"FROM scratch\nRUNN x\n", "FROM scratch\nRUN a \\", "from scratch\n"} {
		if _, err := parseDockerfile(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
