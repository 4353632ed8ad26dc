package triage

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// redactPolicy is a policy without comments, passwords and names of files; and
// unless plain, with other names in the place of its own. Names of fields and
// the words of the policy's language stay. A text that is no YAML is left out.
func redactPolicy(text []byte, v *veil, plain bool) ([]byte, error) {
	var root yaml.Node
	if len(text) == 0 || yaml.Unmarshal(text, &root) != nil {
		return nil, nil
	}
	(&policyVeil{veil: v, plain: plain}).node(&root, nil)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&root); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

type policyVeil struct {
	*veil
	plain bool
}

// languages are words that mean something in a policy.
var languages = strings.Fields(`union append by_key max min sum text latest winner review merge split delete keep bury
edit_wins delete_wins keep_both strategies vector lamport sequence timestamp all none wins field deleted builtin default
string number integer boolean object array null true false`)

// secretKeys are those whose values are never shown: files, passwords, programs.
var secretKeys = []string{"password", "password_file", "token", "token_file", "secret", "secret_file", "client_cert", "client_key", "ca_file",
	"schema", "starlark", "python", "exec", "command", "env", "dir", "path", "file", "username", "user", "roles", "args"}

// node veils what stands at a place. keys lead to it.
func (p *policyVeil) node(n *yaml.Node, keys []string) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	switch n.Kind {
	case yaml.DocumentNode, yaml.SequenceNode:
		for _, child := range n.Content {
			p.node(child, keys)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			key.HeadComment, key.LineComment, key.FootComment = "", "", ""
			below := append(slices.Clip(keys), key.Value)
			if !p.plain && len(keys) > 0 && keys[len(keys)-1] == "policies" {
				key.Value = p.name("policy", key.Value)
			}
			p.node(value, below)
		}
	case yaml.ScalarNode:
		p.scalar(n, keys)
	}
}

func (p *policyVeil) scalar(n *yaml.Node, keys []string) {
	last := ""
	if len(keys) > 0 {
		last = keys[len(keys)-1]
	}
	inWhen := slices.Contains(keys, "when")
	switch {
	case n.Tag != "!!str" && !(n.Tag == "!!int" && inWhen && !p.plain):
		return
	case !inWhen && slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(secretKeys, k) }):
		n.SetString("(left out)")
	case last == "url":
		n.SetString(p.url(n.Value))
	case p.plain, slices.Contains(languages, n.Value) && !inWhen, isFieldKey(keys):
	case last == "match":
		n.SetString(p.db(n.Value))
	case last == "policy":
		n.SetString(p.name("policy", n.Value))
	case last == "name":
		n.SetString(p.name("rule", n.Value))
	default:
		n.SetString(p.name("value", n.Value))
	}
}

// isFieldKey reports whether what stands at a place are names of fields, which
// stay: of clocks, of what tombstones keep, of the field beside a value.
func isFieldKey(keys []string) bool {
	for _, k := range []string{"clock", "tombstone", "identity", "soft_delete", "by_key", "latest"} {
		if slices.Contains(keys, k) {
			return true
		}
	}
	return false
}

func (p *policyVeil) url(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(left out)"
	}
	u.User = nil
	if !p.plain {
		return p.place(u.String())
	}
	return u.String()
}
