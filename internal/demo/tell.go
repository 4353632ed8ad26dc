package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/couchmend/couchmend"
)

func tellJSON(out io.Writer, told []telling, ok bool) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		OK      bool      `json:"ok"`
		Stories []telling `json:"stories"`
	}{ok, told})
}

const width = 78

// tell tells the stories to a person.
func tell(out io.Writer, told []telling, ok bool) {
	fmt.Fprintf(out, "A clinic's server and two phones, in this process. The phones were offline;\nnow all have replicated, and couchmend has looked at the server.\n")
	for i, t := range told {
		t.tell(out, i+1)
	}
	fmt.Fprintln(out)
	merged, review := 0, 0
	for _, t := range told {
		if t.Outcome == couchmend.Review {
			review++
		} else {
			merged++
		}
	}
	if ok {
		fmt.Fprintf(out, "%d stories ended well by themselves, %d wait for a person with everything kept.\nEvery save that anybody made is in a revision that is still there, on the\nserver and on both phones: nothing is lost.\n", merged, review)
		return
	}
	fmt.Fprintln(out, "NOT as it has to be:")
	for _, t := range told {
		for _, f := range t.Failed {
			fmt.Fprintf(out, "  %s: %s\n", t.ID, f)
		}
	}
}

func (t telling) tell(out io.Writer, number int) {
	fmt.Fprintf(out, "\n%2d  %s\n", number, t.Title)
	for _, line := range wrap(t.Tale, width-4) {
		fmt.Fprintf(out, "    %s\n", line)
	}
	fmt.Fprintln(out)
	for i, v := range t.Conflict {
		role := "beside it"
		if i == 0 {
			role = "shown"
		}
		by := v.By
		if by == "" {
			by = "the merge"
		}
		fmt.Fprintf(out, "      %-10s %-13s %s%s\n", role, by, v.Body, filesOf(v))
	}
	if t.Outcome == couchmend.Review {
		fmt.Fprintf(out, "      in review  %s\n", t.Reason)
		for _, e := range t.Evidence {
			for _, line := range wrap(t.names(e), width-17) {
				fmt.Fprintf(out, "                 %s\n", line)
			}
		}
		return
	}
	fmt.Fprintf(out, "    → %-10s %-13s %s%s\n", verb(t.Outcome), short(t.Became.Rev), t.Became.Body, filesOf(t.Became))
	for _, f := range t.Fields {
		fmt.Fprintf(out, "                 %s\n", t.why(f))
	}
}

func verb(o couchmend.Outcome) string {
	switch o {
	case couchmend.Merge:
		return "merged"
	case couchmend.Keep:
		return "it stands"
	case couchmend.Nothing:
		return "left alone"
	}
	return string(o)
}

func short(r couchmend.Rev) string {
	text := r.String()
	return text[:min(len(text), 12)]
}

// why is one field's origin, in words.
func (t telling) why(f couchmend.Origin) string {
	var from []string
	for _, r := range f.From {
		by := t.by[r]
		if by == "" {
			by = "the merge"
		}
		from = append(from, by)
	}
	path := f.Path
	if path == "" {
		path = "the document"
	}
	return fmt.Sprintf("%s: %s (%s)", path, f.Why, strings.Join(from, ", "))
}

func filesOf(v version) string {
	if len(v.Files) == 0 {
		return ""
	}
	return " with " + strings.Join(v.Files, ", ")
}

// invite tells how to look around.
func invite(out io.Writer, w *world, url, policyFile, state string) {
	fmt.Fprintf(out, "\ncouchmend goes on mending the server until you press Ctrl-C, and the phones go on editing offline.\n")
	if url != "" {
		fmt.Fprintf(out, "\nOpen the console: %s\n", url)
	}
	fmt.Fprintf(out, "\nOr look around:\n\n")
	for _, p := range w.places() {
		fmt.Fprintf(out, "  %-13s curl '%s/%s/_all_docs?include_docs=true&conflicts=true'\n", p.name, p.server.URL, dbName)
	}
	command := fmt.Sprintf("--couchdb %s --policy %s --state %s", w.server.server.URL, policyFile, state)
	fmt.Fprintf(out, "\n  couchmend show clinic report-5 %s\n  couchmend review list %s\n", command, command)
}

// wrap breaks text into lines of at most n bytes, at spaces.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > n {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
