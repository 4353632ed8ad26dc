package laws

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/couchmend/couchmend/internal/merge"
)

// quoted are texts in a program that may be the names of fields.
var quoted = regexp.MustCompile(`["']([A-Za-z][A-Za-z0-9_]{0,40})["']`)

const (
	maxNames  = 12      // of one rule
	maxSource = 1 << 20 // bytes of a resolver's file that are looked at
)

// FieldNames guesses which fields a rule's resolvers speak of: the quoted words
// in their files, which lie in dir. Where a rule says nothing else of its
// documents, conflicts are made of these.
func FieldNames(dir string, rule *merge.Rule) []string {
	resolvers := []string{}
	if rule.Resolver != nil {
		resolvers = append(resolvers, rule.ResolverName)
	}
	var names []string
	for _, r := range resolvers {
		for _, word := range strings.Fields(r) { // "python resolvers/x.py", "exec node resolve.js"
			for _, found := range quoted.FindAllStringSubmatch(source(dir, word), -1) {
				if !slices.Contains(names, found[1]) && len(names) < maxNames {
					names = append(names, found[1])
				}
			}
		}
	}
	return names
}

func source(dir, file string) string {
	if !filepath.IsLocal(file) {
		return ""
	}
	info, err := os.Stat(filepath.Join(dir, file))
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSource {
		return ""
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return ""
	}
	return string(text)
}
