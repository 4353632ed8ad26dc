package couchtest

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// CouchDB keeps a JSON number as an Erlang integer, exact at any size, or as a
// float of 64 bits. Whatever is written with a point or an exponent is a float
// and comes back in the shortest form that reads as the same float.

// isFloat reports whether the JSON number literal stands for a float.
func isFloat(literal string) bool { return strings.ContainsAny(literal, ".eE") }

// inRange reports whether CouchDB takes the literal: a float too large for 64
// bits is refused, one too small is 0.0.
func inRange(literal string) bool {
	if !isFloat(literal) {
		return true
	}
	f, err := strconv.ParseFloat(literal, 64)
	return err == nil || !math.IsInf(f, 0)
}

// appendNumber appends the literal as CouchDB sends it back: 1.10 as 1.1, 1e2
// as 100.0, 1e16 as 10000000000000000.0, 1e21 as 1e+21, -0 as 0 and -0.0 as
// 0.0. Integers stay as they are.
func appendNumber(dst []byte, literal string) []byte {
	if !isFloat(literal) {
		if literal == "-0" {
			return append(dst, '0')
		}
		return append(dst, literal...)
	}
	f, _ := strconv.ParseFloat(literal, 64)
	if f == 0 {
		return append(dst, "0.0"...)
	}
	if abs := math.Abs(f); abs < 1e-6 || abs >= 1e21 {
		return appendExponent(dst, f)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendExponent writes an exponent without leading zeros: 1e-7, not 1e-07.
func appendExponent(dst []byte, f float64) []byte {
	text := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	dst = append(dst, mantissa...)
	dst = append(dst, 'e', exponent[0])
	return append(dst, strings.TrimLeft(exponent[1:], "0")...)
}

// integer reads an integer literal of any size.
func integer(literal string) *big.Int {
	n, _ := new(big.Int).SetString(literal, 10)
	return n
}
