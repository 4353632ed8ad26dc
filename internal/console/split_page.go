package console

import (
	"net/url"
	"slices"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/collision"
	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/internal/ledger"
)

// splitPage is what the page of a split shows.
type splitPage struct {
	*splitLook
	Paused bool
	Back   bool // the preview of taking it back is asked for
}

const (
	// maxVersions is how many versions are shown side by side.
	maxVersions = 8
	// maxValue is how much of a field's value is shown, in bytes.
	maxValue = 600
	// maxReferences is how many references of one place are shown one by one.
	maxReferences = 200
)

// Progress is where progress.js asks how far it is.
func (s splitPage) Progress() string {
	return "/api/v1/split/progress?" + url.Values{"db": {s.DB}, "id": {s.ID}}.Encode()
}

// Also are the other databases that were asked for.
func (s splitPage) Also() []string {
	if s.Stored != nil && len(s.request.Also) == 0 {
		return s.Stored.Also
	}
	return s.request.Also
}

// Substrings reports whether ids within longer strings were asked for.
func (s splitPage) Substrings() bool {
	return s.request.Substrings || s.Stored != nil && s.Stored.Substrings
}

// Kept is the revision whose version was asked to keep the id.
func (s splitPage) Kept() couchmend.Rev { return s.request.Keep }

// Sees reports whether the versions are what lives under the id now, and not
// what a split has made of it.
func (s splitPage) Sees() bool { return s.Stored == nil || s.Stored.Stage == ledger.SplitRolledBack }

// Shown are the versions that stand side by side.
func (s splitPage) Shown() []collision.Version {
	return s.Plan.Versions[:min(len(s.Plan.Versions), maxVersions)]
}

// Choices are what a reference can be made to mean.
func (s splitPage) Choices() []string {
	var names []string
	for _, version := range s.Plan.Versions {
		if !version.Deleted {
			names = append(names, version.Name)
		}
	}
	return append(names, collision.Leave)
}

// versionField is one field of the versions.
type versionField struct {
	Path   string
	Values []string // by version; "" where it has none
}

// Differ are the fields in which the versions differ, Alike the others.
func (s splitPage) Differ() []versionField { return s.fields(true) }

// Alike are the fields that all versions have alike.
func (s splitPage) Alike() []versionField { return s.fields(false) }

func (s splitPage) fields(differ bool) []versionField {
	var sides []document.Side
	for _, version := range s.Shown() {
		shown := couchmend.Revision{Body: version.Body}
		if version.Revision != nil {
			shown.Attachments = version.Revision.Attachments
		}
		sides = append(sides, document.Side{Revision: shown})
	}
	var fields []versionField
	for _, f := range document.Compare(sides) {
		if f.Differs != differ {
			continue
		}
		shown := versionField{Path: f.Path()}
		for _, value := range f.Values {
			text := string(document.Indent(value))
			if len(text) > maxValue {
				text = string([]rune(text[:maxValue])) + " …"
			}
			shown.Values = append(shown.Values, text)
		}
		fields = append(fields, shown)
	}
	return fields
}

// referenceGroup is the references at one place, as a person chooses for them.
type referenceGroup struct {
	DB, At     string
	Kind       collision.Kind
	Index      int
	References []shownReference
}

// shownReference is a reference, and its place in the plan.
type shownReference struct {
	collision.Repoint
	Index int
}

// Groups are the plan's references by place.
func (s splitPage) Groups() []referenceGroup { return groupsOf(*s.Plan) }

func groupsOf(p collision.Plan) []referenceGroup {
	var groups []referenceGroup
	for n, g := range p.Groups() {
		shown := referenceGroup{DB: g.DB, At: g.At, Kind: g.Kind, Index: n}
		next := 0
		for _, r := range g.References { // in the order of the plan's
			next += slices.IndexFunc(p.References[next:], func(o collision.Repoint) bool { return sameSpot(o, r) })
			shown.References = append(shown.References, shownReference{r, next})
			next++
		}
		groups = append(groups, shown)
	}
	return groups
}

func sameSpot(a, b collision.Repoint) bool {
	return a.DB == b.DB && a.Doc == b.Doc && a.Rev == b.Rev && a.Kind == b.Kind && slices.Equal(a.Place, b.Place)
}

// Means is what all references of a group mean; "" where they differ, or some
// are open.
func (g referenceGroup) Means() string {
	for _, r := range g.References[1:] {
		if r.To != g.References[0].To {
			return ""
		}
	}
	return g.References[0].To
}

// Open counts the references of a group of which it is not known what they
// mean.
func (g referenceGroup) Open() int {
	open := 0
	for _, r := range g.References {
		if r.To == "" {
			open++
		}
	}
	return open
}

// Fixed reports whether nothing can be chosen for any of them.
func (g referenceGroup) Fixed() bool {
	return !slices.ContainsFunc(g.References, func(r shownReference) bool { return !r.Fixed() })
}

// Some are the references that are shown, More counts the others.
func (g referenceGroup) Some() []shownReference {
	return g.References[:min(len(g.References), maxReferences)]
}

// More counts the references that are not shown.
func (g referenceGroup) More() int { return max(0, len(g.References)-maxReferences) }

// Fixed reports whether a reference can only be left as it is.
func (r shownReference) Fixed() bool { return r.Design || r.Kind == collision.DocID }

// Flags are what there is to know of where a reference stands.
func (r shownReference) Flags() []string {
	var flags []string
	for _, flag := range []struct {
		holds bool
		words string
	}{
		{r.Kind == collision.Key, "a member's name"},
		{r.Part, "part of a longer string"},
		{r.Losing, "in a losing leaf"},
		{r.Self, "in a version itself"},
	} {
		if flag.holds {
			flags = append(flags, flag.words)
		}
	}
	return flags
}

// Changed counts the references that get another value, and the documents in
// which they stand.
func (s splitPage) Changed() (c struct{ References, Documents int }) {
	documents := map[[2]string]bool{}
	for _, r := range s.Plan.References {
		if r.New != "" && r.New != r.Old {
			c.References++
			documents[[2]string{r.DB, r.Doc}] = true
		}
	}
	c.Documents = len(documents)
	return c
}

// Created are the versions that get a document of their own.
func (s splitPage) Created() []collision.Version {
	return slices.DeleteFunc(slices.Clone(s.Plan.Versions), func(version collision.Version) bool { return version.Revision == nil })
}

// Steps are those that writing takes, with where it is.
func (s splitPage) Steps() []splitStep {
	stages := []ledger.SplitStage{ledger.SplitPlanned, ledger.SplitCreated, ledger.SplitRepointed, ledger.SplitDone}
	at := -1
	if s.Stored != nil {
		at = slices.Index(stages, s.Stored.Stage)
	}
	var steps []splitStep
	for i, words := range []string{"Create documents", "Change references", "Bury old revisions", "Done"} {
		steps = append(steps, splitStep{words, i < at || at == 3, i == at && at < 3})
	}
	return steps
}

// splitStep is a step of writing.
type splitStep struct {
	Words     string
	Done, Now bool
}
