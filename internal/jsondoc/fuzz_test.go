package jsondoc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzParse holds Parse, and the scanner behind Members and Elements, against
// encoding/json: what Parse takes, both must read alike.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, ` {"a":[1,2.50,{"b":"x\"}"}],"c":null} `, `"\u00e9\\"`, `[[],{},"",0]`, `{"":{"":""}}`, `-0.0e+1`, `[1 , 2]`, `{"a":1,"a":2}`, `tru`, "\"\xc3\x28\"",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Parse(text)
		if err != nil {
			return
		}
		if !json.Valid(v) {
			t.Fatalf("%q is no JSON", v)
		}
		again, err := Parse(rebuilt(v))
		if err != nil {
			t.Fatalf("rebuilt from its parts, %q is %v", v, err)
		}
		if !reflect.DeepEqual(decoded(t, v), decoded(t, again)) {
			t.Fatalf("%q was taken apart as %q", v, again)
		}
		if canonical := Canonical(v); !bytes.Equal(canonical, Canonical(again)) || !bytes.Equal(canonical, Canonical(canonical)) {
			t.Fatalf("%q has two canonical forms", v)
		}
	})
}

// rebuilt takes v apart to the last part and writes it anew.
func rebuilt(v Value) Value {
	switch v.Kind() {
	case '{':
		members := v.Members()
		for i := range members {
			members[i].Value = rebuilt(members[i].Value)
		}
		return Object(members)
	case '[':
		elements := v.Elements()
		for i := range elements {
			elements[i] = rebuilt(elements[i])
		}
		return Array(elements)
	case '"':
		return String(v.Text())
	}
	return v
}

func decoded(t *testing.T, v Value) any {
	dec := json.NewDecoder(bytes.NewReader(v))
	dec.UseNumber()
	var any any
	if err := dec.Decode(&any); err != nil {
		t.Fatalf("%q: %v", v, err)
	}
	return any
}

// FuzzRestored never changes what is not a number, and never panics.
func FuzzRestored(f *testing.F) {
	f.Add([]byte(`{"a":12345678901234567891}`), []byte(`{"a":12345678901234567000}`))
	f.Add([]byte(`[1.0,1.0]`), []byte(`[1,1,1]`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		base, errA := Parse(a)
		v, errB := Parse(b)
		if errA != nil || errB != nil {
			return
		}
		restored := Restored(base, v)
		if !bytes.Equal(javaScript(restored), javaScript(v)) {
			t.Fatalf("%q beside %q became %q", v, base, restored)
		}
	})
}
