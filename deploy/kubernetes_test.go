package deploy_test

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/couchmend/couchmend/internal/policy"
	"go.yaml.in/yaml/v3"
)

// labels are a selector's, too.
type labels map[string]string

type metadata struct {
	Name, Namespace string
	Labels          labels
}

// manifest is as much of Kubernetes' objects as is used here: any other key is
// an error, so a misspelt one is found without a cluster.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       yaml.Node
	Type       string            // Secret
	StringData map[string]string `yaml:"stringData"`
	Automount  *bool             `yaml:"automountServiceAccountToken"`

	Resources          []string // Kustomization
	Namespace          string
	ConfigMapGenerator []struct {
		Name  string
		Files []string
	} `yaml:"configMapGenerator"`
	Images []struct {
		Name    string
		NewName string `yaml:"newName"`
		NewTag  string `yaml:"newTag"`
	}
}

type selector struct {
	MatchLabels labels `yaml:"matchLabels"`
}

// workload is a Deployment's or a StatefulSet's spec.
type workload struct {
	Replicas    int
	ServiceName string `yaml:"serviceName"`
	Strategy    struct {
		Type          string
		RollingUpdate struct {
			MaxSurge       int `yaml:"maxSurge"`
			MaxUnavailable int `yaml:"maxUnavailable"`
		} `yaml:"rollingUpdate"`
	}
	Selector selector
	Template struct {
		Metadata metadata
		Spec     podSpec
	}
	Claims []struct {
		Metadata metadata
		Spec     struct {
			AccessModes []string `yaml:"accessModes"`
			Resources   resources
		}
	} `yaml:"volumeClaimTemplates"`
}

type podSpec struct {
	ServiceAccountName string `yaml:"serviceAccountName"`
	Automount          *bool  `yaml:"automountServiceAccountToken"`
	ServiceLinks       *bool  `yaml:"enableServiceLinks"`
	Grace              int    `yaml:"terminationGracePeriodSeconds"`
	Security           struct {
		RunAsNonRoot        bool                  `yaml:"runAsNonRoot"`
		RunAsUser           int                   `yaml:"runAsUser"`
		RunAsGroup          int                   `yaml:"runAsGroup"`
		FSGroup             int                   `yaml:"fsGroup"`
		FSGroupChangePolicy string                `yaml:"fsGroupChangePolicy"`
		SeccompProfile      struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Spread []struct {
		MaxSkew           int      `yaml:"maxSkew"`
		TopologyKey       string   `yaml:"topologyKey"`
		WhenUnsatisfiable string   `yaml:"whenUnsatisfiable"`
		LabelSelector     selector `yaml:"labelSelector"`
	} `yaml:"topologySpreadConstraints"`
	Containers []container
	Volumes    []struct {
		Name      string
		ConfigMap *struct{ Name string } `yaml:"configMap"`
		Secret    *struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode int    `yaml:"defaultMode"`
			Items       []struct{ Key, Path string }
		}
		EmptyDir *struct {
			SizeLimit string `yaml:"sizeLimit"`
		} `yaml:"emptyDir"`
	}
}

type resources struct{ Requests, Limits map[string]string }

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	Period  int                         `yaml:"periodSeconds"`
	Timeout int                         `yaml:"timeoutSeconds"`
	Failure int                         `yaml:"failureThreshold"`
}

