package telemetry

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const (
	document  = "../../docs/metrics.md"
	alerts    = "../../deploy/prometheus/alerts.yaml"
	dashboard = "../../deploy/grafana/couchmend.json"
)

// metric is what is known of one, by the document or by a run.
type metric struct {
	kind   string
	labels []string
}

func (m metric) String() string { return m.kind + " of " + strings.Join(m.labels, ", ") }

// exported returns the metrics that a real run shows.
func exported(t *testing.T) map[string]metric {
	t.Helper()
	s := newSite(t, nil)
	s.ended("medic")
	all := map[string]metric{}
	for name, family := range s.scrape() {
		if !strings.HasPrefix(name, "couchmend_") {
			continue
		}
		labels := map[string]bool{}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		all[name] = metric{strings.ToLower(dto.MetricType_name[int32(family.GetType())]), slices.Sorted(maps.Keys(labels))}
	}
	return all
}

// written returns the metrics in the document's tables.
func written(t *testing.T) map[string]metric {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]metric{}
	word := regexp.MustCompile("`([a-z_]+)`")
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`couchmend_") {
			continue
		}
		m := metric{kind: strings.TrimSpace(cells[2])}
		for _, label := range word.FindAllStringSubmatch(cells[3], -1) {
			m.labels = append(m.labels, label[1])
		}
		slices.Sort(m.labels)
		all[strings.Trim(strings.TrimSpace(cells[1]), "`")] = m
	}
	return all
}

func TestTheDocumentListsExactlyTheMetricsOfARun(t *testing.T) {
	real, told := exported(t), written(t)
	for name, m := range real {
		if told[name].String() != m.String() {
			t.Errorf("%s is a %v; the document says %q", name, m, told[name])
		}
	}
	for name := range told {
		if _, ok := real[name]; !ok {
			t.Errorf("the document lists %s, and no run shows it", name)
		}
	}
	if len(real) < 40 {
		t.Errorf("a run shows %d metrics only", len(real))
	}
}

// alertRules are the rules of alerts.yaml.
func alertRules(t *testing.T) []alertRule {
	t.Helper()
	text, err := os.ReadFile(alerts)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alertRule
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []alertRule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

type alertRule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// panel is one of the dashboard's.
type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	return board.Panels
}

func TestAlertRulesAndDashboardGoByMetricsThatExist(t *testing.T) {
	known := exported(t)
	rules := alertRules(t)
	if len(rules) < 10 {
		t.Errorf("%d rules", len(rules))
	}
	for _, r := range rules {
		for _, problem := range misread(r.Expr, known, templated(r.Annotations["summary"]+r.Annotations["description"])) {
			t.Errorf("alert %s: %s", r.Alert, problem)
		}
		if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("alert %s lacks a severity, a summary or a description", r.Alert)
		}
	}
	shown := map[string]bool{}
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			for _, problem := range misread(target.Expr, known, templated(target.LegendFormat)) {
				t.Errorf("panel %q: %s", p.Title, problem)
			}
			for name := range metricsOf(target.Expr, known) {
				shown[name] = true
			}
		}
	}
	for name := range known {
		if !shown[name] {
			t.Errorf("the dashboard shows nothing of %s", name)
		}
	}
}

func TestThePanelsOfTheDashboardDoNotOverlap(t *testing.T) {
	ids, taken := map[int]bool{}, map[string]string{}
	for _, p := range panels(t) {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q shows nothing", p.Title)
		}
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X+at.W > 24 {
			t.Errorf("%q does not fit: %+v", p.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				place := fmt.Sprint(x, ",", y)
				if before, ok := taken[place]; ok {
					t.Fatalf("%q covers %q", p.Title, before)
				}
				taken[place] = p.Title
			}
		}
	}
}

