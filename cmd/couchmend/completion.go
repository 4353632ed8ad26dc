package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is the long help.
func (completionCmd) Help() string {
	return `bash: source <(couchmend completion bash)
zsh: source <(couchmend completion zsh)
fish: couchmend completion fish | source`
}

// Run prints a script that completes verbs and flags.
func (c *completionCmd) Run(a *app, k *kong.Kong) error {
	verbs := verbsOf(k.Model.Node, "")
	var err error
	switch c.Shell {
	case "fish":
		err = fishCompletion(a.stdout, verbs)
	case "zsh":
		if _, err = io.WriteString(a.stdout, "autoload -U +X bashcompinit && bashcompinit\n"); err == nil {
			err = bashCompletion(a.stdout, verbs)
		}
	default:
		err = bashCompletion(a.stdout, verbs)
	}
	return err
}

// verb is one node of the command line: "", "review", "review list".
type verb struct {
	path  string
	help  string
	subs  []string
	flags []*kong.Flag
}

func verbsOf(n *kong.Node, path string) []verb {
	v := verb{path: path, help: n.Help}
	for _, group := range n.AllFlags(true) {
		v.flags = append(v.flags, group...)
	}
	var below []verb
	for _, child := range n.Children {
		v.subs = append(v.subs, child.Name)
		below = append(below, verbsOf(child, strings.TrimSpace(path+" "+child.Name))...)
	}
	return append([]verb{v}, below...)
}

// bashCompletion follows the verbs on the line as far as they are known, and
// offers what may come next; files where nothing of that fits.
func bashCompletion(w io.Writer, verbs []verb) error {
	var known, offers strings.Builder
	for _, v := range verbs {
		if v.path != "" {
			fmt.Fprintf(&known, "        %q) path=%q ;;\n", v.path, v.path)
		}
		words := append([]string(nil), v.subs...)
		for _, f := range v.flags {
			words = append(words, "--"+f.Name)
		}
		fmt.Fprintf(&offers, "    %q) COMPREPLY=($(compgen -W %q -- \"$cur\")) ;;\n", v.path, strings.Join(words, " "))
	}
	_, err := fmt.Fprintf(w, `_couchmend() {
    local cur=${COMP_WORDS[COMP_CWORD]} path="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${path:+$path }${COMP_WORDS[i]}" in
%s        esac
    done
    case "$path" in
%s    esac
}
complete -o default -F _couchmend couchmend
`, known.String(), offers.String())
	return err
}

func fishCompletion(w io.Writer, verbs []verb) error {
	var b strings.Builder
	for _, v := range verbs {
		here := "__fish_use_subcommand"
		if v.path != "" {
			here = "__fish_seen_subcommand_from " + strings.ReplaceAll(v.path, " ", "; and __fish_seen_subcommand_from ")
		}
		for _, sub := range verbs {
			if name, ok := strings.CutPrefix(sub.path, strings.TrimLeft(v.path+" ", " ")); ok && name != "" && !strings.Contains(name, " ") {
				fmt.Fprintf(&b, "complete -c couchmend -n '%s' -f -a %s -d %s\n", here, name, quoteFish(sub.help))
			}
		}
		for _, f := range v.flags {
			fmt.Fprintf(&b, "complete -c couchmend -n '%s' -l %s -d %s\n", here, f.Name, quoteFish(f.Help))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func quoteFish(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
