package conformance

// The bytes "one" and "two" in base64, of a type that no server compresses.
const (
	one = `{"content_type":"image/x","data":"b25l"}`
	two = `{"content_type":"image/x","data":"dHdv"}`

	oneStub = `{"stub":true,"revpos":1,"content_type":"image/x","length":3,"digest":"md5-+XxdKZQb+xsv2rCHSQargg=="}`
)

// branched is a document whose leaf @2c has the attachment n (one, revpos 2)
// and whose leaf @2b has n too, with other bytes (two, revpos 2), and m.
var branched = step{do: "POST /$db/_bulk_docs", status: 201, want: `[]`, body: replicated(
	graft("d", "@1a", ``),
	graft("d", "@2b @1a", `"_attachments":{
		"n":{"content_type":"image/x","revpos":2,"data":"dHdv"},"m":{"content_type":"image/x","revpos":2,"data":"c2l4"}}`),
	graft("d", "@2c @1a", `"_attachments":{"n":{"content_type":"image/x","revpos":2,"data":"b25l"}}`),
)}

// attachments: what may be sent as a stub, and whose bytes it then means.
var attachments = []expectation{
	{name: "an attachment comes back as a stub with its revpos, length and MD5 digest", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"n":` + one + `}}`},
		{do: "GET /$db/d", want: `{"_attachments":{"n":{"stub":true,"revpos":1,"length":3,"content_type":"image/x","digest":"md5-+XxdKZQb+xsv2rCHSQargg==","data":"$absent"}}}`},
		{do: "GET /$db/d?attachments=true", want: `{"_attachments":{"n":{"data":"b25l","revpos":1,"stub":"$absent"}}}`},
		{do: "GET /$db/d/n", raw: "one", header: "Content-Type: image/x"},
		{do: "GET /$db/d/none", status: 404},
	}},
	{name: "an attachment's bytes of any revision can be read", steps: []step{
		branched,
		{do: "GET /$db/d/n", raw: "one"},
		{do: "GET /$db/d/n?rev=@2b", raw: "two"},
		{do: "GET /$db/d/m?rev=@2b", raw: "six"},
		{do: "GET /$db/d/m", status: 404},
	}},
	{name: "bytes that are no base64 are refused", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"n":{"content_type":"image/x","data":"%%%"}}}`, status: 400},
	}},
	{name: "a child keeps an attachment by a bare stub", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"n":` + one + `}}`, want: `{"rev":"$r1"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r1","x":1,"_attachments":{"n":{"stub":true}}}`, status: 201},
		{do: "GET /$db/d/n", raw: "one"},
	}},
	{name: "a child keeps an attachment by its stub, and it keeps its revpos", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"n":` + one + `}}`, want: `{"rev":"$r1"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r1","x":1,"_attachments":{"n":` + oneStub + `}}`, want: `{"rev":"$r2"}`},
		{do: "GET /$db/d?attachments=true", want: `{"x":1,"_attachments":{"n":{"data":"b25l","revpos":1,"content_type":"image/x"}}}`},
	}},
	{name: "a child that leaves _attachments out drops them all", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"n":` + one + `}}`, want: `{"rev":"$r1"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r1","x":1}`, want: `{"rev":"$r2"}`},
		{do: "GET /$db/d", want: `{"x":1,"_attachments":"$absent"}`},
		{do: "GET /$db/d/n", status: 404},
	}},
	{name: "a child that lists some stubs drops the others", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"n":` + one + `,"m":` + two + `}}`, want: `{"rev":"$r1"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r1","_attachments":{"n":` + oneStub + `}}`},
		{do: "GET /$db/d", want: `{"_attachments":{"n":{"revpos":1},"m":"$absent"}}`},
	}},
	{name: "an attachment that is sent again has the revpos of the new revision", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"n":` + one + `}}`, want: `{"rev":"$r1"}`},
		{do: "PUT /$db/d", body: `{"_rev":"$r1","_attachments":{"n":` + two + `}}`},
		{do: "GET /$db/d?attachments=true", want: `{"_attachments":{"n":{"data":"dHdv","revpos":2}}}`},
	}},
	{name: "a stub that only another branch has is refused with 412", steps: []step{
		branched,
		{do: "PUT /$db/d", body: `{"_rev":"@2c","_attachments":{"n":{"stub":true},"m":{"stub":true,"revpos":2,"content_type":"image/x","length":3}}}`,
			status: 412, want: `{"error":"missing_stub"}`},
	}},
	{name: "another branch's stub of the same name and revpos silently keeps this branch's bytes", steps: []step{
		branched,
		{do: "PUT /$db/d", body: `{"_rev":"@2c","_attachments":{"n":{"stub":true,"revpos":2,"content_type":"image/x","length":3,"digest":"md5-uKnt/1zZSGhwkNcbM3oNiw=="}}}`, status: 201},
		{do: "GET /$db/d/n", raw: "one"},
	}},
	{name: "another branch's attachment is carried over by its bytes", steps: []step{
		branched,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3a @2c @1a",
			`"_attachments":{"n":{"stub":true,"revpos":2,"content_type":"image/x","length":3,"digest":"md5-+XxdKZQb+xsv2rCHSQargg=="},"m":{"content_type":"image/x","revpos":3,"data":"c2l4"}}`)), want: `[]`},
		{do: "GET /$db/d?attachments=true", want: `{"_rev":"@3a","_attachments":{"n":{"data":"b25l","revpos":2},"m":{"data":"c2l4","revpos":3}}}`},
	}},
	{name: "with new_edits=false inline bytes without a revpos get revpos 0", steps: []step{
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@2b @1a", `"_attachments":{"n":`+one+`}`)), want: `[]`},
		{do: "GET /$db/d", want: `{"_attachments":{"n":{"revpos":0}}}`},
	}},
	{name: "with new_edits=false a stub must give the revpos that its own branch shows", steps: []step{
		branched,
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3a @2c @1a", `"_attachments":{"n":{"stub":true,"revpos":1}}`)),
			status: 412, want: `{"error":"missing_stub"}`},
		{do: "POST /$db/_bulk_docs", body: replicated(graft("d", "@3a @2c @1a", `"_attachments":{"n":{"stub":true,"revpos":2}}`)), want: `[]`},
		{do: "GET /$db/d/n", raw: "one"},
	}},
	{name: "a compressible attachment's digest is that of its compressed bytes", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"n":{"content_type":"text/plain","data":"YS50eHQ="}}}`},
		{do: "GET /$db/d", want: `{"_attachments":{"n":{"digest":"md5-uwdYoaaVh0ZDE888BdetDQ==","length":5}}}`},
		{do: "GET /$db/d/n", raw: "a.txt"},
	}},
	{name: "an attachment may be put and deleted by its own URL", steps: []step{
		{do: "PUT /$db/d/n", as: "image/x", body: "one", status: 201, want: `{"ok":true,"id":"d","rev":"$r1"}`},
		{do: "PUT /$db/d/n?rev=$r1", as: "image/x", body: "two", status: 201, want: `{"rev":"$r2"}`},
		{do: "GET /$db/d/n", raw: "two"},
		{do: "PUT /$db/d/n?rev=$r1", as: "image/x", body: "six", status: 409},
		{do: "DELETE /$db/d/n?rev=$r2", want: `{"ok":true,"rev":"$r3"}`},
		{do: "GET /$db/d", want: `{"_rev":"$r3","_attachments":"$absent"}`},
	}},
	{name: "an attachment's name may have slashes and spaces", steps: []step{
		{do: "PUT /$db/d", body: `{"_attachments":{"a/b c":` + one + `}}`},
		{do: "GET /$db/d/a%2Fb%20c", raw: "one"},
		{do: "GET /$db/d/a/b%20c", raw: "one"},
	}},
	{name: "attachments replicate with their bytes and revpos", steps: []step{
		branched,
		{do: "REPLICATE $db $other"},
		{do: "GET /$other/d?attachments=true", want: `{"_rev":"@2c","_attachments":{"n":{"data":"b25l","revpos":2}}}`},
		{do: "GET /$other/d?rev=@2b&attachments=true", want: `{"_attachments":{"n":{"data":"dHdv","revpos":2},"m":{"data":"c2l4","revpos":2}}}`},
	}},
}
