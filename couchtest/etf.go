package couchtest

import (
	"crypto/md5"
	"encoding/binary"
	"math"
	"strconv"
)

// A revision id is a generation and the MD5 of an Erlang term in Erlang's
// external term format, with minor_version 1:
//
//	[Deleted, ParentGeneration, ParentHash | 0, Body, [{Name, Type, MD5}…]]
//
// So ids are the same on every CouchDB for the same parent and body. What the
// term tells apart changes the id (key order, 1 and 1.0, 0.0 and -0.0, NFC and
// NFD); what it does not, does not (white space, escapes, 1.10 and 1.1).

// newHash is the raw hash of the revision with that content below the parent;
// parentGen is 0 for a document's first revision.
func newHash(deleted bool, parentGen int, parentHash string, body *value, atts []*attachment) string {
	b := make([]byte, 0, 1024)
	b = append(b, 131)
	b = termList(b, 5)
	b = termAtom(b, strconv.FormatBool(deleted))
	b = termInteger(b, strconv.Itoa(parentGen))
	if parentGen == 0 {
		b = termInteger(b, "0")
	} else {
		b = termBinary(b, parentHash)
	}
	b = termValue(b, body)
	b = termAttachments(b, atts)
	b = append(b, termNil)
	sum := md5.Sum(b)
	return string(sum[:])
}

// The tags of the external term format that are met here.
const (
	termSmallInteger = 97  // one byte
	termInt32        = 98  // four bytes, signed
	termAtomLatin1   = 100 // two bytes of length, text
	termSmallTuple   = 104 // one byte of arity, elements
	termNil          = 106 // the empty list, and the end of every other
	termString       = 107 // two bytes of length: a list of bytes
	termListTag      = 108 // four bytes of length, elements, termNil
	termBinaryTag    = 109 // four bytes of length, bytes
	termSmallBig     = 110 // one byte of length, sign, bytes, lowest first
	termLargeBig     = 111 // the same with four bytes of length
	termNewFloat     = 70  // eight bytes
)

func termAtom(b []byte, name string) []byte {
	b = binary.BigEndian.AppendUint16(append(b, termAtomLatin1), uint16(len(name)))
	return append(b, name...)
}

func termList(b []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(b, termListTag), uint32(n))
}

func termBinary[T string | []byte](b []byte, data T) []byte {
	b = binary.BigEndian.AppendUint32(append(b, termBinaryTag), uint32(len(data)))
	return append(b, data...)
}

func termValue(b []byte, v *value) []byte {
	switch v.kind {
	case '"':
		return termBinary(b, v.text)
	case '0':
		return termNumber(b, v.text)
	case '{':
		return termObject(b, v)
	case '[':
		return termArray(b, v.children)
	case 't':
		return termAtom(b, "true")
	case 'f':
		return termAtom(b, "false")
	default:
		return termAtom(b, "null")
	}
}

// termObject writes {[{Name, Value}…]}.
func termObject(b []byte, v *value) []byte {
	b = append(b, termSmallTuple, 1)
	if len(v.names) == 0 {
		return append(b, termNil)
	}
	b = termList(b, len(v.names))
	for i, name := range v.names {
		b = append(b, termSmallTuple, 2)
		b = termBinary(b, name)
		b = termValue(b, &v.children[i])
	}
	return append(b, termNil)
}

func termArray(b []byte, elements []value) []byte {
	if len(elements) == 0 {
		return append(b, termNil)
	}
	if allBytes(elements) {
		b = binary.BigEndian.AppendUint16(append(b, termString), uint16(len(elements)))
		for i := range elements {
			n, _ := smallInteger(elements[i].text)
			b = append(b, byte(n))
		}
		return b
	}
	b = termList(b, len(elements))
	for i := range elements {
		b = termValue(b, &elements[i])
	}
	return append(b, termNil)
}

// allBytes reports whether Erlang writes the list as a string.
func allBytes(elements []value) bool {
	if len(elements) > math.MaxUint16 {
		return false
	}
	for i := range elements {
		n, ok := smallInteger(elements[i].text)
		if elements[i].kind != '0' || !ok || n < 0 || n > math.MaxUint8 {
			return false
		}
	}
	return true
}

// smallInteger reads an integer literal that fits into 32 bits.
func smallInteger(literal string) (int64, bool) {
	n, err := strconv.ParseInt(literal, 10, 32)
	return n, err == nil
}

func termNumber(b []byte, literal string) []byte {
	if !isFloat(literal) {
		return termInteger(b, literal)
	}
	f, _ := strconv.ParseFloat(literal, 64)
	return binary.BigEndian.AppendUint64(append(b, termNewFloat), math.Float64bits(f))
}

func termInteger(b []byte, literal string) []byte {
	if n, ok := smallInteger(literal); ok {
		if 0 <= n && n <= math.MaxUint8 {
			return append(b, termSmallInteger, byte(n))
		}
		return binary.BigEndian.AppendUint32(append(b, termInt32), uint32(n))
	}
	n := integer(literal)
	magnitude := n.Bytes()
	if len(magnitude) <= math.MaxUint8 {
		b = append(b, termSmallBig, byte(len(magnitude)))
	} else {
		b = binary.BigEndian.AppendUint32(append(b, termLargeBig), uint32(len(magnitude)))
	}
	sign := byte(0)
	if n.Sign() < 0 {
		sign = 1
	}
	b = append(b, sign)
	for i := len(magnitude) - 1; i >= 0; i-- {
		b = append(b, magnitude[i])
	}
	return b
}

// termAttachments writes [{Name, Type, MD5}…], the last attachment first. Of a
// nil one CouchDB no longer knew these.
func termAttachments(b []byte, atts []*attachment) []byte {
	if len(atts) == 0 {
		return append(b, termNil)
	}
	b = termList(b, len(atts))
	for i := len(atts) - 1; i >= 0; i-- {
		b = append(b, termSmallTuple, 3)
		if atts[i] == nil {
			b = termAtom(termAtom(termAtom(b, "undefined"), "undefined"), "undefined")
			continue
		}
		b = termBinary(b, atts[i].name)
		b = termBinary(b, atts[i].contentType)
		b = termBinary(b, atts[i].md5[:])
	}
	return append(b, termNil)
}
