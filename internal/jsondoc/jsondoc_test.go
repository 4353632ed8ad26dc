package jsondoc

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

func TestParseRefusesWhatCouchDBRefuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `[1,]`, `{"a":}`, `{"a" 1}`, `01`, `.5`, `NaN`, `nul`, `"\ud800"`, "\"\xff\"", `{} {}`, `{"a":1,"a":2}`, `"a` + "\n" + `b"`,
	} {
		if v, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q was read as %s", text, v)
		}
	}
}

func TestParseKeepsTheExactText(t *testing.T) {
	for _, text := range []string{
		`{"b":1.0,"a":12345678901234567890123,"é":"\u00e9"}`, `[1, 2 ,3]`, `-0`, `1e400`, `"\/"`, `null`,
	} {
		v, err := Parse([]byte("  " + text + "\n"))
		if err != nil || string(v) != text {
			t.Errorf("%s: %s, %v", text, v, err)
		}
	}
}

func TestMembersKeepOrderLiteralsAndNames(t *testing.T) {
	members := MustParse(` { "b" : 1.0 ,"a\"\u00e9":{"x":[1,"}]"]}, "":-1e3}`).Members()
	want := []Member{{"b", Value("1.0")}, {`a"é`, Value(`{"x":[1,"}]"]}`)}, {"", Value("-1e3")}}
	if len(members) != len(want) {
		t.Fatalf("%d members", len(members))
	}
	for i, m := range members {
		if m.Name != want[i].Name || !bytes.Equal(m.Value, want[i].Value) {
			t.Errorf("member %d is %q: %s", i, m.Name, m.Value)
		}
	}
}

func TestAtFollowsNamesAndEndsAtWhatIsNoObject(t *testing.T) {
	v := MustParse(`{"a":{"b":[{"c":1}],"":2}}`)
	for _, c := range []struct {
		path []string
		want string
	}{
		{nil, `{"a":{"b":[{"c":1}],"":2}}`}, {[]string{"a", "b"}, `[{"c":1}]`}, {[]string{"a", ""}, "2"},
		{[]string{"a", "b", "c"}, ""}, {[]string{"x"}, ""}, {[]string{"x", "y"}, ""},
	} {
		if got := v.At(c.path...); string(got) != c.want || (got == nil) != (c.want == "") {
			t.Errorf("%v: %s", c.path, got)
		}
	}
}

func TestCanonicalKeepsIntegersExact(t *testing.T) {
	for text, want := range map[string]string{
		`{"b":1,"a":[1.50, 1e2 ,-0]}`: `{"a":[1.5,100,0],"b":1}`,
		`12345678901234567891`:        `12345678901234567891`,
		`"\u00e9\/"`:                  `"é/"`,
	} {
		if got := Canonical(MustParse(text)); string(got) != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if Canonical(nil) != nil {
		t.Error("an absent value has a canonical form")
	}
}

func TestEqualTellsIntegersFromFloatsAndAbsentFromNull(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":2}`, `{"b":2, "a":1}`, true},
		{`[1.10]`, `[1.1]`, true},
		{`1e2`, `100.0`, true},
		{`"\u00e9"`, `"é"`, true},
		{`1`, `1.0`, false},
		{`{"a":[1,2.0]}`, `{"a":[1.0,2]}`, false},
		{`12345678901234567891`, `12345678901234567892`, false},
		{`[1,2]`, `[2,1]`, false},
		{`null`, `0`, false},
	} {
		if Equal(Value(c.a), Value(c.b)) != c.want || Equal(Value(c.b), Value(c.a)) != c.want {
			t.Errorf("%s and %s: want %v", c.a, c.b, c.want)
		}
	}
	if Equal(nil, Value("null")) || Equal(Value("null"), nil) || !Equal(nil, nil) {
		t.Error("an absent value is like absent ones alone")
	}
}

func TestAJavaScriptRoundTripIsNoChange(t *testing.T) {
	for _, c := range []struct {
		base, v string
		want    bool
	}{
		{`12345678901234567891`, `12345678901234567000`, true},
		{`1.0`, `1`, true},
		{`10000000000000000.0`, `10000000000000000`, true},
		{`{"id":12345678901234567891,"x":[1.0]}`, `{"x":[1],"id":12345678901234567000}`, true},
		{`1`, `1.0`, false}, // no JavaScript client does that
		{`12345678901234567000`, `12345678901234567891`, false},
		{`12345678901234567891`, `12345678901234567001`, false},
		{`"1.0"`, `"1"`, false},
	} {
		if Unchanged(Value(c.base), Value(c.v)) != c.want {
			t.Errorf("%s → %s: want %v", c.base, c.v, c.want)
		}
	}
}