// template is a label that a text is to be filled with.
var template = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}`)

// everywhere are labels that Prometheus itself adds.
var everywhere = []string{"instance", "job", "le"}

// dashboards write what Grafana fills in.
var filled = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")

func templated(text string) (labels []string) {
	for _, found := range template.FindAllStringSubmatch(text, -1) {
		labels = append(labels, found[1])
	}
	return labels
}

// selected calls f for each series that an expression selects; m is its metric,
// if a run shows one.
func selected(expr parser.Expr, known map[string]metric, f func(s *parser.VectorSelector, name string, m metric, ok bool)) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			name, found := family(s.Name, known)
			f(s, name, known[name], found)
		}
		return nil
	})
}

// family returns the metric that a series belongs to: a histogram has three.
func family(series string, known map[string]metric) (string, bool) {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		name, ok := strings.CutSuffix(series, suffix)
		if m, there := known[name]; ok && there && (suffix == "") == (m.kind != "histogram") {
			return name, true
		}
	}
	return series, false
}

func metricsOf(expr string, known map[string]metric) map[string]bool {
	all := map[string]bool{}
	if parsed, err := parse(expr); err == nil {
		selected(parsed, known, func(_ *parser.VectorSelector, name string, _ metric, _ bool) { all[name] = true })
	}
	return all
}

func parse(expr string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(filled.Replace(expr))
}

// misread says what an expression names that no run shows. labels are those that
// its result must have.
func misread(expr string, known map[string]metric, labels []string) (problems []string) {
	parsed, err := parse(expr)
	if err != nil {
		return []string{err.Error()}
	}
	has := slices.Clone(everywhere)
	selected(parsed, known, func(s *parser.VectorSelector, _ string, m metric, ok bool) {
		if strings.HasPrefix(s.Name, "process_") {
			return
		}
		if !ok {
			problems = append(problems, "no run shows "+s.Name)
		}
		has = append(has, m.labels...)
		for _, on := range s.LabelMatchers {
			if on.Name != "__name__" && !slices.Contains(append(slices.Clone(everywhere), m.labels...), on.Name) {
				problems = append(problems, s.Name+" has no label "+on.Name)
			}
		}
	})
	left := has // the labels of the result
	parser.Inspect(parsed, func(node parser.Node, above []parser.Node) error {
		if a, ok := node.(*parser.AggregateExpr); ok {
			for _, label := range a.Grouping {
				if !slices.Contains(has, label) {
					problems = append(problems, "nothing has the label "+label)
				}
			}
			left = slices.DeleteFunc(slices.Clone(left), func(label string) bool { return slices.Contains(a.Grouping, label) == a.Without })
		}
		return nil
	})
	for _, label := range labels {
		if !slices.Contains(left, label) {
			problems = append(problems, "its result has no label "+label)
		}
	}
	return problems
}

// TestAnExpressionThatNamesWhatIsNotThereIsFound is a test of the tests above.
func TestAnExpressionThatNamesWhatIsNotThereIsFound(t *testing.T) {
	known := map[string]metric{
		"couchmend_a_total": {"counter", []string{"db"}},
		"couchmend_b":       {"histogram", []string{"status"}},
	}
	for _, c := range []struct {
		expr   string
		labels []string
		good   bool
	}{
		{`sum by (db) (rate(couchmend_a_total{db="x"}[5m]))`, []string{"db"}, true},
		{`histogram_quantile(0.5, sum by (le) (rate(couchmend_b_bucket{status="ok"}[5m])))`, nil, true},
		{`couchmend_c_total > 1`, nil, false},
		{`couchmend_a`, nil, false},
		{`couchmend_b > 1`, nil, false},
		{`couchmend_a_total{rule="x"}`, nil, false},
		{`couchmend_a_total{db=x}`, nil, false},
		{`sum by (rule) (couchmend_a_total)`, nil, false},
		{`sum(couchmend_a_total)`, []string{"db"}, false},
		{`sum(couchmend_a_total`, nil, false},
		{`rate(couchmend_a_total)`, nil, false},
	} {
		if problems := misread(c.expr, known, c.labels); (len(problems) == 0) != c.good {
			t.Errorf("%s: %v", c.expr, problems)
		}
	}
}
