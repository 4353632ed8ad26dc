package resolver

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
)

// document draws JSON objects of values that other languages spoil. Each float
// has one spelling.
func document(depth int) *rapid.Generator[jsondoc.Value] {
	text := rapid.Map(rapid.String(), func(s string) jsondoc.Value { return jsondoc.String(strings.ToValidUTF8(s, "?")) })
	value := rapid.OneOf(
		text,
		rapid.Map(rapid.StringMatching(`-?[1-9][0-9]{0,40}`), func(s string) jsondoc.Value { return jsondoc.Value(s) }),
		rapid.SampledFrom([]jsondoc.Value{
			jsondoc.Value("0"), jsondoc.Value("1.0"), jsondoc.Value("1.10"), jsondoc.Value("-0.0"), jsondoc.Value("1e400"), jsondoc.Value("-1E400"),
			jsondoc.Value("0.1234567890123456789"), jsondoc.Value("5e-324"), jsondoc.Value("1.0e+22"), jsondoc.Value("100e0"), jsondoc.Value("2.5"), jsondoc.Value("0.000001"),
			jsondoc.Value("null"), jsondoc.Value("true"), jsondoc.Value("false"), jsondoc.Value("{}"), jsondoc.Value("[]"), jsondoc.Value("12345678901234567890"),
		}),
	)
	if depth > 0 {
		inner := document(depth - 1)
		value = rapid.OneOf(value, inner, rapid.Map(rapid.SliceOfN(inner, 0, 3), jsondoc.Array))
	}
	return rapid.Custom(func(t *rapid.T) jsondoc.Value {
		var members []jsondoc.Member
		for _, name := range rapid.SliceOfNDistinct(rapid.String(), 0, 5, rapid.ID[string]).Draw(t, "names") {
			members = append(members, jsondoc.Member{Name: strings.ToValidUTF8(name, "?"), Value: value.Draw(t, "value")})
		}
		return jsondoc.Object(members)
	})
}

func TestADocumentThatIsReturnedIsTheSameBytes(t *testing.T) {
	s := scriptOf(t, "return revisions[0]")
	rapid.Check(t, func(r *rapid.T) {
		doc, other := document(3).Draw(r, "document"), document(1).Draw(r, "other")
		if got, err := ask(t, s, string(doc), string(other)); got != string(doc) || err != nil {
			r.Fatalf("%s\nbecame %s\n%v", doc, got, err)
		}
	})
	for _, spelling := range []string{` { "a" : [ -0 , 1.0,1.00, "\u00e9\/" ] } `, `[1.1,1.10,1.1]`, "1.10", "12345678901234567890"} {
		want := strings.TrimSpace(spelling)
		if got, err := ask(t, s, spelling, `1.1`); got != want || err != nil {
			t.Errorf("%s became %s, %v", spelling, got, err)
		}
	}
}

func TestADocumentThatIsMadeAnewOfItsValuesIsTheSameBytes(t *testing.T) {
	s := scriptOf(t, "return copy(revisions[0])")
	rapid.Check(t, func(r *rapid.T) {
		doc := document(3).Draw(r, "document")
		if got, err := ask(t, s, string(doc), `{}`); got != string(doc) || err != nil {
			r.Fatalf("%s\nbecame %s\n%v", doc, got, err)
		}
	})
}

