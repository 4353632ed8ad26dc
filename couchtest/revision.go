package couchtest

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/couchmend/couchmend"
)

// revision is what a database stores of one revision: whether it is a
// tombstone, its body and its attachments. It never changes.
type revision struct {
	deleted bool
	body    []byte // the members of the JSON object, in order, without the braces
	atts    []*attachment
}

// A revision's hash is kept as CouchDB keeps it: 32 hexadecimal digits are 16
// bytes, any other text is itself. So hashes compare as their bytes do, and 16
// bytes of text are shown in hexadecimal.

func rawHash(hash string) (raw string, ok bool) {
	if len(hash) != 32 {
		return hash, true
	}
	b, err := hex.DecodeString(hash)
	return string(b), err == nil
}

func hashText(raw string) string {
	if len(raw) == 16 {
		return hex.EncodeToString([]byte(raw))
	}
	return raw
}

func appendRev(dst []byte, gen int, raw string) []byte {
	dst = strconv.AppendInt(dst, int64(gen), 10)
	dst = append(dst, '-')
	if len(raw) == 16 {
		return hex.AppendEncode(dst, []byte(raw))
	}
	return append(dst, raw...)
}

func revText(gen int, raw string) string { return string(appendRev(nil, gen, raw)) }

// parseRev reads the text form of a revision id as CouchDB does: any integer,
// a dash, any text.
func parseRev(text string) (gen int, raw string, err *apiError) {
	before, hash, ok := strings.Cut(text, "-")
	gen, convErr := strconv.Atoi(before)
	if !ok || convErr != nil {
		return 0, "", errBadRev
	}
	raw, ok = rawHash(hash)
	if !ok && gen != 0 {
		return 0, "", errBadRev
	}
	return gen, raw, nil
}

// revs puts p into the words of package couchmend, newest first.
func (p path) revs() []couchmend.Rev {
	revs := make([]couchmend.Rev, len(p.hashes))
	for i, hash := range p.hashes {
		revs[i] = couchmend.Rev{Gen: p.gen - i, Hash: hashText(hash)}
	}
	return revs
}