func TestRestoredPutsExactNumbersBack(t *testing.T) {
	for _, c := range []struct{ name, base, v, want string }{
		{"beside a change", `{"id":12345678901234567891,"n":1}`, `{"id":12345678901234567000,"n":2}`, `{"id":12345678901234567891,"n":2}`},
		{"in an array that grew in front", `[12345678901234567891]`, `[1,12345678901234567000]`, `[1,12345678901234567891]`},
		{"in an array's object", `[{"id":12345678901234567891,"s":"a"}]`, `[{"id":12345678901234567000,"s":"b"}]`, `[{"id":12345678901234567891,"s":"b"}]`},
		{"by place where two look alike", `[12345678901234567891,12345678901234567892]`, `[12345678901234567000,12345678901234567000,3]`, `[12345678901234567891,12345678901234567892,3]`},
		{"not where nobody can tell", `[12345678901234567891,12345678901234567892]`, `[3,4,12345678901234567000]`, `[3,4,12345678901234567000]`},
		{"floats", `{"a":[1.0,2.5]}`, `{"a":[1,3.5]}`, `{"a":[1.0,3.5]}`},
		{"nothing to do", `{"a":1}`, `{"b":1}`, `{"b":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Restored(MustParse(c.base), MustParse(c.v)); string(got) != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestNumbersAreExact(t *testing.T) {
	for _, c := range []struct {
		text  string
		float bool
		want  string
	}{
		{"12345678901234567890123", false, "12345678901234567890123"}, {"0.1", true, "0.1"}, {"-2.50", true, "-2.5"}, {"1e3", true, "1000.0"}, {"3", true, "3.0"},
	} {
		n, ok := Number(Value(c.text))
		if !ok || string(FromNumber(n, c.float)) != c.want {
			t.Errorf("%s: %s %v", c.text, FromNumber(n, c.float), ok)
		}
	}
	for _, text := range []string{`"1"`, `1e999999999`, `null`, `[1]`} {
		if _, ok := Number(Value(text)); ok {
			t.Errorf("%s is a number", text)
		}
	}
}

// anyValue draws JSON as CouchDB writes it, big integers and floats included.
func anyValue(depth int) *rapid.Generator[Value] {
	leaf := rapid.OneOf(
		rapid.SampledFrom([]Value{Value("null"), Value("true"), Value("0"), Value("1.0"), Value("12345678901234567891"), Value("-9007199254740993"), Value("0.1"), Value("1.0e+22")}),
		rapid.Map(rapid.Int64(), func(n int64) Value { v, _ := json.Marshal(n); return v }),
		rapid.Map(rapid.String(), func(s string) Value { return String(s) }),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(anyValue(depth-1), 0, 4), Array),
		rapid.Custom(func(t *rapid.T) Value {
			var members []Member
			for _, name := range rapid.SliceOfNDistinct(rapid.StringN(0, 4, 8), 0, 4, rapid.ID).Draw(t, "names") {
				members = append(members, Member{Name: name, Value: anyValue(depth-1).Draw(t, "value")})
			}
			return Object(members)
		}))
}

// throughJavaScript is what a client makes of v whose numbers are float64.
func throughJavaScript(v Value) Value {
	var any any
	if err := json.Unmarshal(v, &any); err != nil {
		return v
	}
	text, _ := json.Marshal(any)
	return text
}

func TestWhateverJavaScriptRoundsIsRestored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := anyValue(3).Draw(t, "base")
		rounded := throughJavaScript(base)
		if !Unchanged(base, rounded) {
			t.Fatalf("%s → %s is taken for a change", base, rounded)
		}
		if got := Restored(base, rounded); !bytes.Equal(got, base) {
			t.Fatalf("%s → %s is restored to %s", base, rounded, got)
		}
		if got, ok := Exact(rounded, base); !ok || !bytes.Equal(got, base) && !bytes.Equal(got, rounded) {
			t.Fatalf("of %s and %s, %s is exact", base, rounded, got)
		}
	})
}

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyValue(1).Draw(t, "a"), anyValue(1).Draw(t, "b"), anyValue(1).Draw(t, "c")
		if Compare(a, b) != -Compare(b, a) || (Compare(a, b) == 0) != bytes.Equal(a, b) {
			t.Fatalf("%s and %s have no order", a, b)
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatalf("%s ≤ %s ≤ %s, but not %s ≤ %s", a, b, c, a, c)
		}
	})
}

func TestObjectsAndArraysAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyValue(3).Draw(t, "v")
		again := v
		switch v.Kind() {
		case '{':
			again = Object(v.Members())
		case '[':
			again = Array(v.Elements())
		}
		if !bytes.Equal(v, again) {
			t.Fatalf("%s became %s", v, again)
		}
	})
}
