package deploy_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/couchmend/couchmend/couchtest"
)

// What the manifests run answers where they probe it, and the container's own
// check agrees; after CouchDB has gone it is alive, and not ready.
func TestWhatIsDeployedAnswersItsProbes(t *testing.T) {
	node := couchtest.NewNode()
	node.CreateDB("medic")
	db, err := couchtest.Listen(node, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + start(t, db.URL)
	for _, path := range served {
		eventually(t, path+" answers 200", func() bool { return statusOf(url+path) == http.StatusOK })
	}
	if out, err := exec.Command(couchmend, "health", url+"/readyz").CombinedOutput(); err != nil {
		t.Errorf("health: %v\n%s", err, out)
	}
	db.Close()
	eventually(t, "it is no longer ready", func() bool { return statusOf(url+"/readyz") == http.StatusServiceUnavailable })
	if got := statusOf(url + "/healthz"); got != http.StatusOK {
		t.Errorf("a CouchDB that is away would have it restarted: %d", got)
	}
	if exec.Command(couchmend, "health", url+"/readyz").Run() == nil {
		t.Error("health says that all is well")
	}
}

// start runs compose's command on a port of this machine.
func start(t *testing.T, couchdb string) (address string) {
	t.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = port.Addr().String()
	port.Close()
	var args []string
	for _, arg := range readCompose(t).Services["couchmend"].Command {
		args = append(args, strings.Replace(arg, "0.0.0.0:5985", address, 1))
	}
	var log bytes.Buffer
	cmd := exec.Command(couchmend, args...)
	cmd.Dir, cmd.Stderr = t.TempDir(), &log
	cmd.Env = append(os.Environ(), "COUCHDB_URL="+couchdb, "COUCHMEND_STATE="+filepath.Join(cmd.Dir, "state"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return address
}

func statusOf(url string) int {
	client := http.Client{Timeout: 3 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come: " + what)
		}
	}
}
