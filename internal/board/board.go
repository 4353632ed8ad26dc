// Package board is what is going on: a read model of the ledger's journal,
// review queue and pause switches, live and across processes.
package board

import "context"

// Board is the read model.
type Board struct{}

// Event says that something on the board has changed.
type Event struct {
	Topics    []Topic  // what kind of thing
	Databases []string // of which databases
}

// Topic is a part of the board.
type Topic string

// The topics.
const (
	Cases  Topic = "cases"  // what waits for a person
	Work   Topic = "work"   // what was done: the journal
	Pauses Topic = "pauses" // whether mending is paused
)

// Subscribe returns events until ctx ends.
func (b *Board) Subscribe(context.Context) <-chan Event { return nil }
