package ledger

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/couchmend/couchmend"
)

// Back asks for the journal's lines from the newest one back.
type Back struct {
	DB string // "": of all databases
	ID string // of DB's documents; "": of all
	// Since is the age at which to stop; zero: the journal's own.
	Since time.Time
	// Before is the number below which to begin; 0: at the newest line.
	Before uint64
	// Most is how many lines are looked at, at most. Default 20,000.
	Most int
}

const (
	// lookedBack is Back.Most where it is not given: a few seconds' work.
	lookedBack = 20_000
	// keptBack is how many lines are held in memory at a time (I11).
	keptBack = 500
	// firstStretch is how many numbers are looked at first. Others' lines stand
	// between those of one database, so the stretch grows until there are some.
	firstStretch = 250
)

// EachBack hands f the journal's lines, newest first, without their bodies,
// until f wants no more, Most lines were looked at or there are no others. A
// line's number is its entry's name: see Entry. next is where to go on from, as
// Back.Before; 0: there is nothing older.
func (l *Ledger) EachBack(ctx context.Context, q Back, f func(number uint64, line EntryLine) (more bool)) (next uint64, err error) {
	if q.Most <= 0 {
		q.Most = lookedBack
	}
	subject := l.under(journal, q.DB)
	if q.ID != "" {
		subject = l.subject(journal, q.DB, q.ID)
	}
	oldest, end, err := l.journalEnds(ctx, q)
	if err != nil {
		return 0, wrapDoc("read journal", q.DB, q.ID, err)
	}
	for stretch := uint64(firstStretch); end > oldest && q.Most > 0; {
		from := max(oldest, end-min(stretch, end))
		found, cut, err := l.stretch(ctx, subject, from, end)
		if err != nil {
			return 0, wrapDoc("read journal", q.DB, q.ID, err)
		}
		for _, one := range slices.Backward(found) {
			q.Most--
			if !f(one.number, one.line) || q.Most == 0 {
				return one.number, nil
			}
		}
		switch {
		case cut: // those that were not kept come next
			from, stretch = found[0].number, max(stretch/2, firstStretch)
		case len(found) < keptBack/4:
			stretch *= 2
		}
		end = from
	}
	if end <= oldest {
		return 0, nil
	}
	return end, nil
}

// journalEnds are the numbers between which a question's lines are: from the
// oldest, below the end.
func (l *Ledger) journalEnds(ctx context.Context, q Back) (oldest, end uint64, err error) {
	info, err := l.streams[journal].Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	oldest, end = info.State.FirstSeq, info.State.LastSeq+1
	if q.Before != 0 {
		end = min(end, q.Before)
	}
	if !q.Since.IsZero() {
		page, _, err := l.ask(ctx, journal, query{Subject: l.under(journal, ""), Since: &q.Since})
		if err != nil {
			return 0, 0, err
		}
		if len(page) == 0 { // all are older
			return end, end, nil
		}
		oldest = max(oldest, page[0].Seq)
	}
	return oldest, end, nil
}

type numberedLine struct {
	number uint64
	line   EntryLine
}

// stretch returns the newest keptBack lines of a subject from one number up to
// another, oldest first, and whether there are more.
func (l *Ledger) stretch(ctx context.Context, subject string, from, end uint64) (found []numberedLine, cut bool, err error) {
	err = l.each(ctx, journal, query{Subject: subject, From: from}, func(m message) (bool, error) {
		if m.Seq >= end {
			return false, nil
		}
		line, err := l.lineOf(ctx, m)
		if err != nil {
			return false, err
		}
		found = append(found, numberedLine{m.Seq, line})
		if len(found) >= 2*keptBack {
			found, cut = append(found[:0], found[keptBack:]...), true
		}
		return true, nil
	})
	if len(found) > keptBack {
		found, cut = found[len(found)-keptBack:], true
	}
	return found, cut, err
}

// lineOf is an entry in short: from the header, or from the whole where that
// was too long for one.
func (l *Ledger) lineOf(ctx context.Context, m message) (EntryLine, error) {
	var line EntryLine
	if text := m.Header.Get(lineHeader); text != "" {
		return line, json.Unmarshal([]byte(text), &line)
	}
	e, err := l.entry(ctx, m)
	return entryLine(e), err
}

// Entry returns one entry of the journal by its number, see EachBack;
// KindNotFound where there is none, or none any more.
func (l *Ledger) Entry(ctx context.Context, number uint64) (Entry, error) {
	m, ok, err := l.first(ctx, journal, l.under(journal, ""), number)
	if err == nil && (!ok || m.Seq != number) {
		return Entry{}, &couchmend.Error{Op: "read journal", Kind: couchmend.KindNotFound, Err: errForgotten}
	}
	if err != nil {
		return Entry{}, wrap("read journal", err)
	}
	e, err := l.entry(ctx, m)
	return e, wrap("read journal", err)
}
