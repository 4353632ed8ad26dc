package collision

import (
	"crypto/sha1"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/couchmend/couchmend"
)

// namespace is couchmend's own, for UUIDs of version 5 (RFC 9562): it must never
// change, or two sites make two documents of one.
var namespace = [16]byte{0x6b, 0x1f, 0x0c, 0x5e, 0x2d, 0x7a, 0x5b, 0x41, 0x9e, 0x33, 0xc0, 0xa1, 0xe5, 0xce, 0x00, 0x04}

// uuids are the two ways in which databases write a UUID: with dashes, or as
// CouchDB's own 32 digits.
var uuids = regexp.MustCompile(`(?i)\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b`)

// NewID returns the id that a document gets which shared the id old and began
// with the revision first: a UUID that follows from these two alone, so that
// every site gives it the same one (I4). It looks as the old one does: dashes or
// none, upper or lower case, and what stands around the UUID stays, as in
// "contact-7FADDF76-…". A partition stays, too: all up to the first colon.
func NewID(old string, first couchmend.Rev) string {
	sum := sha1.New()
	sum.Write(namespace[:])
	sum.Write([]byte(old + "\n" + first.String()))
	var id [16]byte
	copy(id[:], sum.Sum(nil))
	id[6] = id[6]&0x0f | 0x50 // version 5
	id[8] = id[8]&0x3f | 0x80 // RFC 9562's variant
	partition, rest := "", old
	if i := strings.IndexByte(old, ':'); i >= 0 {
		partition, rest = old[:i+1], old[i+1:]
	}
	all := uuids.FindAllStringIndex(rest, -1)
	if len(all) == 0 {
		return partition + spelled(id, "-")
	}
	last := all[len(all)-1]
	return partition + rest[:last[0]] + spelled(id, rest[last[0]:last[1]]) + rest[last[1]:]
}

// spelled writes an id as like is written.
func spelled(id [16]byte, like string) string {
	digits := hex.EncodeToString(id[:])
	if strings.Contains(like, "-") {
		digits = strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
	}
	if strings.ContainsAny(like, "ABCDEF") && !strings.ContainsAny(like, "abcdef") {
		digits = strings.ToUpper(digits)
	}
	return digits
}
