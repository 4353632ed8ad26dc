package console

import (
	"context"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/ledger"
)

func splitsRoutes() []route {
	return []route{{pattern: "GET /splits", serve: (*visit).showSplits}}
}

// maxListed is how many splits, and how many collisions, are listed.
const maxListed = 200

// splitsPage is what the page of all splits shows.
type splitsPage struct {
	Splits   []listedSplit     `json:"splits"`         // the newest first
	Waiting  []listedCollision `json:"waiting"`        // that nobody has split yet, the oldest first
	MoreThan bool              `json:"more,omitempty"` // there are more of one or the other
}

// listedSplit is one line of the list of splits.
type listedSplit struct {
	DB      string            `json:"db"`
	ID      string            `json:"id"`
	Stage   ledger.SplitStage `json:"stage"`
	By      string            `json:"by"`
	Started time.Time         `json:"started"`
}

// listedCollision is a document with several histories that waits for a person.
type listedCollision struct {
	DB       string    `json:"db"`
	ID       string    `json:"id"`
	Since    time.Time `json:"since"`
	Evidence []string  `json:"evidence"`
}

// Address is that of the document's split.
func (l listedSplit) Address() string { return splitAddress(l.DB, l.ID) }

// Address is that of the document's split.
func (l listedCollision) Address() string { return splitAddress(l.DB, l.ID) }

// showSplits lists the splits that there were, and what could be split.
func (v *visit) showSplits() error {
	list, err := v.listSplits(v.r.Context())
	if err != nil {
		return err
	}
	return v.render("splits", page{Title: "Collisions", Nav: "/splits", Data: list})
}

// listSplits gathers what the person may know of.
func (v *visit) listSplits(ctx context.Context) (*splitsPage, error) {
	list := &splitsPage{Splits: []listedSplit{}, Waiting: []listedCollision{}}
	for s, err := range v.Ledger.Splits(ctx, "") {
		if err != nil {
			return nil, err
		}
		seen, err := v.sees(ctx, s.DB)
		if err != nil {
			return nil, err
		}
		if !seen {
			continue
		}
		if list.Splits = append(list.Splits, listedSplit{s.DB, s.ID, s.Stage, s.By, s.Started}); len(list.Splits) > maxListed {
			list.Splits, list.MoreThan = list.Splits[1:], true
		}
	}
	slices.Reverse(list.Splits)
	for c, err := range v.Ledger.Cases(ctx, ledger.Filter{Reason: couchmend.ReasonTwoRoots}) {
		if err != nil {
			return nil, err
		}
		seen, err := v.sees(ctx, c.DB)
		if err != nil {
			return nil, err
		}
		if !seen {
			continue
		}
		if len(list.Waiting) == maxListed {
			list.MoreThan = true
			break
		}
		list.Waiting = append(list.Waiting, listedCollision{c.DB, c.ID, c.First, c.Evidence})
	}
	return list, nil
}
