package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/merge"
)

// maxCompared is with how many entries of databases above it an entry is
// compared for a warning: a file of 1 MB has room for 100,000.
const maxCompared = 200

// otherwiseName is the rule that carries out `otherwise: merge`.
const otherwiseName = "otherwise"

// policyFile reads the whole file. Policies come first: databases name them.
func (r *reader) policyFile(text []byte) *File {
	f := &File{Policies: map[string]*Policy{}}
	top := r.document(text)
	if top == nil {
		return f
	}
	var databases *yaml.Node
	at := map[string]*yaml.Node{}
	r.section(top, "the policy file",
		setting{key: "couchdb", read: func(v *yaml.Node) {
			if r.trial == nil {
				f.Server = r.server(v)
			}
		}},
		setting{key: "databases", read: func(v *yaml.Node) { databases = v }},
		setting{key: "policies", read: func(v *yaml.Node) { f.Policies, at = r.policies(v) }},
		setting{key: "alerts", read: func(v *yaml.Node) { f.Alerts = r.alerts(v) }},
	)
	switch {
	case databases != nil:
		f.Databases = r.databases(databases, f.Policies)
	case top.Kind == yaml.MappingNode:
		r.problem(top, "databases is missing: name those that couchmend follows, such as databases: [medic]")
	}
	r.warnOfUnused(f, at)
	return f
}

// policies returns the policies by name, and where each one's name stands.
func (r *reader) policies(n *yaml.Node) (policies map[string]*Policy, at map[string]*yaml.Node) {
	policies, at = map[string]*Policy{}, map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.problem(n, "policies is %s: want a mapping from a policy's name to its rules", kindOf(n))
		return policies, at
	}
	for _, e := range r.entries(n, "policies") {
		name := e.key.Value
		if !r.goodName(e.key, "a policy", name) {
			continue
		}
		policies[name], at[name] = r.policy(e.value, name), e.key
	}
	return policies, at
}

// goodName refuses names that could not be told apart in "policy/rule".
func (r *reader) goodName(at *yaml.Node, whose, name string) bool {
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsAny(name, "/\n\r\t") || len(name) > 100 {
		r.problem(at, "the name of %s is %q: want 1 to 100 letters without slashes, line ends or spaces around them", whose, name)
		return false
	}
	return true
}

func (r *reader) policy(n *yaml.Node, name string) *Policy {
	p := &Policy{Name: name}
	place := fmt.Sprintf("policy %q", name)
	ruled := false
	r.section(n, place,
		setting{key: "rules", read: func(v *yaml.Node) { p.Rules, ruled = r.rules(v, name), true }},
		setting{key: "otherwise", read: func(v *yaml.Node) {
			ruled = true
			p.Otherwise = oneOf(r, v, "otherwise in "+place,
				word[Otherwise]{"review", OtherwiseReview}, word[Otherwise]{"merge", OtherwiseMerge})
		}},
	)
	if n.Kind == yaml.MappingNode && !ruled {
		r.problem(n, "%s has no rules: add them, or say otherwise: merge", place)
	}
	if p.Otherwise == OtherwiseMerge {
		p.Rules = append(p.Rules, Rule{Rule: merge.Rule{Name: name + "/" + otherwiseName}})
	}
	return p
}

// rules reads the rules of one policy and checks them against each other.
func (r *reader) rules(n *yaml.Node, policy string) []Rule {
	var rules []Rule
	lines, whens := map[string]int{}, map[string]string{}
	var all string // the rule that takes every document
	for i, item := range r.list(n, fmt.Sprintf("rules of policy %q", policy), "- name: reports") {
		name, rule := r.rule(item, policy, i+1)
		line, twice := lines[name]
		switch {
		case twice:
			r.problem(item, "policy %q has two rules called %q: line %d has the other", policy, name, line)
		case name == otherwiseName:
			r.problem(item, "a rule can't be called %q: that is what merges where policy %q says otherwise: merge", name, policy)
		case all != "":
			r.warn(item, "rule %q is never reached: rule %q above has no when and takes every document", name, all)
		}
		when := rule.When.String()
		if same, ok := whens[when]; ok && all == "" {
			r.warn(item, "rule %q is never reached: rule %q above has the same when", name, same)
		}
		if name != "" {
			lines[name], whens[when] = item.Line, cmp.Or(whens[when], name)
		}
		if all == "" && rule.When.MatchesAll() {
			all = name
		}
		rules = append(rules, rule)
	}
	return rules
}

// databases reads the entries of databases: names, or {match, policy}.
func (r *reader) databases(n *yaml.Node, policies map[string]*Policy) []Database {
	var entries []Database
	for _, item := range r.list(n, "databases", `[medic, "userdb-*"]`) {
		d := Database{Policy: DefaultName}
		at := item
		if item.Kind == yaml.ScalarNode {
			d.Match = r.text(item, "a database", `its name, a glob or {match: medic, policy: reports}`)
		} else {
			before := len(r.problems)
			r.section(item, "an entry of databases",
				setting{key: "match", read: func(v *yaml.Node) { d.Match = r.text(v, "match in databases", "a database's name or a glob") }},
				setting{key: "policy", read: func(v *yaml.Node) { d.Policy, at = r.text(v, "policy in databases", "a policy's name"), v }},
			)
			if len(r.problems) == before && value(item, "match") == nil {
				r.problem(item, "an entry of databases has no match: add the name or glob of the databases, such as match: medic")
			}
		}
		if fault := globFault(d.Match); fault != "" {
			r.problem(item, "match %q %s", d.Match, fault)
		}
		r.policyNamed(at, d, policies)
		for _, before := range entries[:min(len(entries), maxCompared)] {
			if d.Match != "" && covers(before.Match, d.Match) {
				r.warn(item, "%q is never reached: %q above matches the same databases", d.Match, before.Match)
				break
			}
		}
		entries = append(entries, d)
	}
	if len(entries) == 0 && n.Kind == yaml.SequenceNode {
		r.problem(n, "databases is an empty list: name those that couchmend follows, such as [medic]")
	}
	return entries
}

// policyNamed checks that a database's policy exists, and lends it Builtin
// where it is the default that the file leaves out.
func (r *reader) policyNamed(at *yaml.Node, d Database, policies map[string]*Policy) {
	if d.Policy == "" || policies[d.Policy] != nil {
		return
	}
	if d.Policy == DefaultName {
		policies[DefaultName] = Builtin()
		return
	}
	known := slices.Sorted(maps.Keys(policies))
	if policies[DefaultName] == nil {
		known = append(known, DefaultName)
	}
	if near := nearest(d.Policy, known); near != "" {
		r.problem(at, "policy %q does not exist: did you mean %q?", d.Policy, near)
		return
	}
	r.problem(at, "policy %q does not exist: add it to policies, or take %s", d.Policy, orList(known))
}

func (r *reader) warnOfUnused(f *File, at map[string]*yaml.Node) {
	for _, name := range slices.Sorted(maps.Keys(at)) {
		used := slices.ContainsFunc(f.Databases, func(d Database) bool { return d.Policy == name })
		if !used {
			r.warn(at[name], "policy %q is not used: no entry of databases names it", name)
		}
	}
}
