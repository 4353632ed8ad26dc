package feed

import (
	"crypto/rand"
	"encoding/hex"
)

// newTrace returns a trace id for one document's way through couchmend: 32
// hexadecimal digits, as traceparent wants them.
func newTrace() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
