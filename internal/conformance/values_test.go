package conformance

// values: what becomes of numbers, strings and keys.
var values = []expectation{
	kept("an integer of 39 digits is kept exact", `{"x":123456789012345678901234567890123456789}`, `"x":123456789012345678901234567890123456789`),
	kept("a negative integer beyond 64 bits is kept exact", `{"x":-98765432109876543210}`, `"x":-98765432109876543210`),
	kept("1.0 stays 1.0", `{"x":1.0}`, `"x":1.0`),
	kept("-0 comes back as 0", `{"x":-0}`, `"x":0`),
	kept("1.10 comes back as 1.1", `{"x":1.10}`, `"x":1.1`),
	kept("1e2 comes back as 100.0", `{"x":1e2}`, `"x":100.0`),
	kept("1e-400 comes back as 0.0", `{"x":1e-400}`, `"x":0.0`),
	kept("the order of keys is kept", `{"z":1,"a":{"y":1,"b":2},"m":3}`, `"z":1,"a":{"y":1,"b":2},"m":3`),
	kept("of duplicate keys the last wins", `{"x":1,"y":2,"x":3}`, `"x":3`),
	kept("unicode is kept as it is, composed or not", "{\"x\":\"\u00e9 e\u0301 \U0001f600\"}", "\"x\":\"\u00e9 e\u0301 \U0001f600\""),
	kept("an empty key and nested empties are kept", `{"":{"a":[],"b":{}}}`, `"":{"a":[],"b":{}}`),
	refused("a number over the largest float", `{"x":1e400}`),
	refused("NaN", `{"x":NaN}`),
	refused("a number with a leading zero", `{"x":01}`),
	refused("a lone surrogate", `{"x":"\ud800"}`),
	refused("invalid UTF-8", "{\"x\":\"\xff\"}"),
	{name: "a document id may have slashes, spaces and any letter", steps: []step{
		{do: "PUT /$db/a%2Fb%20c%C3%A9%3F%2B", body: `{"x":1}`, want: `{"id":"a/b cé?+"}`},
		{do: "GET /$db/a%2Fb%20c%C3%A9%3F%2B", want: `{"_id":"a/b cé?+","x":1}`},
		{do: "POST /$db/_bulk_get", body: `{"docs":[{"id":"a/b cé?+"}]}`, want: `{"results":[{"id":"a/b cé?+","docs":[{"ok":{"x":1}}]}]}`},
	}},
}

// kept says how a body comes back, in a document and in a _bulk_get.
func kept(name, body, comesBack string) expectation {
	return expectation{name: name, steps: []step{
		{do: "PUT /$db/d", body: body, status: 201},
		{do: "GET /$db/d", raw: comesBack},
		{do: "POST /$db/_bulk_get", body: `{"docs":[{"id":"d"}]}`, raw: comesBack},
	}}
}

// refused says that a body is 400, and so is the whole request around it.
func refused(what, body string) expectation {
	return expectation{name: what + " refuses the whole request", steps: []step{
		{do: "PUT /$db/d", body: body, status: 400},
		{do: "POST /$db/_bulk_docs", body: `{"docs":[{"_id":"good"},` + body + `]}`, status: 400},
		{do: "GET /$db/good", status: 404},
	}}
}
