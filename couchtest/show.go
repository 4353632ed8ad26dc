package couchtest

import (
	"math"
	"strconv"
)

// showing says how much of a revision a client asked for.
type showing struct {
	revs             bool // the path
	revsLimit        int  // ids of the path to show; 0: all
	attachments      bool // their bytes, not stubs
	latest           bool // instead of a revision the leaves that grew from it
	revsInfo         bool // which of the path's bodies are at hand: winner only, as the rest
	conflicts        bool // the other live leaves
	deletedConflicts bool // the other tombstones
	localSeq         bool // the document's sequence number
}

// appendDoc writes a revision as CouchDB does, members in its order.
func appendDoc(dst []byte, id string, n *node, s showing) []byte {
	dst = appendHead(dst, id, n, n.rev, s)
	return append(appendAttachments(dst, n.rev, s), '}')
}

// appendWinner writes the winner of d.
func (d *document) appendWinner(dst []byte, s showing) []byte {
	winner := d.leaves[0]
	line := winner
	if len(d.leaves) > 1 { // of one id under two paths, CouchDB shows the first path
		line = d.tree.get(winner.gen, winner.hash)
	}
	dst = appendHead(dst, d.id, line, winner.rev, s)
	if s.revsInfo {
		dst = appendRevsInfo(dst, line)
	}
	if s.conflicts {
		dst = d.appendOthers(dst, "_conflicts", false)
	}
	if s.deletedConflicts {
		dst = d.appendOthers(dst, "_deleted_conflicts", true)
	}
	if s.localSeq {
		dst = append(dst, `,"_local_seq":`...)
		dst = strconv.AppendUint(dst, d.seq, 10)
	}
	return append(appendAttachments(dst, winner.rev, s), '}')
}

// appendHead writes what stands before the members about other revisions: rev,
// under the id and path of n.
func appendHead(dst []byte, id string, n *node, rev *revision, s showing) []byte {
	dst = append(dst, `{"_id":`...)
	dst = appendString(dst, id)
	if n.hash != "" || n.gen > 0 {
		dst = append(dst, `,"_rev":`...)
		dst = appendString(dst, revText(n.gen, n.hash))
	}
	if len(rev.body) > 0 {
		dst = append(dst, ',')
		dst = append(dst, rev.body...)
	}
	if rev.deleted {
		dst = append(dst, `,"_deleted":true`...)
	}
	if s.revs {
		limit := s.revsLimit
		if limit == 0 {
			limit = math.MaxInt
		}
		dst = append(dst, `,"_revisions":`...)
		dst = appendRevisions(dst, n.path(limit))
	}
	return dst
}

func appendRevisions(dst []byte, p path) []byte {
	dst = append(dst, `{"start":`...)
	dst = strconv.AppendInt(dst, int64(p.gen), 10)
	dst = append(dst, `,"ids":[`...)
	for i, hash := range p.hashes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, hashText(hash))
	}
	return append(dst, ']', '}')
}

func appendRevsInfo(dst []byte, n *node) []byte {
	dst = append(dst, `,"_revs_info":[`...)
	for first := true; n != nil; n, first = n.parent, false {
		if !first {
			dst = append(dst, ',')
		}
		status := "available"
		switch {
		case n.rev == nil:
			status = "missing"
		case n.rev.deleted:
			status = "deleted"
		}
		dst = append(dst, `{"rev":`...)
		dst = appendString(dst, revText(n.gen, n.hash))
		dst = append(dst, `,"status":"`...)
		dst = append(dst, status...)
		dst = append(dst, `"}`...)
	}
	return append(dst, ']')
}

// appendOthers lists the losing leaves, live or dead; nothing if there is none.
func (d *document) appendOthers(dst []byte, name string, dead bool) []byte {
	found := false
	for _, n := range d.leaves[1:] {
		if n.deleted() != dead {
			continue
		}
		if found {
			dst = append(dst, ',')
		} else {
			dst = append(dst, `,"`...)
			dst = append(dst, name...)
			dst = append(dst, `":[`...)
		}
		found = true
		dst = appendString(dst, revText(n.gen, n.hash))
	}
	if found {
		dst = append(dst, ']')
	}
	return dst
}

func appendAttachments(dst []byte, rev *revision, s showing) []byte {
	if len(rev.atts) == 0 {
		return dst
	}
	dst = append(dst, `,"_attachments":{`...)
	for i, a := range rev.atts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = a.appendJSON(dst, s.attachments)
	}
	return append(dst, '}')
}
