package conflictgen

import (
	"fmt"
	"strings"

	"github.com/couchmend/couchmend"
)

// fileScenarios are about attachments.
func fileScenarios() []scenario {
	return []scenario{
		{name: "files-one-sided", share: 5, build: filesOneSided, files: true},
		{name: "files-overlap", share: 3, build: filesOverlap, files: true},
		{name: "files-keep-both", share: 3, build: filesKeepBoth, files: true},
		{name: "files-winner", share: 2, build: filesWinner, files: true},
	}
}

// file adds an attachment. Names ending in .txt are compressible.
func (d *draft) file(name string, first []byte) *file {
	f := &file{name: name, contentType: "image/png", register: register{first: first}}
	if strings.HasSuffix(name, ".txt") {
		f.contentType = "text/plain"
	}
	d.files = append(d.files, f)
	return f
}

// content draws the bytes of an attachment; half of them have one length.
func (d *draft) content() []byte {
	size := 40
	if d.chance(0.5) {
		size = 1 + d.IntN(3000)
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(d.IntN(256))
	}
	d.counter++
	return append(fmt.Appendf(nil, "%03d ", d.counter), data...)
}

// filesOneSided has attachments added, changed, removed on one side, and
// added alike on several.
func filesOneSided(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	d.file("kept.png", d.content())
	d.file("kept too.txt", d.content())
	for i, seg := range d.segments {
		f := d.file(fmt.Sprintf("added %d ü.txt", i), nil)
		f.writes = []write{{at: d.within(seg), value: d.content()}}
	}
	at := func() *node { return d.within(d.segments[d.IntN(len(d.segments))]) }
	d.file("changed.png", d.content()).writes = []write{{at: at(), value: d.content()}}
	d.file("removed.txt", d.content()).writes = []write{{at: at()}}
	twice := d.file("alike.png", d.content())
	data := d.content()
	for _, seg := range d.some(2) {
		twice.writes = append(twice.writes, write{at: d.within(seg), value: data})
	}
	return d.merged()
}

// filesOverlap has an attachment changed differently, added differently, or
// removed and changed.
func filesOverlap(d *draft) Expectation {
	d.star(d.few())
	d.record("record")
	d.oneSided()
	f := d.file("photo.png", d.content())
	contents := [][]byte{d.content(), d.content()}
	switch d.IntN(3) {
	case 0:
		f.first = nil
	case 1:
		contents[0] = nil
	}
	for i, data := range contents {
		f.writes = append(f.writes, write{at: d.within(d.segments[i]), value: data})
	}
	return review(couchmend.ReasonAttachment)
}

// rivals grows leaves that put different contents under one name: CouchDB's
// winner and one or more of the others, in winner order.
func (d *draft) rivals(kind, name string) (*file, []*node) {
	d.star(d.few())
	d.record(kind)
	d.oneSided()
	d.file("kept.txt", d.content())
	f := d.file(name, d.content())
	var writers []*node
	for i, leaf := range d.live() {
		if i < 2 || d.chance(0.4) {
			writers = append(writers, leaf)
			f.writes = append(f.writes, write{at: leaf, value: d.content()})
		}
	}
	return f, writers
}

// filesKeepBoth keeps the winner's content under its name and each other one
// under a name that says which leaf it is from.
func filesKeepBoth(d *draft) Expectation {
	stem, ext := pick(d, "photo", "scan 1"), pick(d, ".png", ".txt", "")
	f, writers := d.rivals("files-both", stem+ext)
	f.settled = map[string][]byte{f.name: f.at(writers[0])}
	for _, leaf := range writers[1:] {
		f.settled[fmt.Sprintf("%s (%s)%s", stem, leaf.rev.Hash[:8], ext)] = f.at(leaf)
	}
	return d.merged()
}

func filesWinner(d *draft) Expectation {
	f, writers := d.rivals("files-winner", "photo.png")
	f.settled = map[string][]byte{f.name: f.at(writers[0])}
	return d.merged()
}
