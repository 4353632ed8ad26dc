package console

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/ledger"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/internal/resolver"
)

func policiesRoutes() []route {
	return []route{
		{pattern: "GET /policies", serve: (*visit).policiesPage},
		{pattern: "POST /policies/try", serve: (*visit).tryPage, body: trialBody},
		{pattern: "GET /api/v1/policies", serve: (*visit).policiesAPI},
		{pattern: "POST /api/v1/policies/try", serve: (*visit).tryAPI, body: trialBody},
	}
}

// policies are the loaded policy's, as far as a person may know of them.
type policies struct {
	Digest    string         `json:"digest"` // the journal's name for the policy
	File      string         `json:"file,omitempty"`
	Databases []assigned     `json:"databases"`
	Policies  []policyDid    `json:"policies"`
	NoRule    *board.RuleDid `json:"no_rule,omitempty"`  // what no rule selected
	Warnings  []string       `json:"warnings,omitempty"` // server admins are told
	// Counted is how far back rules' Month goes, where that was asked for: 30
	// days, or less where the journal holds more than is counted.
	Counted time.Time `json:"counted_since,omitzero"`
}

// assigned says which policy databases have. To a server admin it is an entry of
// the file, to others one for each database that they see.
type assigned struct {
	Match  string `json:"match"`
	Policy string `json:"policy"`
}

// policyDid is one policy, and what its rules did.
type policyDid struct {
	Name      string    `json:"name"`
	Databases []string  `json:"databases"`
	Rules     []ruleDid `json:"rules"`
	Otherwise string    `json:"otherwise"`
}

// ruleDid is one rule in words, and what it did as far as the person sees the
// databases.
type ruleDid struct {
	Name string   `json:"name"` // "policy/rule"
	When string   `json:"when"` // a Mango selector; "" for every document
	Does []string `json:"does"` // a clause each
	board.RuleDid
	Month    int     `json:"last_30_days,omitempty"` // documents that it mended
	Resolver *called `json:"resolver,omitempty"`     // since this process began; server admins are told
}

const (
	month = 30 * 24 * time.Hour
	// countedBack bounds the lines of the journal that are counted for a month.
	countedBack = 50_000
	// listedDatabases bounds the databases that are listed for who is no admin.
	listedDatabases = 500
)

// policyOf returns a database's policy, nil where the policy file names no such
// database.
func (c *Console) policyOf(db string) *policy.Policy {
	if c.Policy == nil {
		return builtin
	}
	return c.Policy.For(db)
}

var builtin = policy.Builtin()

