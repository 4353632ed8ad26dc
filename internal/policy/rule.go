package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/couchmend/couchmend/internal/merge"
)

// rule reads one rule; number counts from 1 within its policy and names a rule
// that has no name in messages.
func (r *reader) rule(n *yaml.Node, policy string, number int) (name string, rule Rule) {
	place := fmt.Sprintf("rule %d of policy %q", number, policy)
	if v := value(n, "name"); v != nil {
		if name = r.text(v, "name in "+place, "the rule's name"); r.goodName(v, "a rule", name) {
			place = fmt.Sprintf("rule %q", name)
		}
	} else if n.Kind == yaml.MappingNode {
		r.problem(n, "%s has no name: add one, such as name: reports; the journal and review call it so", place)
	}
	rule.Name = policy + "/" + name
	plain := &merge.Rule{} // for merge3
	in := func(key string) string { return key + " in " + place }
	r.section(n, place,
		setting{key: "name", read: func(*yaml.Node) {}},
		setting{key: "when", read: func(v *yaml.Node) { rule.When = r.selector(v, in("when")) }},
		setting{key: "clock", read: func(v *yaml.Node) { rule.Clock = r.clock(v, in("clock")) }},
		setting{key: "fields", read: func(v *yaml.Node) {
			rule.Fields = r.fields(v, in("fields"), value(n, "clock") != nil, rule.Name, plain)
		}},
		setting{key: "no_base", read: func(v *yaml.Node) {
			rule.NoBase = oneOf(r, v, in("no_base"),
				word[merge.NoBase]{"review", merge.NoBaseReview}, word[merge.NoBase]{"strategies", merge.NoBaseStrategies})
		}},
		setting{key: "deletes", read: func(v *yaml.Node) {
			rule.Deletes = oneOf(r, v, in("deletes"), word[merge.Deletes]{"edit_wins", merge.EditWins},
				word[merge.Deletes]{"delete_wins", merge.DeleteWins}, word[merge.Deletes]{"review", merge.DeletesReview})
		}},
		setting{key: "soft_delete", read: func(v *yaml.Node) { rule.SoftDelete = r.softDelete(v, in("soft_delete")) }},
		setting{key: "attachments", read: func(v *yaml.Node) {
			rule.Attachments = oneOf(r, v, in("attachments"), word[merge.Attachments]{"review", merge.AttachmentsReview},
				word[merge.Attachments]{"keep_both", merge.AttachmentsKeepBoth}, word[merge.Attachments]{"winner", merge.AttachmentsWinner})
		}},
		setting{key: "max_inline", read: func(v *yaml.Node) { rule.MaxInline = r.size(v, in("max_inline")) }},
		setting{key: "collision", read: func(v *yaml.Node) { rule.Collision = r.collision(v, in("collision")) }},
		setting{key: "identity", read: func(v *yaml.Node) { rule.Identity = r.identity(v, in("identity")) }},
		setting{key: "references", read: func(v *yaml.Node) { rule.References = r.references(v, in("references")) }},
		setting{key: "tombstone", read: func(v *yaml.Node) { rule.Tombstone = r.tombstone(v, in("tombstone")) }},
		setting{key: "schema", read: func(v *yaml.Node) { r.schema(v, in("schema"), &rule) }},
		setting{key: "resolver", read: func(v *yaml.Node) {
			rule.Resolver, rule.ResolverName = r.resolver(v, in("resolver"), rule.Name, plain)
		}},
	)
	*plain = rule.Rule
	r.warnOfIdle(n, place)
	return name, rule
}

// warnOfIdle finds keys that a resolver for the whole document leaves without a
// meaning. A resolver in Starlark merges by them when it calls merge3.
func (r *reader) warnOfIdle(n *yaml.Node, place string) {
	custom := value(n, "resolver")
	if custom == nil || value(custom, "starlark") != nil {
		return
	}
	for _, key := range []string{"fields", "no_base"} {
		if at := value(n, key); at != nil {
			r.warn(at, "%s in %s is never used: the resolver makes the whole document", key, place)
		}
	}
}

