package policy

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/merge"
)

// plainStrategies are those that a single word names.
var plainStrategies = []word[merge.StrategyKind]{
	{"union", merge.Union}, {"append", merge.Append}, {"max", merge.Max}, {"min", merge.Min}, {"sum", merge.Sum},
	{"text", merge.Text}, {"latest", merge.Latest}, {"winner", merge.Winner}, {"review", merge.ReviewIt},
}

// fields reads the strategies by pattern. clocked says that the rule has a
// clock of its own; the rule is called by, and plain is what it is without a
// resolver.
func (r *reader) fields(n *yaml.Node, what string, clocked bool, by string, plain *merge.Rule) []merge.Field {
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want a mapping from patterns to strategies, such as {read: union}", what, kindOf(n))
		return nil
	}
	var fields []merge.Field
	var keys []*yaml.Node
	seen := map[string]bool{}
	for _, e := range r.entries(n, what) {
		f := merge.Field{Pattern: r.pattern(e.key, what), Strategy: r.strategy(e.value, e.key.Value, what, by, plain)}
		if f.Pattern == nil {
			continue
		}
		if f.Strategy.Kind == merge.Latest && e.value.Kind == yaml.ScalarNode && !clocked {
			r.problem(e.value, "latest for %q in %s goes by the rule's clock, and the rule has none: "+
				"add clock: {lamport: edit_count}, or name a clock beside the value, {latest: lmp_changed}", e.key.Value, what)
		}
		if text := f.Pattern.String(); seen[text] {
			r.problem(e.key, "pattern %q stands twice in %s", e.key.Value, what)
		} else {
			seen[text] = true
		}
		fields, keys = append(fields, f), append(keys, e.key)
	}
	r.warnOfUnreached(fields, keys)
	return fields
}

// pattern reads the pattern of a merge.Field; nil where it is malformed.
func (r *reader) pattern(key *yaml.Node, what string) merge.Path {
	text := key.Value
	path := merge.ParsePath(text)
	fault := pathFault(path)
	for i, name := range path {
		switch {
		case fault != "":
		case name == "**" && i < len(path)-1:
			fault = "** stands for everything below, so it can only be the last name"
		case strings.Contains(name, "*") && name != "*" && name != "**" && !strings.Contains(text, `\*`):
			fault = `* stands for a whole name; a star that belongs to a name is written "\*"`
		case strings.Contains(text, `\*`) && strings.Trim(name, "*") == "":
			fault = "a field whose whole name is * can't be named"
		}
	}
	if fault != "" {
		r.problem(key, "pattern %q in %s: %s", text, what, fault)
		return nil
	}
	return path
}

// strategy reads what stands beside a pattern: a word, {by_key: member},
// {latest: path} or {resolver: …}.
func (r *reader) strategy(n *yaml.Node, pattern, what, by string, plain *merge.Rule) merge.Strategy {
	what = fmt.Sprintf("the strategy for %q in %s", pattern, what)
	if n.Kind == yaml.ScalarNode && n.Value == string(merge.ByKey) {
		r.problem(n, "%s needs the member that tells elements apart: want {by_key: id}", what)
		return merge.Strategy{}
	}
	if n.Kind == yaml.ScalarNode {
		return merge.Strategy{Kind: oneOf(r, n, what, plainStrategies...)}
	}
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want a word such as union, {by_key: id} or {latest: lmp_changed}", what, kindOf(n))
		return merge.Strategy{}
	}
	var strategies []merge.Strategy
	before := len(r.problems)
	r.section(n, what,
		setting{key: "by_key", read: func(v *yaml.Node) {
			key := r.text(v, "by_key of "+what, "the member that tells elements apart, such as id")
			strategies = append(strategies, merge.Strategy{Kind: merge.ByKey, Key: key})
		}},
		setting{key: "latest", read: func(v *yaml.Node) {
			clock := r.path(v, "latest of "+what)
			strategies = append(strategies, merge.Strategy{Kind: merge.Latest, Beside: clock})
		}},
		setting{key: "resolver", read: func(v *yaml.Node) {
			s := merge.Strategy{Kind: merge.Custom}
			s.Resolver, s.ResolverName = r.resolver(v, "the resolver for "+strconv.Quote(pattern), by, plain)
			strategies = append(strategies, s)
		}},
	)
	switch {
	case len(strategies) == 1:
		return strategies[0]
	case len(r.problems) == before:
		r.problem(n, "%s names %d strategies: want one", what, len(strategies))
	}
	return merge.Strategy{}
}

// warnOfUnreached finds patterns below a place that another pattern takes
// whole. Elements of an array under by_key are reached.
func (r *reader) warnOfUnreached(fields []merge.Field, keys []*yaml.Node) {
	whole := map[string]bool{}
	for _, f := range fields {
		last := f.Pattern[len(f.Pattern)-1]
		if last != "**" && f.Strategy.Kind != merge.ByKey {
			whole[f.Pattern.String()] = true
		}
	}
	for i, f := range fields {
		for end := 1; end < len(f.Pattern); end++ {
			if above := f.Pattern[:end].String(); whole[above] {
				r.warn(keys[i], "%q is never reached: %q takes the whole value there", keys[i].Value, above)
				break
			}
		}
	}
}