// policies describes the loaded policy and what it did.
func (v *visit) policies() (policies, error) {
	ctx := v.r.Context()
	known := v.Board.Databases()
	if v.Policy != nil {
		for _, d := range v.Policy.Databases {
			if !strings.ContainsAny(d.Match, `*?[\`) && !slices.Contains(known, d.Match) {
				known = append(known, d.Match)
			}
		}
	}
	visible, err := v.sight(ctx, known)
	if err != nil {
		return policies{}, err
	}
	p := policies{Digest: "builtin", Databases: v.assigned(known, visible), Policies: []policyDid{}}
	if v.Policy != nil {
		p.Digest = v.Policy.Digest
	}
	did := v.Board.Rules(visible)
	var mended map[string]int
	if v.r.FormValue("days") == "30" {
		if mended, p.Counted, err = v.month(visible); err != nil {
			return p, err
		}
	}
	calls := v.confide(&p)
	for _, of := range v.policiesSeen(p.Databases) {
		one := policyDid{Name: of.Name, Otherwise: otherwise(of), Rules: []ruleDid{}}
		for _, d := range p.Databases {
			if d.Policy == of.Name {
				one.Databases = append(one.Databases, d.Match)
			}
		}
		for i := range of.Rules {
			one.Rules = append(one.Rules, describe(&of.Rules[i], did, mended, calls))
		}
		p.Policies = append(p.Policies, one)
	}
	if none, ok := did[""]; ok && none.Open > 0 {
		p.NoRule = &none
	}
	return p, nil
}

// confide tells server admins where the policy is and what it warns of, and
// returns what resolvers were asked, by rule.
func (v *visit) confide(p *policies) map[string]resolver.RuleTime {
	calls := map[string]resolver.RuleTime{}
	if !v.Admin() || v.Policy == nil {
		return calls
	}
	p.File = v.Policy.Name
	for _, w := range v.Policy.Warnings {
		p.Warnings = append(p.Warnings, w.String())
	}
	for _, one := range v.Policy.Meter.Snapshot() {
		calls[one.Rule] = one
	}
	return calls
}

// assigned lists databases with their policies.
func (v *visit) assigned(known []string, visible board.Visible) []assigned {
	list := []assigned{}
	if v.Admin() && v.Policy != nil {
		for _, d := range v.Policy.Databases {
			list = append(list, assigned(d))
		}
		return list
	}
	for _, db := range known {
		if of := v.policyOf(db); of != nil && visible(db) && len(list) < listedDatabases {
			list = append(list, assigned{db, of.Name})
		}
	}
	return list
}

// policiesSeen are the policies that a person may read, by name: a server admin
// all, others those of the databases that they see.
func (v *visit) policiesSeen(databases []assigned) []*policy.Policy {
	if v.Policy == nil {
		return []*policy.Policy{builtin}
	}
	var seen []*policy.Policy
	for _, name := range slices.Sorted(maps.Keys(v.Policy.Policies)) {
		uses := func(d assigned) bool { return d.Policy == name }
		if v.Admin() || slices.ContainsFunc(databases, uses) {
			seen = append(seen, v.Policy.Policies[name])
		}
	}
	return seen
}

func otherwise(p *policy.Policy) string {
	if p.Otherwise == policy.OtherwiseReview && p != builtin {
		return "every other document waits for a person"
	}
	return ""
}

func describe(r *policy.Rule, did map[string]board.RuleDid, mended map[string]int, calls map[string]resolver.RuleTime) ruleDid {
	d := ruleDid{Name: r.Name, Does: policy.Describe(&r.Rule), RuleDid: did[r.Name], Month: mended[r.Name]}
	if !r.When.MatchesAll() {
		d.When = r.When.String()
	}
	if took, ok := calls[r.Name]; ok {
		d.Resolver = &called{took}
	}
	return d
}

// called is what a rule's resolvers took.
type called struct{ resolver.RuleTime }

// Mean is the time of a call, in a unit that fits.
func (c called) Mean() time.Duration { return roundTime(c.Total / time.Duration(max(c.Calls, 1))) }

// Longest is that of the longest one.
func (c called) Longest() time.Duration { return roundTime(c.Max) }

func roundTime(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Microsecond)
}

// month counts what each rule mended in the last 30 days, and says since when.
// It reads the journal, of which the board holds a day only.
func (v *visit) month(visible board.Visible) (mended map[string]int, since time.Time, err error) {
	mended, since = map[string]int{}, v.Now().Add(-month)
	last := since
	next, err := v.Ledger.EachBack(v.r.Context(), ledger.Back{Since: since, Most: countedBack}, func(_ uint64, line ledger.EntryLine) bool {
		if kind, ok := board.KindOf(line); ok && kind == board.Mended && visible(line.DB) {
			mended[line.Rule]++
		}
		last = line.Time
		return true
	})
	if next != 0 {
		since = last
	}
	return mended, since, err
}

func (v *visit) policiesAPI() error {
	p, err := v.policies()
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, p)
}

// policiesView is what policies.html shows.
type policiesView struct {
	policies
	BuiltIn bool
	May     bool   // try an edited text
	Text    string // the policy's, or what the person made of it
	Hidden  bool   // couchdb: is not shown
	Trial   *trial
}

func (v *visit) policiesPage() error { return v.showPolicies(http.StatusOK, "", nil) }

// showPolicies shows the policies, and what came of trying a text.
func (v *visit) showPolicies(status int, text string, tried *trial) error {
	p, err := v.policies()
	if err != nil {
		return err
	}
	view := policiesView{policies: p, BuiltIn: v.Policy == nil, May: v.Admin() && !v.ReadOnly, Text: text, Trial: tried}
	if view.May && tried == nil {
		view.Text = builtinText
		if v.Policy != nil {
			view.Text = v.Policy.TextWithoutServer()
		}
	}
	view.Hidden = strings.Contains(view.Text, policy.HiddenLine)
	return v.renderStatus(status, "policies", page{Title: "Policies", Nav: "/policies", Data: view})
}

// builtinText is the built-in policy as a file, to begin an edit with.
const builtinText = `databases: ["*"]
policies:
  default:
    otherwise: merge
`

// Why lists the reasons for which a rule's documents wait, most frequent first.
func (r ruleDid) Why() []board.Share { return why(r.RuleDid) }

// WhyNone is Why for what no rule selected.
func (p policies) WhyNone() []board.Share { return why(*p.NoRule) }

func why(did board.RuleDid) []board.Share {
	var shares []board.Share
	for _, reason := range slices.SortedFunc(maps.Keys(did.Reasons), func(a, b couchmend.Reason) int {
		if n := did.Reasons[b] - did.Reasons[a]; n != 0 {
			return n
		}
		return strings.Compare(string(a), string(b))
	}) {
		shares = append(shares, board.Share{Name: reasonWords(reason), N: did.Reasons[reason]})
	}
	return shares
}
