package cases

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// pseudonyms are texts that stand for others: as many of them, in the same
// order of bytes among those of one kind. Moments stay moments, digits digits;
// all else becomes a word.
type pseudonyms map[string]string

// newPseudonyms names texts anew, but for constants. No pseudonym is one of the
// texts.
func newPseudonyms(texts []string, constants map[string]bool) pseudonyms {
	taken := map[string]bool{}
	byKind := map[kind][]string{}
	slices.Sort(texts)
	for _, text := range slices.Compact(slices.Clone(texts)) {
		taken[text] = true
		if k := kindOfText(text); k != blank && !constants[text] {
			byKind[k] = append(byKind[k], text)
		}
	}
	for text := range constants {
		taken[text] = true
	}
	p := pseudonyms{}
	moments := shifted(byKind[moment], taken)
	if moments == nil {
		byKind[word] = append(byKind[word], byKind[moment]...)
		slices.Sort(byKind[word])
	}
	for i, text := range byKind[moment][:len(moments)] {
		p[text] = moments[i]
	}
	for k, name := range map[kind]func(rank, of, size int) string{digits: digitsOf, word: wordOf} {
		texts := byKind[k]
		for size, ok := 1, false; !ok; size++ {
			ok = true
			for i, text := range texts {
				p[text] = name(i, len(texts), size)
				ok = ok && p[text] != "" && !taken[p[text]]
			}
		}
	}
	return p
}

// of is what stands for a text: itself, where it is a constant or says nothing.
func (p pseudonyms) of(text string) string {
	if other, ok := p[text]; ok {
		return other
	}
	return text
}

// kind is what sort of text a text is.
type kind int

const (
	blank  kind = iota // nothing, or space
	moment             // a date, or RFC 3339
	digits
	word
)

func kindOfText(text string) kind {
	_, _, isMoment := parseMoment(text)
	switch {
	case strings.TrimSpace(text) == "":
		return blank
	case isMoment:
		return moment
	case strings.Trim(text, "0123456789") == "":
		return digits
	}
	return word
}

// parseMoment reads a date or a time, and says in which layout it is written.
func parseMoment(text string) (t time.Time, layout string, ok bool) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, time.DateOnly, true
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, "", false
	}
	_, offset := t.Zone()
	t = t.In(time.FixedZone("", offset)) // whatever this machine's zone is
	layout = "2006-01-02T15:04:05"
	rest := text[len(layout):]
	if fraction := strings.TrimLeft(rest, ".,0123456789"); len(fraction) < len(rest) {
		layout += rest[:1] + strings.Repeat("0", len(rest)-len(fraction)-1)
		rest = fraction
	}
	if rest == "Z" {
		return t, layout + "Z", true
	}
	return t, layout + "-07:00", true
}

// shifted moves all moments by the same number of days, such that none of them
// is one of taken; nil where that cannot be.
func shifted(moments []string, taken map[string]bool) []string {
	for year := 2001; year < 2100 && len(moments) > 0; year++ {
		first, _, _ := parseMoment(moments[0])
		days := int(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Sub(first.UTC().Truncate(24*time.Hour)).Hours() / 24)
		var moved []string
		for _, text := range moments {
			t, layout, _ := parseMoment(text)
			other := t.AddDate(0, 0, days).Format(layout)
			if _, _, ok := parseMoment(other); ok && !taken[other] {
				moved = append(moved, other)
			}
		}
		if len(moved) == len(moments) {
			return moved
		}
	}
	return nil
}

// spread places a rank among of evenly in a space; false where it is too small.
func spread(rank, of int, space uint64) (uint64, bool) {
	step := space / uint64(of+1)
	return step * uint64(rank+1), step > 1
}

// maxSize is how many digits or syllables are tried.
const maxSize = 9

// digitsOf is a number of size digits; "" where there are not enough of them.
func digitsOf(rank, of, size int) string {
	space := uint64(1)
	for range min(size, 18) {
		space *= 10
	}
	n, ok := spread(rank, of, space)
	if !ok {
		return ""
	}
	return strings.Repeat("5", max(0, size-18)) + fmt.Sprintf("%0*d", min(size, 18), n)
}

const consonants, vowels = "bcdfghjklmnpqrstvwxz", "aeiou"

// wordOf is a word of size syllables; "" where there are not enough of them.
func wordOf(rank, of, size int) string {
	const syllables = uint64(len(consonants) * len(vowels))
	space := uint64(1)
	for range min(size, maxSize) {
		space *= syllables
	}
	n, ok := spread(rank, of, space)
	if !ok || size < 2 {
		return ""
	}
	b := []byte(strings.Repeat("zu", max(0, size-maxSize)))
	for place := space / syllables; place > 0; place /= syllables {
		s := n / place % syllables
		b = append(b, consonants[s/uint64(len(vowels))], vowels[s%uint64(len(vowels))])
	}
	return string(b)
}

// shift moves numbers away from 0, those of one size by the same. Differences
// stay, and so does which is greater, which is 0, and which is another one
// after a round trip through a JavaScript client (I8).
type shift struct{ by *big.Int }

// newShift draws the distance from all that the documents say, so that it tells
// nothing to who does not know them. It is even: what lies in the middle between
// two float64s rounds to the one whose last bit is 0.
func newShift(all []couchmend.Revision) shift {
	h := sha256.New()
	for _, r := range all {
		h.Write(r.Body)
	}
	return shift{by: big.NewInt(1000 + 2*int64(binary.BigEndian.Uint16(h.Sum(nil))))}
}

// mantissa is how many bits of a number a float64 keeps.
const mantissa = 53

// of is what stands for a number. Beyond 2^53 the distance is a multiple of
// what lies between two neighboring float64s; and what such a client would
// write, the shortest digits that name a float64, becomes what it would write.
func (s shift) of(v jsondoc.Value) jsondoc.Value {
	n, ok := jsondoc.Number(v)
	if !ok || n.Sign() == 0 {
		return v
	}
	by := new(big.Rat).SetInt(s.by)
	float, _ := n.Float64()
	_, bits := math.Frexp(float)
	extra := bits - mantissa
	if extra > 0 {
		by.SetInt(new(big.Int).Lsh(s.by, uint(extra)))
	}
	if n.Sign() < 0 {
		by.Neg(by)
	}
	if shortest, ok := new(big.Rat).SetString(strconv.FormatFloat(float, 'g', -1, 64)); extra > 0 && ok && shortest.Cmp(n) == 0 {
		moved, _ := by.Add(by, new(big.Rat).SetFloat64(float)).Float64()
		if jsondoc.IsFloat(v) {
			return jsondoc.Value(strconv.FormatFloat(moved, 'e', -1, 64))
		}
		return jsondoc.Value(strconv.FormatFloat(moved, 'f', -1, 64))
	}
	return jsondoc.FromNumber(by.Add(by, n), jsondoc.IsFloat(v))
}

// noise is so many bytes that look like nothing, the same ones for the same
// content.
func noise(content string, size int) []byte {
	seed := md5.Sum([]byte(content))
	random := rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:8]), binary.BigEndian.Uint64(seed[8:])))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}
