package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const unitFile = "systemd/couchmend.service"

// unit maps "Section.Key" to the values given, in order.
type unit map[string][]string

func parseUnit(text string) (unit, error) {
	u, section := unit{}, ""
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[' && line[len(line)-1] == ']':
			section = line[1 : len(line)-1]
		case !ok || section == "" || key != strings.TrimSpace(key):
			return nil, fmt.Errorf("line %d: %q", n+1, line)
		default:
			u[section+"."+key] = append(u[section+"."+key], value)
		}
	}
	return u, nil
}

func TestTheUnitRunsCouchmendAsItCanBeRun(t *testing.T) {
	u, err := parseUnit(readFile(t, unitFile))
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Fields(u["Service.ExecStart"][0])
	if args[0] != "/usr/local/bin/couchmend" {
		t.Errorf("it starts %s", args[0])
	}
	wantCommand(t, args[1:])
	for _, e := range u["Service.Environment"] {
		name, _, _ := strings.Cut(e, "=")
		wantEnv(t, name)
	}
	name, file, _ := strings.Cut(u["Service.LoadCredential"][0], ":")
	if !slices.Contains(args, "${CREDENTIALS_DIRECTORY}/"+name) {
		t.Errorf("credential %s is not read", name)
	}
	if !strings.Contains(readFile(t, unitFile), "install -m 0600 "+filepath.Base(file)+" "+filepath.Dir(file)) {
		t.Errorf("it is not said that %s is root's alone", file)
	}
}

func TestTheUnitGivesItsServiceNothingItDoesNotNeed(t *testing.T) {
	u, err := parseUnit(readFile(t, unitFile))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "CapabilityBoundingSet": "",
		"StateDirectoryMode": "0700", "UMask": "0077", "PrivateDevices": "yes", "RestrictNamespaces": "yes",
	} {
		if got := u["Service."+key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s=%v, want %q", key, got, want)
		}
	}
	if u["Service.User"] != nil {
		t.Error("a user of its own is in the way of DynamicUser")
	}
}

// exposure is systemd's own measure: 0 to 10, where an unhardened service has 9.6.
var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([\d.]+)`)

func TestSystemdFindsNoFaultInTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze is installed")
	}
	file := filepath.Join(t.TempDir(), "couchmend.service")
	text := strings.Replace(readFile(t, unitFile), "/usr/local/bin/couchmend", couchmend, 1) // one that is there
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || strings.Contains(string(out), "couchmend.service") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	out, err := exec.Command(analyze, "security", "--offline=true", file).CombinedOutput()
	level := exposure.FindSubmatch(out)
	if err != nil || level == nil {
		t.Skipf("this systemd-analyze can't judge a file: %v", err)
	}
	if got := string(level[1]); got > "1.9" {
		t.Errorf("exposure %s", got)
	}
}

func TestAMistakeInAUnitIsFound(t *testing.T) {
	for _, text := range []string{"[Service]\nExecStart\n", "ExecStart=x\n", "[Service]\nExecStart =x\n"} {
		if _, err := parseUnit(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