type container struct {
	Name, Image string
	Args        []string
	Env         []struct{ Name, Value string }
	Ports       []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Startup   probe `yaml:"startupProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Resources resources
	Security  struct {
		Escalation   *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Drop []string }
	} `yaml:"securityContext"`
	Mounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type networkPolicy struct {
	PodSelector selector `yaml:"podSelector"`
	PolicyTypes []string `yaml:"policyTypes"`
	Ingress     []struct {
		From  []peer
		Ports []netPort
	}
	Egress []struct {
		To    []peer
		Ports []netPort
	}
}

type peer struct {
	NamespaceSelector selector `yaml:"namespaceSelector"`
	IPBlock           *struct {
		CIDR   string
		Except []string
	} `yaml:"ipBlock"`
}

type netPort struct {
	Protocol string
	Port     int
}

type serviceSpec struct {
	PublishNotReadyAddresses bool   `yaml:"publishNotReadyAddresses"`
	SessionAffinity          string `yaml:"sessionAffinity"`
	Selector                 labels
	Ports                    []struct {
		Name       string
		Port       int
		TargetPort string `yaml:"targetPort"`
	}
}

type disruption struct {
	MinAvailable int `yaml:"minAvailable"`
	Selector     selector
}

type monitor struct {
	Selector  selector
	Endpoints []struct{ Port, Path, Interval string }
}

// specs are the kinds that may stand here, with the API that each belongs to.
var specs = map[string]struct {
	api  string
	spec func() any
}{
	"Namespace":           {"v1", nil},
	"ServiceAccount":      {"v1", nil},
	"Secret":              {"v1", nil},
	"Kustomization":       {"kustomize.config.k8s.io/v1beta1", nil},
	"Service":             {"v1", func() any { return new(serviceSpec) }},
	"Deployment":          {"apps/v1", func() any { return new(workload) }},
	"StatefulSet":         {"apps/v1", func() any { return new(workload) }},
	"PodDisruptionBudget": {"policy/v1", func() any { return new(disruption) }},
	"NetworkPolicy":       {"networking.k8s.io/v1", func() any { return new(networkPolicy) }},
	"ServiceMonitor":      {"monitoring.coreos.com/v1", func() any { return new(monitor) }},
}

// strictly decodes YAML and errs at a key that is not known.
func strictly(from []byte, to any) error {
	dec := yaml.NewDecoder(strings.NewReader(string(from)))
	dec.KnownFields(true)
	if err := dec.Decode(to); err != nil {
		return err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("one object a file: %w", err)
	}
	return nil
}

// parseManifest reads one object and its spec.
func parseManifest(text string) (manifest, any, error) {
	var m manifest
	if err := strictly([]byte(text), &m); err != nil {
		return m, nil, err
	}
	kind, ok := specs[m.Kind]
	switch {
	case !ok || kind.api != m.APIVersion:
		return m, nil, fmt.Errorf("no %s of %s is known here", m.Kind, m.APIVersion)
	case kind.spec == nil && !m.Spec.IsZero():
		return m, nil, fmt.Errorf("a %s has no spec", m.Kind)
	case kind.spec == nil:
		return m, nil, nil
	}
	spec := kind.spec()
	again, err := yaml.Marshal(&m.Spec)
	if err == nil {
		err = strictly(again, spec)
	}
	return m, spec, err
}

func readManifest(t *testing.T, name string) (manifest, any) {
	t.Helper()
	m, spec, err := parseManifest(readFile(t, filepath.Join("kubernetes", name)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m, spec
}

// ours are the labels that everything here selects by.
var ours = labels{"app.kubernetes.io/name": "couchmend"}

func wantOurs(t *testing.T, what string, got labels) {
	t.Helper()
	if len(got) != 1 || got["app.kubernetes.io/name"] != ours["app.kubernetes.io/name"] {
		t.Errorf("%s is about %v", what, got)
	}
}

func TestEveryManifestIsUnderstoodToTheLastKey(t *testing.T) {
	files, err := filepath.Glob("kubernetes/*/*.yaml")
	more, _ := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, name := range append(files, more...) {
		if filepath.Base(name) == "couchmend.yaml" { // the policy
			continue
		}
		if _, _, err := parseManifest(readFile(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAMisspeltKeyInAManifestIsFound(t *testing.T) {
	good := readFile(t, "kubernetes/shared/deployment.yaml")
	for _, word := range []string{"replicas:", "readinessProbe:", "mountPath:", "runAsNonRoot:", "kind:", "limits:"} {
		bad := strings.Replace(good, word, strings.ToUpper(word[:1])+word[1:], 1)
		if _, _, err := parseManifest(bad); err == nil {
			t.Errorf("%s misspelt is not found", word)
		}
	}
}

func TestKustomizationsNameFilesThatExistAndLeaveNoneOut(t *testing.T) {
	for _, dir := range []string{"base", "single", "shared"} {
		k, _ := readManifest(t, dir+"/kustomization.yaml")
		named := []string{"kustomization.yaml"}
		named = append(named, k.Resources...)
		for _, g := range k.ConfigMapGenerator {
			named = append(named, g.Files...)
		}
		files, _ := filepath.Glob("kubernetes/" + dir + "/*")
		for _, f := range files {
			if !slices.Contains(named, filepath.Base(f)) {
				t.Errorf("%s is in no kustomization", f)
			}
		}
		for _, name := range named {
			if path.Ext(name) != "" && !slices.Contains(files, filepath.Join("kubernetes", dir, name)) && name != "../base" {
				t.Errorf("%s names %s, which is not there", dir, name)
			}
		}
		for _, image := range k.Images {
			if !pinned.MatchString(image.NewName + ":" + image.NewTag) {
				t.Errorf("image %+v is not pinned", image)
			}
		}
	}
}

func TestKubectlBuildsBothKustomizations(t *testing.T) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("no kubectl is installed")
	}
	for _, dir := range []string{"single", "shared"} {
		if out, err := exec.Command(kubectl, "kustomize", "kubernetes/"+dir).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", dir, err, out)
		}
	}
}

func TestPodsKeepToTheRestrictedProfile(t *testing.T) {
	ns, _ := readManifest(t, "base/namespace.yaml")
	if ns.Metadata.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Error("the namespace asks for nothing")
	}
	for _, w := range workloads(t) {
		pod := w.Template.Spec
		s := pod.Security
		if !s.RunAsNonRoot || s.RunAsUser < 1000 || s.RunAsGroup < 1000 || s.SeccompProfile.Type != "RuntimeDefault" {
			t.Errorf("pod: %+v", s)
		}
		if pod.Automount == nil || *pod.Automount {
			t.Error("a token is mounted that nobody needs")
		}
		for _, c := range pod.Containers {
			if c.Security.Escalation == nil || *c.Security.Escalation || !c.Security.ReadOnly || !slices.Equal(c.Security.Capabilities.Drop, []string{"ALL"}) {
				t.Errorf("container: %+v", c.Security)
			}
			if !pinned.MatchString(c.Image) {
				t.Errorf("image %s is not pinned", c.Image)
			}
			if c.Resources.Limits["memory"] == "" || c.Resources.Requests["memory"] == "" || c.Resources.Requests["cpu"] == "" {
				t.Errorf("resources: %+v", c.Resources)
			}
		}
		for _, v := range pod.Volumes {
			if v.Secret != nil && v.Secret.DefaultMode&0o007 != 0 {
				t.Errorf("secrets are everybody's: %o", v.Secret.DefaultMode)
			}
		}
	}
}

// workloads are the Deployment and the StatefulSet, by their file.
func workloads(t *testing.T) map[string]workload {
	t.Helper()
	all := map[string]workload{}
	for _, name := range []string{"single/statefulset.yaml", "shared/deployment.yaml"} {
		_, spec := readManifest(t, name)
		all[name] = *spec.(*workload)
	}
	return all
}

func TestPodsRunCouchmendAsItCanBeRun(t *testing.T) {
	for name, w := range workloads(t) {
		t.Run(name, func(t *testing.T) {
			wantOurs(t, "the workload", w.Selector.MatchLabels)
			wantOurs(t, "its pod", w.Template.Metadata.Labels)
			c := w.Template.Spec.Containers[0]
			wantCommand(t, c.Args)
			for _, e := range c.Env {
				wantEnv(t, e.Name)
			}
			if p := c.Ports[0]; !slices.Contains(c.Args, fmt.Sprintf("0.0.0.0:%d", p.ContainerPort)) {
				t.Errorf("port %d is not the one it listens on: %v", p.ContainerPort, c.Args)
			}
			for _, p := range []probe{c.Startup, c.Liveness, c.Readiness} {
				if p.HTTPGet.Port != c.Ports[0].Name || !slices.Contains(served, p.HTTPGet.Path) {
					t.Errorf("probe %+v", p.HTTPGet)
				}
			}
			wantMounts(t, w)
		})
	}
}

// wantMounts checks that what is mounted exists, and that what the command and
// the policy read is mounted.
func wantMounts(t *testing.T, w workload) {
	t.Helper()
	secret, _ := readManifest(t, "secret.example.yaml")
	var volumes, files []string
	pod := w.Template.Spec
	for _, v := range pod.Volumes {
		volumes = append(volumes, v.Name)
		if v.Secret == nil {
			continue
		}
		for _, item := range v.Secret.Items {
			if secret.StringData[item.Key] == "" || v.Secret.SecretName != secret.Metadata.Name {
				t.Errorf("secret %s has no key %s", v.Secret.SecretName, item.Key)
			}
			for _, m := range pod.Containers[0].Mounts {
				if m.Name == v.Name {
					files = append(files, path.Join(m.MountPath, item.Path))
				}
			}
		}
	}
	for _, claim := range w.Claims {
		volumes = append(volumes, claim.Metadata.Name)
	}
	var mounted []string
	for _, m := range pod.Containers[0].Mounts {
		mounted = append(mounted, m.MountPath)
		if !slices.Contains(volumes, m.Name) {
			t.Errorf("no volume %s", m.Name)
		}
	}
	file, err := policy.Load("kubernetes/base/couchmend.yaml", policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !slices.Contains(files, file.Server.PasswordFile) {
		t.Errorf("password_file %s is not mounted: %v", file.Server.PasswordFile, files)
	}
	for _, e := range pod.Containers[0].Env {
		switch {
		case strings.HasSuffix(e.Name, "_FILE") && !slices.Contains(files, e.Value):
			t.Errorf("%s: %s is not mounted", e.Name, e.Value)
		case e.Name == "COUCHMEND_POLICY" && !slices.Contains(mounted, path.Dir(e.Value)):
			t.Errorf("%s: %s is not mounted", e.Name, e.Value)
		case e.Name == "COUCHMEND_STATE" && !slices.Contains(mounted, e.Value) && !slices.Contains(mounted, path.Dir(e.Value)):
			t.Errorf("%s: %s is not mounted", e.Name, e.Value)
		}
	}
}

func TestOneProcessHoldsADirectoryAndSeveralAreNeverAllDisrupted(t *testing.T) {
	all := workloads(t)
	if n := all["single/statefulset.yaml"].Replicas; n != 1 {
		t.Errorf("%d processes on one directory", n)
	}
	shared := all["shared/deployment.yaml"]
	_, spec := readManifest(t, "shared/pdb.yaml")
	budget := spec.(*disruption)
	wantOurs(t, "the budget", budget.Selector.MatchLabels)
	if budget.MinAvailable < 1 || budget.MinAvailable >= shared.Replicas {
		t.Errorf("%d of %d must stay: a node can't be drained, or all may go", budget.MinAvailable, shared.Replicas)
	}
}

func TestServiceNetworkPolicyAndMonitorMeanTheSamePods(t *testing.T) {
	_, spec := readManifest(t, "base/service.yaml")
	svc := spec.(*serviceSpec)
	wantOurs(t, "the service", svc.Selector)
	if !svc.PublishNotReadyAddresses || svc.SessionAffinity != "ClientIP" {
		t.Error("the service hides the console when it is needed most, or sends who signed in at one pod to another")
	}
	_, spec = readManifest(t, "base/networkpolicy.yaml")
	net := spec.(*networkPolicy)
	wantOurs(t, "the network policy", net.PodSelector.MatchLabels)
	if len(net.PolicyTypes) != 2 || net.Ingress[0].Ports[0].Port != svc.Ports[0].Port {
		t.Errorf("network policy %+v", net)
	}
	_, spec = readManifest(t, "servicemonitor.example.yaml")
	mon := spec.(*monitor)
	wantOurs(t, "the monitor", mon.Selector.MatchLabels)
	if e := mon.Endpoints[0]; e.Port != svc.Ports[0].Name || !slices.Contains(served, e.Path) {
		t.Errorf("monitor %+v", e)
	}
}