func TestOfSeveralSpellingsOfAFloatTheGreaterIsWrittenWhateverTheOrder(t *testing.T) {
	s := scriptOf(t, "return [revisions[0][0], revisions[1][0]]")
	for _, order := range [][]string{{"[1.10]", "[1.1]"}, {"[1.1]", "[1.10]"}} {
		if got, err := ask(t, s, order...); got != "[1.10,1.10]" || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
}

func TestValuesAreStarlarksOwn(t *testing.T) {
	doc := `{"n":3,"big":12345678901234567890,"f":1.0,"e":1e3,"s":"é","b":true,"z":null,"l":[1],"o":{"b":1,"a":2}}`
	for _, c := range []struct{ line, want string }{
		{`[type(doc[k]) for k in doc]`, `["int","int","float","float","string","bool","NoneType","list","dict"]`},
		{`[doc["n"] + 1, doc["big"] + 1, doc["big"] * doc["big"]]`, `[4,12345678901234567891,152415787532388367501905199875019052100]`},
		{`[doc["f"] + 1, doc["f"] / 3, doc["f"] == 1, doc["e"] > 999, max(doc["f"], 2), sorted([2.5, 1, doc["f"]])]`, `[2.0,0.3333333333333333,true,true,2,[1,1.0,2.5]]`},
		{`[int(doc["e"]), float(3), str(doc["f"]), {doc["f"]: 1}[1], 7 // 2, 7 / 2, -7 % 3, 2.0 * 3]`, `[1000,3.0,"1.0",1,3,3.5,2,6.0]`},
		{`[1e21, 1e22, 123456789012.5, 1e-6, 1e-7, -0.0, 1e100]`, `[1e+21,1e+22,123456789012.5,0.000001,1e-07,-0.0,1e+100]`},
		{`list(doc["o"].items())`, `[["b",1],["a",2]]`},
		{`(1, (2,), [])`, `[1,[2],[]]`},
		{`{"b": 1, "a": {"": None}}`, `{"b":1,"a":{"":null}}`},
		{`"a\"\\\n\u2028\U0001F600"`, `"a\"\\\n` + "\u2028\U0001F600" + `"`},
		{`"%s %d %r" % (doc["s"], doc["n"], doc["l"]) + "{}".format(doc["f"]) + "-".join(["a", "b"])`, `"é 3 [1]1.0a-b"`},
		{`"a" * 3 + 3 * "b" + str([1] * 2 + 2 * [3]) + str((1,) * 2)`, `"aaabbb[1, 1, 3, 3](1, 1)"`},
	} {
		if got, err := ask(t, scriptOf(t, "doc = revisions[0]", "return "+c.line), doc, `{}`); got != c.want || err != nil {
			t.Errorf("%s\ngot  %s %v\nwant %s", c.line, got, err, c.want)
		}
	}
}

func TestAugmentedAssignmentMeansWhatItMeansInStarlark(t *testing.T) {
	s := scriptOf(t,
		`a = [1]`, `b = a`, `a += [2]`, `a += (3,)`,
		`d = {"n": 2, "s": "x", "l": [0], "f": "%d-%d"}`,
		`d["n"] *= 5`, `d["n"] += 1`, `d["n"] %= 4`, `d["s"] += "y"`, `d["s"] *= 2`, `d["l"] *= 2`, `d["f"] %= (1, 2)`, `d |= {"k": 1.5}`,
		`return [b, d]`)
	want := `[[1,2,3],{"n":3,"s":"xyxy","l":[0,0],"f":"1-2","k":1.5}]`
	if got, err := ask(t, s, `1`, `2`); got != want || err != nil {
		t.Errorf("got %s %v\nwant %s", got, err, want)
	}
}

func TestWhatIsNoJSONIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, lines, want string }{
		{"a set", `return {"a": {"b": [1, set([1])]}}`, "a.b[1] is a set, which has no order: want sorted(…) of it"},
		{"a function", `return [resolve]`, "[0] is a function, which is no JSON value"},
		{"a range", `return range(3)`, "it is a range, which is no JSON value"},
		{"bytes", `return b"x"`, "it is a bytes"},
		{"not a number", `return {"x": float("nan")}`, "x is NaN, which is no JSON number"},
		{"infinity", `return [1.0, -float("inf")]`, "[1] is -Inf, which is no JSON number"},
		{"an overflow", `return 1e308 * 10`, "it is +Inf"},
		{"a number as a name", `return {"a": {1: 2}}`, "a is an object with a name of type int: want a string"},
		{"a list that holds itself", "x = []\n    x.append([x])\n    return {\"x\": x}", "x[0][0] is a value that holds itself"},
		{"a dict that holds itself", "x = {}\n    x[\"y\"] = x\n    return x", "y is a value that holds itself"},
		{"too deep", "x = []\n    for i in range(20000): x = [x]\n    return x", "is more than 10000 values in each other"},
		{"half a character", `return {"s": "é"[:1]}`, "s is a string that is not UTF-8"},
		{"half a character as a name", `return {"é"[:1]: 1}`, "is a string that is not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ask(t, scriptOf(t, c.lines), `{}`, `{}`)
			wantFailure(t, err, couchmend.ReasonResolverOutput, c.want)
		})
	}
}

func TestOneValueCanBeHeldTwice(t *testing.T) {
	got, err := ask(t, scriptOf(t, `x = [1]`, `return {"a": x, "b": [x, x]}`), `1`, `2`)
	if got != `{"a":[1],"b":[[1],[1]]}` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}

func TestDocumentsAreTakenAsDeepAsTheyAreRead(t *testing.T) {
	deep := `{"a":` + strings.Repeat("[", 9990) + strings.Repeat("]", 9990) + "}"
	for _, line := range []string{"return revisions[0]", "return copy(revisions[0])"} {
		if got, err := ask(t, scriptOf(t, line), deep, `{}`); got != deep || err != nil {
			t.Errorf("%s: %.40s, %v", line, got, err)
		}
	}
}

func TestAnIntegerOfTooManyDigitsIsRefused(t *testing.T) {
	most := strings.Repeat("9", maxDigits)
	s := scriptOf(t, "return [revisions[0]]")
	if got, err := ask(t, s, most, `1`); got != "["+most+"]" || err != nil {
		t.Errorf("%.40s, %v", got, err)
	}
	_, err := ask(t, s, most+"9", `1`)
	wantFailure(t, err, couchmend.ReasonResolverMemory, "an integer of 131073 digits: at most 131072")
}

func TestWhatIsGivenMustBeJSON(t *testing.T) {
	for _, text := range []string{"{", "nope", "1 2", "[1,]"} {
		if _, err := ask(t, scriptOf(t, "return 1"), text, `1`); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}