func (r *reader) clock(n *yaml.Node, what string) merge.Clock {
	const want = "one kind of clock and its field, such as {lamport: edit_count}"
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want %s", what, kindOf(n), want)
		return merge.Clock{}
	}
	var clocks []merge.Clock
	of := func(kind merge.ClockKind) setting {
		return setting{key: string(kind), read: func(v *yaml.Node) {
			clocks = append(clocks, merge.Clock{Kind: kind, Path: r.path(v, string(kind)+" of "+what)})
		}}
	}
	before := len(r.problems)
	r.section(n, what, of(merge.Lamport), of(merge.Vector), of(merge.Sequence), of(merge.Timestamp))
	switch {
	case len(clocks) == 1:
		return clocks[0]
	case len(r.problems) == before:
		r.problem(n, "%s names %d clocks: want %s", what, len(clocks), want)
	}
	return merge.Clock{}
}

func (r *reader) softDelete(n *yaml.Node, what string) *merge.SoftDelete {
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is %s: want the field and what wins, such as {field: deleted, wins: delete}", what, kindOf(n))
		return nil
	}
	s := &merge.SoftDelete{}
	r.section(n, what,
		setting{key: "field", read: func(v *yaml.Node) { s.Field = r.path(v, "field of "+what) }},
		setting{key: "wins", read: func(v *yaml.Node) {
			s.Wins = oneOf(r, v, "wins of "+what, word[merge.SoftDeleteWins]{"delete", merge.SoftDeleteStands},
				word[merge.SoftDeleteWins]{"edit", merge.SoftEditStands}, word[merge.SoftDeleteWins]{"review", merge.SoftReview})
		}},
	)
	for _, key := range []string{"field", "wins"} {
		if value(n, key) == nil {
			r.problem(n, "%s has no %s: want {field: deleted, wins: delete}, edit or review", what, key)
		}
	}
	return s
}

func (r *reader) collision(n *yaml.Node, what string) merge.Collision {
	return oneOf(r, n, what, word[merge.Collision]{"review", merge.CollisionReview},
		word[merge.Collision]{"merge", merge.CollisionMerge}, word[merge.Collision]{"split", merge.CollisionSplit})
}

// identity reads the fields that say who or what a document is.
func (r *reader) identity(n *yaml.Node, what string) []merge.Path {
	items := r.list(n, what, "[name, date_of_birth]")
	if n.Kind == yaml.SequenceNode && len(items) == 0 {
		r.problem(n, "%s is an empty list: want the fields that say who or what a document is, such as [name, date_of_birth]", what)
	}
	var paths []merge.Path
	for _, item := range items {
		if path := r.path(item, "a field of "+what); path != nil {
			paths = append(paths, path)
		}
	}
	return paths
}

func (r *reader) tombstone(n *yaml.Node, what string) merge.Tombstone {
	if n.Kind != yaml.MappingNode {
		return merge.Tombstone{KeepAll: oneOf(r, n, what, word[bool]{"bare", false}, word[bool]{"all", true})}
	}
	var t merge.Tombstone
	r.section(n, what, setting{key: "keep", read: func(v *yaml.Node) {
		if v.Kind == yaml.ScalarNode {
			t.KeepAll = oneOf(r, v, "keep of "+what, word[bool]{"all", true})
			return
		}
		for _, item := range r.list(v, "keep of "+what, "[type, form]") {
			if path := r.path(item, "a field to keep"); path != nil {
				t.Keep = append(t.Keep, path)
			}
		}
	}})
	if value(n, "keep") == nil {
		r.problem(n, "%s has no keep: want bare, all or {keep: [type, form]}", what)
	}
	return t
}

// maxInline bounds max_inline, in bytes: inline attachments pass through
// memory (I11).
const maxInline = 1 << 30

// units of sizes, in bytes. Longer names come first: "MiB" ends in "B" too.
var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

// size reads a number of bytes, such as 4096, "512KiB" or "16 MB".
func (r *reader) size(n *yaml.Node, what string) int64 {
	const want = `bytes as 4096, "512KiB" or "16MB"`
	text := r.text(n, what, want)
	if text == "" {
		return 0
	}
	for _, unit := range units {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		count, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		switch {
		case err != nil:
			r.problem(n, "%s is %q: want %s", what, text, want)
		case count < 1 || count > math.MaxInt64/unit.bytes || count*unit.bytes > maxInline:
			r.problem(n, "%s is %q: want 1 byte to 1GiB", what, text)
		default:
			return count * unit.bytes
		}
		return 0
	}
	return 0
}
