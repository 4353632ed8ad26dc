package deploy_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/couchtest"
)

func TestSecretsAreMadeOnceForTheirOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	made := map[string]string{}
	for range 2 {
		if out, err := exec.Command("./secrets.sh", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for name, ref := range readCompose(t).Secrets {
			text := readFile(t, filepath.Join(dir, filepath.Base(ref.File)))
			if made[name] != "" && made[name] != text {
				t.Errorf("%s was made anew", name)
			}
			made[name] = text
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v %v", info.Mode(), err)
	}
	seen := map[string]bool{}
	for name, secret := range made {
		if seen[secret] || len(secret) < 40 {
			t.Errorf("%s is weak", name)
		}
		seen[secret] = true
	}
}

func TestSecretsAreNotCommitted(t *testing.T) {
	out, err := exec.Command("git", "check-ignore", "secrets/couchdb_admin").CombinedOutput()
	if err != nil && len(out) > 0 {
		t.Skip("no repository: ", string(out))
	}
	if err != nil {
		t.Error("deploy/secrets would be committed")
	}
}

// A couchmend that was set up by the script finds nothing missing.
func TestTheSetupGivesTheLeastRightsThatMendingNeeds(t *testing.T) {
	at := os.Getenv("COUCHMEND_TEST_COUCHDB")
	if at == "" {
		t.Skip("COUCHMEND_TEST_COUCHDB names no CouchDB")
	}
	scheme, rest, _ := strings.Cut(at, "://")
	login, host, _ := strings.Cut(rest, "@")
	admin, password, _ := strings.Cut(login, ":")
	url := scheme + "://" + host
	tag := strings.ToLower(rand.Text()[:8])
	user, db := "mender-"+tag, "couchmend-setup-"+tag
	files := secretFiles(t, password, `qu"ote\d pass`)
	t.Cleanup(func() {
		ask(t, http.MethodDelete, at+"/"+db)
		_, text := ask(t, http.MethodGet, at+"/_users/org.couchdb.user:"+user)
		var doc struct {
			Rev string `json:"_rev"`
		}
		_ = json.Unmarshal([]byte(text), &doc)
		ask(t, http.MethodDelete, at+"/_users/org.couchdb.user:"+user+"?rev="+doc.Rev)
	})
	for range 2 { // again changes nothing
		setUp(t, append(files, "ADMIN="+admin, "COUCHMEND="+user), url, db)
	}
	rights := exec.Command(couchmend, "rights", "--couchdb", url, "--user", user, "--password-file", strings.TrimPrefix(files[1], "COUCHMEND_PASSWORD_FILE="), db)
	rights.Dir = t.TempDir()
	if out, err := rights.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheSetupTakesNobodysRightsAway(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl is installed")
	}
	node := couchtest.NewNode(couchtest.WithAdmin("admin", "secret"))
	url := couchtest.NewServer(t, node).URL
	at := strings.Replace(url, "://", "://admin:secret@", 1)
	for _, db := range []string{"_users", "taken", "public"} {
		ask(t, http.MethodPut, at+"/"+db)
	}
	const others = `{"members":{"names":["ann"],"roles":[]},"admins":{"names":[],"roles":[]}}`
	askWith(t, http.MethodPut, at+"/taken/_security", others)
	askWith(t, http.MethodPut, at+"/public/_security", `{}`)
	files := secretFiles(t, "secret", "pass")

	if out := setUp(t, files, url, "fresh", "public"); !strings.Contains(out, "public is open to everybody") {
		t.Errorf("it says %q", out)
	}
	if _, got := ask(t, http.MethodGet, at+"/fresh/_security"); !strings.Contains(got, `"names":["couchmend"]`) {
		t.Errorf("fresh: %s", got)
	}
	if _, got := ask(t, http.MethodGet, at+"/public/_security"); strings.TrimSpace(got) != "{}" {
		t.Errorf("public: %s", got)
	}
	cmd := exec.Command("./setup-couchdb.sh", url, "taken")
	cmd.Env = append(os.Environ(), files...)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "add couchmend to members.names") {
		t.Errorf("%v: %s", err, out)
	}
	if _, got := ask(t, http.MethodGet, at+"/taken/_security"); strings.TrimSpace(got) != others {
		t.Errorf("taken: %s", got)
	}
}

// secretFiles puts two passwords into files, and names them as the script does.
func secretFiles(t *testing.T, admin, couchmend string) []string {
	t.Helper()
	dir := t.TempDir()
	var env []string
	for name, secret := range map[string]string{"ADMIN_PASSWORD_FILE": admin, "COUCHMEND_PASSWORD_FILE": couchmend} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+file)
	}
	if strings.HasPrefix(env[0], "COUCHMEND") {
		env[0], env[1] = env[1], env[0]
	}
	return env
}

func setUp(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command("./setup-couchdb.sh", args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func ask(t *testing.T, method, url string) (int, string) { return askWith(t, method, url, "") }

func askWith(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
