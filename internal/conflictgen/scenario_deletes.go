package conflictgen

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// deleteScenarios have deletions: CouchDB's own, and those by a field.
func deleteScenarios() []scenario {
	return []scenario{
		{name: "deleted-edit-wins", share: 2, build: deletedBesideOne},
		{name: "deleted-beside-conflict", share: 3, build: deletedBesideConflict},
		{name: "deleted-review", share: 3, build: deletedReview},
		{name: "delete-wins", share: 3, build: deleteWins},
		{name: "delete-wins-elsewhere", share: 2, build: deleteElsewhere},
		{name: "recreated", share: 2, build: recreated},
		{name: "recreated-delete-wins", share: 1, build: recreatedBesideDeletion},
		{name: "soft-delete-stands", share: 3, build: softDeleteStands},
		{name: "soft-edit-stands", share: 3, build: softEditStands},
		{name: "soft-delete-review", share: 2, build: softReview},
		{name: "soft-undeleted", share: 2, build: softUndeleted},
	}
}

// deleteAt is a user's DELETE of parent. Its id is CouchDB's for a tombstone
// without a body, which depends on the parent alone.
func (d *draft) deleteAt(parent *node) *node {
	n := d.grow(parent)
	n.deleted, n.rev.Hash = true, bareTombstone(parent.rev)
	return n
}

// bareTombstone is the md5 of Erlang's external form of
// [true, Generation, <<Hash>>, {[]}, []].
func bareTombstone(parent couchmend.Rev) string {
	hash, _ := hex.DecodeString(parent.Hash) // all hashes here are hexadecimal
	term := []byte{131, 'l', 0, 0, 0, 5, 'd', 0, 4, 't', 'r', 'u', 'e', 'a', byte(parent.Gen), 'm'}
	term = binary.BigEndian.AppendUint32(term, uint32(len(hash)))
	term = append(term, hash...)
	term = append(term, 'h', 1, 'j', 'j', 'j') // {[]}, [], the end of the list
	sum := md5.Sum(term)
	return hex.EncodeToString(sum[:])
}

// deletedBesideOne is a deletion on one replica and edits on another: for
// CouchDB the edits stand already.
func deletedBesideOne(d *draft) Expectation {
	d.trunk(1 + d.IntN(2))
	d.branch(d.base, 1+d.IntN(3))
	d.deleteAt(d.base)
	d.record("record")
	d.oneSided()
	return d.untouched()
}

// deletedBesideConflict has two or more live leaves and a deleted one.
func deletedBesideConflict(d *draft) Expectation {
	d.star(d.few())
	parent := d.base
	if d.chance(0.3) { // edited, then deleted
		parent = d.grow(d.base)
	}
	d.deleteAt(parent)
	d.record("record")
	d.oneSided()
	d.union("tags")
	return d.merged()
}

func deletedReview(d *draft) Expectation {
	d.trunk(1 + d.IntN(2))
	for range 1 + d.IntN(2) {
		d.branch(d.base, 1+d.IntN(3))
	}
	d.deleteAt(d.base)
	d.record("delete-review")
	d.oneSided()
	return review(couchmend.ReasonDeleted)
}

// deleteWins has leaves that all come from the revision that was deleted, and
// that are no younger than its tombstone.
func deleteWins(d *draft) Expectation {
	d.trunk(1 + d.IntN(3))
	for range 1 + d.IntN(3) {
		d.branch(d.base, 1)
	}
	d.deleteAt(d.base)
	d.record("delete-wins")
	d.oneSided()
	return Expectation{Outcome: couchmend.Delete, Deleted: true}
}

// deleteElsewhere has a deletion of a revision that the live leaf never saw.
func deleteElsewhere(d *draft) Expectation {
	d.trunk(1 + d.IntN(2))
	d.branch(d.base, 1+d.IntN(2))
	d.deleteAt(d.grow(d.base))
	d.record("delete-wins")
	d.oneSided()
	return review(couchmend.ReasonDeleted)
}

// recreated has a branch on which the document was deleted and written again.
func recreated(d *draft) Expectation {
	d.trunk(1 + d.IntN(2))
	d.branch(d.deleteAt(d.base), 1+d.IntN(2))
	d.branch(d.base, 1+d.IntN(3))
	d.record("record")
	d.oneSided()
	return d.merged()
}

// recreatedBesideDeletion has a document that was written again after its
// deletion, and another deletion, by a client that leaves a note.
func recreatedBesideDeletion(d *draft) Expectation {
	d.trunk(1 + d.IntN(2))
	d.branch(d.deleteAt(d.base), 1)
	note := d.grow(d.base)
	note.deleted, note.remains = true, jsondoc.MustParse(`{"reason":"moved away"}`)
	d.record("delete-wins")
	d.oneSided()
	return d.untouched()
}

// softMark is the field "deleted" where the rule lets edits stand: the merge is
// as if nobody had set it.
type softMark struct{ register }

func (m *softMark) truth(*draft) jsondoc.Value { return m.first }

// softDeleted grows a star in which one segment sets the field "deleted", and
// says which.
func (d *draft) softDeleted(kind string) segment {
	d.star(d.few())
	d.record(kind)
	deleted := d.segments[d.IntN(len(d.segments))]
	mark := &softMark{}
	mark.writes = []write{{at: d.within(deleted), value: pick(d, jsondoc.Value("true"), number(1), d.text())}}
	if d.chance(0.5) {
		mark.first = pick(d, jsondoc.Value("false"), jsondoc.Value("null"), number(0), jsondoc.String(""))
	}
	d.add(mark, "deleted")
	for _, seg := range d.segments {
		if seg.last() != deleted.last() {
			r := &register{first: d.value(), writes: []write{{at: d.within(seg), value: d.value()}}}
			d.add(r, "edit", d.unique())
		}
	}
	return deleted
}

// softDeleteStands keeps the deleted body, stale or not.
func softDeleteStands(d *draft) Expectation {
	deleted := d.softDeleted("soft-delete").last()
	if len(d.segments) == 2 && d.chance(0.5) {
		d.bothWrite(nil)
	}
	return d.stands(inOrderOf(d.body(d.live()[0]), d.body(deleted)), d.filesAt(deleted))
}

// softEditStands takes the edits and leaves the deletion out.
func softEditStands(d *draft) Expectation {
	d.softDeleted("soft-edit")
	return d.merged()
}

func softReview(d *draft) Expectation {
	d.softDeleted("soft-review")
	return review(couchmend.ReasonSoftDeleted)
}

// softUndeleted has a document that was deleted in the base already; one leaf
// brings it back, which is an edit like another.
func softUndeleted(d *draft) Expectation {
	d.star(d.few())
	d.record("soft-delete")
	d.add(&register{
		first:  jsondoc.Value("true"),
		writes: []write{{at: d.within(d.segments[0]), value: pick(d, jsondoc.Value("false"), nil)}},
	}, "deleted")
	d.oneSided()
	return d.merged()
}
