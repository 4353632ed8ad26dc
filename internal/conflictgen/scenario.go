package conflictgen

import "github.com/couchmend/couchmend"

// scenario makes one kind of conflict.
type scenario struct {
	name    string
	share   int // of a cycle, unless Options say otherwise
	build   func(*draft) Expectation
	numbers bool // needs exact numbers of the server
	files   bool // is about attachments
}

// scenarios are all of them. Their order matters to no one but the seed.
func scenarios() []scenario {
	var all []scenario
	for _, group := range [][]scenario{
		fieldScenarios(), numberScenarios(), clockScenarios(), baseScenarios(),
		reviewScenarios(), deleteScenarios(), fileScenarios(),
	} {
		all = append(all, group...)
	}
	return all
}

// Scenarios are the names of all scenarios, as Options.Shares wants them.
func Scenarios() []string {
	var all []string
	for _, s := range scenarios() {
		all = append(all, s.name)
	}
	return all
}

// reviewed grows a star, plans harmless edits, and then whatever makes the
// document a person's matter.
func reviewed(reason couchmend.Reason, kind string, spoil func(*draft)) func(*draft) Expectation {
	return func(d *draft) Expectation {
		d.star(d.few())
		d.record(kind)
		d.oneSided()
		spoil(d)
		return review(reason)
	}
}
