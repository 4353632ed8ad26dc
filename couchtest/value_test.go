package couchtest

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumbersComeBackAsCouchDBWritesThem(t *testing.T) {
	for literal, want := range map[string]string{
		"0": "0", "-0": "0", "7": "7", "-7": "-7",
		"12345678901234567891234567890": "12345678901234567891234567890",
		"1.0":                           "1.0", "1.10": "1.1", "-0.0": "0.0", "0e5": "0.0", "1e2": "100.0", "1E2": "100.0",
		"1e16": "10000000000000000.0", "1e20": "100000000000000000000.0", "1e21": "1e+21", "-1.5e300": "-1.5e+300",
		"0.000001": "0.000001", "1e-7": "1e-7", "1.5e-9": "1.5e-9", "1e-400": "0.0",
		"3.141592653589793238": "3.141592653589793",
	} {
		if got := string(appendNumber(nil, literal)); got != want {
			t.Errorf("%s comes back as %s, want %s", literal, got, want)
		}
	}
}

func TestStringsAreEscapedNoMoreThanNeeded(t *testing.T) {
	v, err := decode([]byte(`"\u0000\u001f\u007f\/\"\\\b\f\n\r\t\u00e9\ud83d\ude00\u2028"`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(v.appendJSON(nil)), "\"\\u0000\\u001F\x7f/\\\"\\\\\\b\\f\\n\\r\\té😀\u2028\""; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLastOfEqualNamesStandsWhereItStood(t *testing.T) {
	many := `{"k":0`
	for _, c := range "abcdefghijklmnopqrst" {
		many += `,"` + string(c) + `":1`
	}
	for text, want := range map[string]string{
		`{"a":1,"b":2,"a":3}`:                 `{"b":2,"a":3}`,
		`{"x":{"z":1,"z":{"y":1,"y":2}}}`:     `{"x":{"z":{"y":2}}}`,
		many + `,"k":9}`:                      strings.Replace(many, `"k":0,`, "", 1) + `,"k":9}`,
		` { "a" : [ 1 , 2.50 , "x" ] } ` + "": `{"a":[1,2.5,"x"]}`,
	} {
		v, err := decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want = strings.ReplaceAll(want, `"k":1,`, "") // the letters hold a k too
		if got := string(v.appendJSON(nil)); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}

func TestWhatIsNoJSONIsRefused(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "{nope", "01", "NaN", "1e400", "-1e400", ".5", "1.", "+1", `"\ud800"`, `"\udc00"`, `"\ud800x"`,
		"\"\xff\"", "\"\x01\"", `{"a":1}{}`, `[1,]`, `{"a":1,}`, `'a'`, "nul", `{"a" 1}`,
	} {
		if v, err := decode([]byte(text)); err == nil {
			t.Errorf("%q was read as %s", text, v.appendJSON(nil))
		}
	}
}

func FuzzStoredJSONIsStable(f *testing.F) {
	for _, seed := range []string{`{"a":[1,1.0,-0.0,1e5,"é\u00e9"],"b":{"c":null}}`, `[1e-7,123456789012345678901]`, `"\ud83d\ude00"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decode(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q was taken for JSON", text)
		}
		once := v.appendJSON(nil)
		again, err := decode(once)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, once, err)
		}
		if twice := again.appendJSON(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%q is written as %q, then as %q", text, once, twice)
		}
	})
}

// TestRevisionIDsTellValuesApart states which differences a revision id sees.
func TestRevisionIDsTellValuesApart(t *testing.T) {
	hash := func(text string) string {
		v, err := decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return newHash(false, 0, "", &v, nil)
	}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"a":1}`, `{"a": 1 }`, true},
		{`{"a":"\u00e9"}`, `{"a":"é"}`, true},
		{`{"a":1.10}`, `{"a":1.1}`, true},
		{`{"a":1e2}`, `{"a":100.0}`, true},
		{`{"a":1}`, `{"a":1.0}`, false},
		{`{"a":0.0}`, `{"a":-0.0}`, false},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, false},
		{`{"a":[1,2]}`, `{"a":"\u0001\u0002"}`, false},
		{`{"a":"é"}`, `{"a":"e\u0301"}`, false},
		{`{"a":null}`, `{"a":"null"}`, false},
		{`{"a":[]}`, `{"a":""}`, false},
	} {
		if got := hash(c.a) == hash(c.b); got != c.same {
			t.Errorf("%s and %s: same id %t, want %t", c.a, c.b, got, c.same)
		}
	}
}

func TestRevisionTextIsReadAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[1-9][0-9]{0,5}-([0-9a-f]{32}|[!-~]{1,15}|[!-~]{17,31})`).Draw(t, "rev")
		gen, hash, err := parseRev(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := revText(gen, hash); got != text {
			t.Fatalf("%s became %s", text, got)
		}
	})
}

func TestCompressionCanBeUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 8), 0, 20).Draw(t, "words")
		next := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var data []byte
		for range rapid.IntRange(0, 5000).Draw(t, "length") * len(words) / (len(words) + 1) {
			data = append(data, words[next.IntN(len(words))]...)
		}
		got, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflate(nil, data))))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%q came back as %q, %v", data, got, err)
		}
	})
}

func TestDigestsOfCompressedTextsAreZlibs(t *testing.T) {
	recording, err := os.ReadFile("testdata/couchdb-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, contentType string
		data              []byte
		want              string // by Python's zlib.compressobj(8, zlib.DEFLATED, 31)
	}{
		{"nothing", "text/plain", nil, "md5-cCkGbCesb17xjWYNV0GXmg=="},
		{"a word", "text/plain", []byte("hi"), "md5-QTVOnBwGnrw6Tx9YG1ZRyA=="},
		{"a repetition", "text/html; charset=utf-8", bytes.Repeat([]byte("lorem ipsum "), 100), "md5-N1W+LapHS61RpqWGY44Cjg=="},
		{"one byte, often", "application/json", bytes.Repeat([]byte("a"), 40000), "md5-OAH3yiaKAAXB2BM1f38ymQ=="},
		{"a long text, in several blocks", "application/xml", recording, "md5-hXrf0EysUovuSK2EOAjWEQ=="},
		{"not compressible", "image/png", []byte("hi"), "md5-SfaKXIST7CwL9ImCHCH8Ow=="},
	} {
		a := attachment{contentType: c.contentType, data: c.data}
		a.seal(true)
		if got := a.digest(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
