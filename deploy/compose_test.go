package deploy_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/policy"
	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v3"
)

// composition is as much of a compose file as is used here: any other key is an
// error.
type composition struct {
	Name     string
	Services map[string]service
	Networks map[string]struct{}
	Volumes  map[string]struct{}
	Configs  map[string]fileRef
	Secrets  map[string]fileRef
}

type service struct {
	Image       string
	Build       *buildOf
	User        string
	Entrypoint  []string
	Command     []string
	Environment map[string]string
	Configs     []configRef
	Secrets     []string
	Volumes     []string
	Ports       []string
	Networks    []string
	Healthcheck *struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	}
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Tmpfs           []string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	MemLimit        string   `yaml:"mem_limit"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	Restart         string
}

type buildOf struct {
	Context, Dockerfile string
	DockerfileInline    string `yaml:"dockerfile_inline"`
	Args                map[string]string
}

type fileRef struct{ File string }

type configRef struct{ Source, Target string }

func readCompose(t *testing.T) composition {
	t.Helper()
	f, err := os.Open("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var c composition
	dec := yaml.NewDecoder(f)
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestServicesAreNobodysRootAndPinned(t *testing.T) {
	for name, s := range readCompose(t).Services {
		if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(s.User) {
			t.Errorf("%s runs as %q", name, s.User)
		}
		if !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %s is not pinned", name, s.Image)
		}
		if s.Build != nil && s.Build.DockerfileInline != "" {
			if from := stagesOf(t, s.Build.DockerfileInline)[0].from; !pinned.MatchString(from) {
				t.Errorf("%s: FROM %s is not pinned", name, from)
			}
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is everybody's", name, port)
			}
		}
	}
}

func TestWhatServicesReferToIsThere(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			if _, ok := c.Secrets[secret]; !ok {
				t.Errorf("%s: no secret %s", name, secret)
			}
		}
		for _, config := range s.Configs {
			ref, ok := c.Configs[config.Source]
			if _, err := os.Stat(ref.File); !ok || err != nil {
				t.Errorf("%s: config %s: %v", name, config.Source, err)
			}
		}
		for _, volume := range s.Volumes {
			if from, _, _ := strings.Cut(volume, ":"); !hasKey(c.Volumes, from) {
				t.Errorf("%s: no volume %s", name, from)
			}
		}
		for other, d := range s.DependsOn {
			on, ok := c.Services[other]
			if !ok || d.Condition == "service_healthy" && on.Healthcheck == nil {
				t.Errorf("%s waits for %s, which can't be healthy", name, other)
			}
		}
		text := strings.Join(append(s.Entrypoint, s.Command...), " ")
		for _, v := range s.Environment {
			text += " " + v
		}
		for _, m := range regexp.MustCompile(`/run/secrets/(\w+)`).FindAllStringSubmatch(text, -1) {
			if !slices.Contains(s.Secrets, m[1]) {
				t.Errorf("%s reads %s, which is not mounted", name, m[0])
			}
		}
	}
}

func hasKey[V any](m map[string]V, key string) bool { _, ok := m[key]; return ok }

func TestComposeRunsCouchmendAsItCanBeRun(t *testing.T) {
	s := readCompose(t).Services["couchmend"]
	wantCommand(t, s.Command)
	for name := range s.Environment {
		wantEnv(t, name)
	}
	stages := stagesOf(t, readFile(t, filepath.Join("..", s.Build.Dockerfile)))
	if image := stages[len(stages)-1]; image.last("USER") != s.User {
		t.Errorf("user %s, the image's is %s", s.User, image.last("USER"))
	}
	if _, err := os.Stat(filepath.Join(s.Build.Context, "go.mod")); err != nil {
		t.Error(err)
	}
	if v := s.Build.Args["VERSION"]; !strings.HasSuffix(s.Image, ":"+v) {
		t.Errorf("%s is built as version %s", s.Image, v)
	}
	if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
		t.Error("the container may write or do more than it must")
	}
}

// Policies name the files of secrets, which are mounted elsewhere.
func TestDeployedPoliciesAreValidAndFindTheirPassword(t *testing.T) {
	s := readCompose(t).Services["couchmend"]
	file, err := policy.Load("couchmend.yaml", policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if dir, name := path.Split(file.Server.PasswordFile); dir != "/run/secrets/" || !slices.Contains(s.Secrets, name) {
		t.Errorf("password_file %s is not mounted", file.Server.PasswordFile)
	}
	if !slices.ContainsFunc(s.Configs, func(c configRef) bool { return c.Target == s.Environment["COUCHMEND_POLICY"] }) {
		t.Errorf("COUCHMEND_POLICY %s is not mounted", s.Environment["COUCHMEND_POLICY"])
	}
}

func TestNATSSyncsBeforeItAnswersAndWantsItsToken(t *testing.T) {
	const token = "k0123"
	t.Setenv("NATS_TOKEN", token)
	o, err := server.ProcessConfigFile("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !o.JetStream || !o.SyncAlways {
		t.Errorf("JetStream %v, sync always %v", o.JetStream, o.SyncAlways)
	}
	if o.Authorization != token {
		t.Error("it can be used without the token")
	}
	s := readCompose(t).Services["nats"]
	if !slices.ContainsFunc(s.Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+o.StoreDir) }) {
		t.Errorf("%s is not on a volume", o.StoreDir)
	}
	if o.HTTPHost != "127.0.0.1" || !strings.Contains(strings.Join(s.Healthcheck.Test, " "), "127.0.0.1:8222/") || o.HTTPPort != 8222 {
		t.Errorf("its monitoring is at %s:%d", o.HTTPHost, o.HTTPPort)
	}
}

func TestComposesNATSIsTheOneThatCouchmendEmbeds(t *testing.T) {
	embedded := regexp.MustCompile(`nats-server/v2 v(\S+)`).FindStringSubmatch(readFile(t, "../go.mod"))[1]
	s := readCompose(t).Services["nats"]
	if from := stagesOf(t, s.Build.DockerfileInline)[0].from; from != "nats:"+embedded+"-alpine" {
		t.Errorf("FROM %s, but go.mod has %s", from, embedded)
	}
}
