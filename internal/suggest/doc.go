// Package suggest reads conflicts and proposes a policy for them: rules by kind
// of document, a strategy for a field where the conflicts themselves speak for
// it, and in comments what was seen and what is left to a person.
//
// It never guesses. A field gets a strategy only where enough conflicts show
// what its values do (sets that only grow, counters, moments that only rise,
// keyed arrays, text) and hardly any shows otherwise; everything else stays in
// review, and the comment says why. What a tool must not choose, such as who
// wins, is told with what it would bring and what it would cost.
//
//	conflicts ── kinds ──── profile ─────── rules ───── text ──── shares
//	             by type    what changes    proposed    YAML      each conflict
//	                        look like                             decided by that text
//
// It is pure: conflicts in, a Proposal out, the same whatever their order. Its
// memory depends on the number of kinds and fields, which are capped, and not
// on the number of conflicts (I11).
package suggest
