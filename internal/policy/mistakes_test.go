package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
)

// inRule puts the keys of a rule, one a line, from line 6 and column 9 on into
// a policy file.
func inRule(keys string) string {
	return "databases: [db]\npolicies:\n  default:\n    rules:\n      - name: r\n        " +
		strings.ReplaceAll(keys, "\n", "\n        ") + "\n"
}

// inCouchdb does the same for the keys of couchdb, from line 3 and column 3 on.
func inCouchdb(keys string) string {
	return "databases: [db]\ncouchdb:\n  " + strings.ReplaceAll(keys, "\n", "\n  ") + "\n"
}

// inPolicies does the same for policies, from line 3 and column 3 on.
func inPolicies(keys string) string {
	return "databases: [db]\npolicies:\n  " + strings.ReplaceAll(keys, "\n", "\n  ") + "\n"
}

func TestEveryMistakeIsToldWithItsPlaceAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // without the file's name
	}{
		// The file as a whole.
		{"", `1:1: the file is empty: want at least databases, such as databases: [medic]`},
		{"# words\n", `1:1: the file is empty: want at least databases, such as databases: [medic]`},
		{"- a\n", `1:1: the policy file is a list: want a mapping with the keys couchdb, databases, policies, alerts`},
		{"databases: [a]\n---\nx: y\n", `3:1: a second YAML document begins here: a policy file holds one`},
		{"policies: {}\n", `1:1: databases is missing: name those that couchmend follows, such as databases: [medic]`},
		{"databases: [a]\ndatabase: b\n", `2:1: unknown key "database" in the policy file: did you mean "databases"?`},
		{"databases: [a]\nzzz: b\n", `2:1: unknown key "zzz" in the policy file: its keys are couchdb, databases, policies, alerts`},
		{"databases: [a]\ndatabases: [b]\n", `2:1: key "databases" stands twice in the policy file: line 1 has it already`},
		{"databases: [a]\n? [x]\n: y\n", `2:3: a key in the policy file is a list: want text`},
		{"databases: &a [*a]\n", `1:1: the file unfolds to more than 100000 values or 64 levels: look for aliases (*name) that repeat each other`},
		{"databases: [a]\n<<: b\n", `2:5: << in the policy file is a single value: want an alias of a mapping, such as <<: *common`},

		// YAML itself.
		{"couchdb:\n  url: x\n databases: y\n", `3:2: not YAML: this line is not indented as its neighbors are`},
		{"databases: [a]\npolicies:\n\tx: y\n", `3:1: not YAML: a tab indents this line: use spaces`},
		{"databases: [%a]\n", `1:13: not YAML: no text can begin with this character: put it into quotes`},
		{"databases: [*]\n", `1:13: not YAML: an alias (*name) without a name: text that begins with * must stand in quotes, such as "**"`},
		{"databases: a: b\n", `1:13: not YAML: no key can stand here: put text that has ": " in it into quotes, and indent a key as its neighbors are`},
		{"databases: [a]\nx: 'abc\n", `2:4: not YAML: a quote that opens here is never closed`},
		{"databases: [a\nx: [b]\n", `1:13: not YAML: a bracket that opens before this is never closed: want ',' or ']'`},
		{"databases: [*b]\n", `1:14: not YAML: unknown anchor 'b' referenced`},
		{"databases: [a\xff]\n", `1:14: not YAML: invalid leading UTF-8 octet`},

		// databases.
		{"databases: medic\n", `1:12: databases is a single value: want a list, such as [medic, "userdb-*"]`},
		{"databases: []\n", `1:12: databases is an empty list: name those that couchmend follows, such as [medic]`},
		{"databases: [[a]]\n", `1:13: an entry of databases is a list: want a mapping with the keys match, policy`},
		{"databases: ['']\n", `1:13: a database is empty: want its name, a glob or {match: medic, policy: reports}`},
		{"databases: [{policy: default}]\n", `1:13: an entry of databases has no match: add the name or glob of the databases, such as match: medic`},
		{"databases: [{mtach: a}]\n", `1:14: unknown key "mtach" in an entry of databases: did you mean "match"?`},
		{"databases: ['user[']\n", `1:13: match "user[" is malformed: a "[" has no "]", or a "\" stands last`},
		{"databases: [{match: a, policy: medik}]\npolicies: {medic: {otherwise: merge}}\n", `1:32: policy "medik" does not exist: did you mean "medic"?`},
		{"databases: [{match: a, policy: x}]\n", `1:32: policy "x" does not exist: add it to policies, or take default`},

		// couchdb.
		{inCouchdb("password: hunter2"), `3:3: "password" in couchdb: no secret stands in a policy file, which is copied and shared: name a file that holds it with password_file, or set COUCHDB_PASSWORD`},
		{inCouchdb("url: ftp://x"), `3:8: url in couchdb is no server's: want http or https, a host and a port, such as "http://127.0.0.1:5984"`},
		{inCouchdb("url: http://u:hunter2@x"), `3:8: url in couchdb holds a user: take it out and name it with username and password_file`},
		{inCouchdb("url: http://x/?a=b"), `3:8: url in couchdb has a query or a fragment: want the server alone`},
		{inCouchdb("url: [a]"), `3:8: url in couchdb is a list: want http or https, a host and a port, such as "http://127.0.0.1:5984"`},
		{inCouchdb("cookie: maybe"), `3:11: cookie in couchdb is "maybe": want true or false`},
		{inCouchdb("username: u\npassword_file: p\ntoken_file: t"), `3:3: couchdb has password_file and token_file: one way to log in is enough, take the others out`},
		{inCouchdb("password_file: p"), `3:3: couchdb has password_file and no username: add it`},
		{inCouchdb("cookie: true\ntoken_file: t"), `3:3: couchdb has cookie and token_file: a session is for user and password`},
		{inCouchdb("client_cert: c"), `3:3: couchdb has only one of client_cert and client_key: want both or neither`},
		{inCouchdb("username: u\nproxy: {secret: hunter2}"), `4:11: "secret" in proxy in couchdb: no secret stands in a policy file, which is copied and shared: name a file that holds it with secret_file`},

		// policies and rules.
		{"databases: [a]\npolicies: [b]\n", `2:11: policies is a list: want a mapping from a policy's name to its rules`},
		{inPolicies("default: {}"), `3:12: policy "default" has no rules: add them, or say otherwise: merge`},
		{inPolicies("default: reports"), `3:12: policy "default" is a single value: want a mapping with the keys rules, otherwise`},
		{inPolicies("a/b: {otherwise: merge}"), `3:3: the name of a policy is "a/b": want 1 to 100 letters without slashes, line ends or spaces around them`},
		{inPolicies("default: {otherwise: revue}"), `3:24: otherwise in policy "default" is "revue": did you mean "review"?`},
		{inPolicies("default: {rules: {name: a}}"), `3:20: rules of policy "default" is a mapping: want a list, such as - name: reports`},
		{inPolicies("default: {rules: [{when: {a: 1}}]}"), `3:21: rule 1 of policy "default" has no name: add one, such as name: reports; the journal and review call it so`},
		{inPolicies("default: {rules: [{name: a, when: {a: 1}},\n{name: a}]}"), `4:3: policy "default" has two rules called "a": line 3 has the other`},
		{inPolicies("default: {rules: [{name: otherwise}]}"), `3:21: a rule can't be called "otherwise": that is what merges where policy "default" says otherwise: merge`},
		{inRule("feilds: {a: union}"), `6:9: unknown key "feilds" in rule "r": did you mean "fields"?`},
		{inRule("softDelete: {}"), `6:9: unknown key "softDelete" in rule "r": did you mean "soft_delete"?`},

		// schema.
		{inRule("schema: none.json"), `6:17: schema in rule "r": failing loading "none.json": no such file or directory`},
		{inRule("schema: ../s.json"), `6:17: schema in rule "r": ../s.json is outside the policy's folder`},
		{inRule("schema: {}"), `6:17: schema in rule "r" is empty: want a file, or {leaves: FILE, merged: FILE}`},
		{inRule("schema: {leafs: s.json}"), `6:18: unknown key "leafs" in schema in rule "r": did you mean "leaves"?`},
		{inRule("schema: [s.json]"), `6:17: schema in rule "r" is a list: want a JSON Schema's file in the policy's folder, such as schemas/report.json`},

		// resolver.
		{inRule("resolver: r.star"), `6:19: resolver in rule "r" is a single value: want what it is written in and where, such as {starlark: resolvers/person.star}`},
		{inRule("resolver: {}"), `6:19: resolver in rule "r" names 0 resolvers: want one, what it is written in and where, such as {starlark: resolvers/person.star}`},
		{inRule("resolver: {starlark: r.star, exec: [a]}"), `6:19: resolver in rule "r" names 2 resolvers: want one, what it is written in and where, such as {starlark: resolvers/person.star}`},
		{inRule("resolver: {pyton: r.py}"), `6:20: unknown key "pyton" in resolver in rule "r": did you mean "python"?`},
		{inRule("resolver: {exec: node}"), `6:26: exec of resolver in rule "r" is a single value: want a list, such as [node, resolve.js]`},
		{inRule("resolver: {exec: []}"), `6:26: exec of resolver in rule "r" is an empty list: want a program and its arguments, such as [node, resolve.js]`},
		{inRule("resolver: {go: dose}"), `6:24: resolver in rule "r": this program brings no resolver called "dose": resolvers in Go are for programs that embed couchmend (mend.Options.Resolvers)`},
		{inRule("resolver: {exec: [a], steps: 5}"), `6:38: steps of resolver in rule "r" means nothing for exec: it is for starlark`},
		{inRule("resolver: {exec: [a], function: f}"), `6:41: function of resolver in rule "r" means nothing for exec: it is for starlark or python`},
		{inRule("resolver: {exec: [a], timeout: 5}"), `6:40: timeout of resolver in rule "r" is "5": want a time such as 500ms or 5s, at most 1m`},
		{inRule("resolver: {exec: [a], timeout: 1h}"), `6:40: timeout of resolver in rule "r" is "1h": want a time such as 500ms or 5s, at most 1m`},
		{inRule("resolver: {exec: [a], memory: lots}"), `6:39: memory of resolver in rule "r" is "lots": want bytes as 4096, "512KiB" or "16MB"`},
		{inRule("resolver: {exec: [a], workers: 0}"), `6:40: workers of resolver in rule "r" is "0": want a whole number from 1 to 64`},

		// clock.
		{inRule("clock: edit_count"), `6:16: clock in rule "r" is a single value: want one kind of clock and its field, such as {lamport: edit_count}`},
		{inRule("clock: {lamprt: a}"), `6:17: unknown key "lamprt" in clock in rule "r": did you mean "lamport"?`},
		{inRule("clock: {lamport: a, vector: b}"), `6:16: clock in rule "r" names 2 clocks: want one kind of clock and its field, such as {lamport: edit_count}`},
		{inRule("clock: {}"), `6:16: clock in rule "r" names 0 clocks: want one kind of clock and its field, such as {lamport: edit_count}`},
		{inRule("clock: {lamport: a..b}"), `6:26: lamport of clock in rule "r" is "a..b": a name in it is empty; a dot that belongs to a name is written "\."`},
		{inRule("clock: {lamport: '*'}"), `6:26: lamport of clock in rule "r" is "*": want the path of one field; * stands only in the patterns of fields`},
		{inRule("clock: {lamport: _rev}"), `6:26: lamport of clock in rule "r" is "_rev": members whose names begin with "_" are CouchDB's own: no rule can merge them`},
		{inRule("clock: {lamport: [a]}"), `6:26: lamport of clock in rule "r" is a list: want a field's path, such as fields.lmp`},

		// fields.
		{inRule("fields: [read]"), `6:17: fields in rule "r" is a list: want a mapping from patterns to strategies, such as {read: union}`},
		{inRule("fields: {read: onion}"), `6:24: the strategy for "read" in fields in rule "r" is "onion": did you mean "union"?`},
		{inRule("fields: {read: newest}"), `6:24: the strategy for "read" in fields in rule "r" is "newest": want union, append, max, min, sum, text, latest, winner or review`},
		{inRule("fields: {read: }"), `6:24: the strategy for "read" in fields in rule "r" is empty: want union, append, max, min, sum, text, latest, winner or review`},
		{inRule("fields: {read: [union]}"), `6:24: the strategy for "read" in fields in rule "r" is a list: want a word such as union, {by_key: id} or {latest: lmp_changed}`},
		{inRule("fields: {tasks: by_key}"), `6:25: the strategy for "tasks" in fields in rule "r" needs the member that tells elements apart: want {by_key: id}`},
		{inRule("fields: {tasks: {by_key: ''}}"), `6:34: by_key of the strategy for "tasks" in fields in rule "r" is empty: want the member that tells elements apart, such as id`},
		{inRule("fields: {tasks: {by_key: id, latest: a}}"), `6:25: the strategy for "tasks" in fields in rule "r" names 2 strategies: want one`},
		{inRule("fields: {a: {resolver: x}}"), `6:32: the resolver for "a" is a single value: want what it is written in and where, such as {starlark: resolvers/person.star}`},
		{inRule("fields: {a: latest}"), `6:21: latest for "a" in fields in rule "r" goes by the rule's clock, and the rule has none: add clock: {lamport: edit_count}, or name a clock beside the value, {latest: lmp_changed}`},
		{inRule("fields: {'**.a': union}"), `6:18: pattern "**.a" in fields in rule "r": ** stands for everything below, so it can only be the last name`},
		{inRule("fields: {'visit*': union}"), `6:18: pattern "visit*" in fields in rule "r": * stands for a whole name; a star that belongs to a name is written "\*"`},
		{inRule("fields: {'a.\\*': union}"), `6:18: pattern "a.\\*" in fields in rule "r": a field whose whole name is * can't be named`},
		{inRule("fields: {'a.': union}"), `6:18: pattern "a." in fields in rule "r": a name in it is empty; a dot that belongs to a name is written "\."`},
		{inRule("fields: {'': union}"), `6:18: pattern "" in fields in rule "r": a name in it is empty; a dot that belongs to a name is written "\."`},
		{inRule("fields: {_attachments: union}"), `6:18: pattern "_attachments" in fields in rule "r": attachments have a key of their own, attachments`},
		{inRule("fields: {a.b: union, 'a.\\b': max}"), `6:30: pattern "a.\\b" stands twice in fields in rule "r"`},

		// The other keys of a rule.
		{inRule("no_base: strategy"), `6:18: no_base in rule "r" is "strategy": did you mean "strategies"?`},
		{inRule("no_base: no"), `6:18: no_base in rule "r" is "no": want review or strategies`},
		{inRule("deletes: edit-wins"), `6:18: deletes in rule "r" is "edit-wins": did you mean "edit_wins"?`},
		{inRule("deletes: {a: b}"), `6:18: deletes in rule "r" is a mapping: want edit_wins, delete_wins or review`},
		{inRule("soft_delete: deleted"), `6:22: soft_delete in rule "r" is a single value: want the field and what wins, such as {field: deleted, wins: delete}`},
		{inRule("soft_delete: {field: deleted}"), `6:22: soft_delete in rule "r" has no wins: want {field: deleted, wins: delete}, edit or review`},
		{inRule("soft_delete: {field: a, wins: nobody}"), `6:39: wins of soft_delete in rule "r" is "nobody": want delete, edit or review`},
		{inRule("attachments: both"), `6:22: attachments in rule "r" is "both": want review, keep_both or winner`},
		{inRule("max_inline: lots"), `6:21: max_inline in rule "r" is "lots": want bytes as 4096, "512KiB" or "16MB"`},
		{inRule("max_inline: 0"), `6:21: max_inline in rule "r" is "0": want 1 byte to 1GiB`},
		{inRule("max_inline: 9999999999GiB"), `6:21: max_inline in rule "r" is "9999999999GiB": want 1 byte to 1GiB`},
		{inRule("max_inline: -1MB"), `6:21: max_inline in rule "r" is "-1MB": want 1 byte to 1GiB`},
		{inRule("identity: name"), `6:19: identity in rule "r" is a single value: want a list, such as [name, date_of_birth]`},
		{inRule("identity: []"), `6:19: identity in rule "r" is an empty list: want the fields that say who or what a document is, such as [name, date_of_birth]`},
		{inRule("identity: [a.*]"), `6:20: a field of identity in rule "r" is "a.*": want the path of one field; * stands only in the patterns of fields`},
		{inRule("references: [a]"), `6:21: references in rule "r" is a list: want a mapping from places to types, such as {fields.patient_id: person}`},
		{inRule("references: {a: [b]}"), `6:25: the document meant by "a" in references in rule "r" is a list: want a type such as person, or a selector such as {type: person}`},
		{inRule("references: {a: {}}"), `6:25: the document meant by "a" in references in rule "r" is every document: want a type such as person, or a selector such as {type: person}`},
		{inRule("references: {a: {type: {$is: b}}}"), `6:33: unknown operator "$is" in the document meant by "a" in references in rule "r": did you mean "$in"?`},
		{inRule("references: {_id: person}"), `6:22: pattern "_id" in references in rule "r": members whose names begin with "_" are CouchDB's own: no rule can merge them`},
		{inRule("collision: splitt"), `6:20: collision in rule "r" is "splitt": did you mean "split"?`},
		{inRule("tombstone: full"), `6:20: tombstone in rule "r" is "full": want bare or all`},
		{inRule("tombstone: {}"), `6:20: tombstone in rule "r" has no keep: want bare, all or {keep: [type, form]}`},
		{inRule("tombstone: {keep: type}"), `6:27: keep of tombstone in rule "r" is "type": want all`},
		{inRule("tombstone: {keep: [a, _id]}"), `6:31: a field to keep is "_id": members whose names begin with "_" are CouchDB's own: no rule can merge them`},

		// when.
		{inRule("when: person"), `6:15: when in rule "r" is a single value: want a Mango selector, such as {type: data_record}`},
		{inRule("when: {a: {$gte: 1, $exits: 3}}"), `6:29: unknown operator "$exits" in when in rule "r": did you mean "$exists"?`},
		{inRule("when: {a: {$where: x}}"), `6:20: unknown operator "$where" in when in rule "r": the operators are $all $allMatch $and $beginsWith $elemMatch $eq $exists $gt $gte $in $keyMapMatch $lt $lte $mod $ne $nin $nor $not $or $regex $size $type`},
		{inRule("when: {$gt: 1}"), `6:16: $gt in when in rule "r" stands without a field: want {field: {$gt: …}}`},
		{inRule("when: {a..b: 1}"), `6:16: field "a..b" in when in rule "r": a name in it is empty; a dot that belongs to a name is written "\\."`},
		{inRule("when: {_rev: 1}"), `6:16: field "_rev" in when in rule "r": of CouchDB's own members only _id can be selected by`},
		{inRule("when: {a: 1, a: 2}"), `6:22: key "a" stands twice in when in rule "r": line 6 has it already`},
		{inRule("when: {$or: {a: 1}}"), `6:21: $or in when in rule "r" is a mapping: want a list, such as [{type: person}, {type: clinic}]`},
		{inRule("when: {$or: []}"), `6:21: $or in when in rule "r" is an empty list, which matches everything: take it out`},
		{inRule("when: {$or: [a]}"), `6:22: $or in when in rule "r" holds what is a single value: want a selector, such as {type: person}`},
		{inRule("when: {$not: {}}"), `6:22: $not in when in rule "r" holds what is an empty selector: want a selector, such as {type: person}`},
		{inRule("when: {a: {$exists: 1}}"), `6:29: $exists in when in rule "r": want true or false`},
		{inRule("when: {a: {$type: text}}"), `6:27: $type in when in rule "r": want null, boolean, number, string, array or object`},
		{inRule("when: {a: {$in: 1}}"), `6:25: $in in when in rule "r" is a single value: want a list, such as [person, clinic]`},
		{inRule("when: {a: {$size: -1}}"), `6:27: $size in when in rule "r": want a number of elements, such as 2`},
		{inRule("when: {a: {$mod: [0, 1]}}"), `6:26: $mod in when in rule "r": want two integers, [divisor, remainder], the divisor not 0`},
		{inRule("when: {a: {$regex: '(?=x)'}}"), "6:28: $regex in when in rule \"r\": want a regular expression of RE2, which has no lookaround and no backreferences: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
		{inRule("when: {a: {$beginsWith: 5}}"), `6:33: $beginsWith in when in rule "r": want text that a string may begin with, such as "report:"`},
		{inRule("when: {a: {$elemMatch: 5}}"), `6:32: $elemMatch in when in rule "r" holds what is a single value: want a selector, such as {type: person}`},
		{inRule("when: {a: 1e999}"), `6:19: 1e999 in when in rule "r" is a number that no CouchDB stores`},
	} {
		_, err := Parse("p.yaml", []byte(c.text), ".", Options{})
		if want := "parse policy: p.yaml:" + c.want; err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\nthe secret stands in the message: %v", c.text, err)
		}
	}
}

func TestAllMistakesAreToldAtOnceInTheOrderOfTheFile(t *testing.T) {
	_, err := Parse("p.yaml", []byte("databases: [{match: a, policy: x}]\ncouchdb: {pasword_file: p}\npolicies: {default: 5}\n"), ".", Options{})
	const want = `parse policy: 3 problems
p.yaml:1:32: policy "x" does not exist: add it to policies, or take default
p.yaml:2:11: unknown key "pasword_file" in couchdb: did you mean "password_file"?
p.yaml:3:21: policy "default" is a single value: want a mapping with the keys rules, otherwise`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 3 || problems[1].Line != 2 || problems[1].Column != 11 {
		t.Errorf("problems can't be had one by one: %v", problems)
	}
	if kind := couchmend.KindOf(err); kind != couchmend.KindUsage {
		t.Errorf("kind is %s", kind)
	}
}

func TestWhatIsProbablyNotMeantIsWarnedOf(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{inRule("when: {a: yes}"), `6:19: warning: yes in when in rule "r" is the text "yes": put it into quotes, or write true, false or a number as JSON does`},
		{inRule("when: {a: 0x10}"), `6:19: warning: 0x10 in when in rule "r" is the text "0x10": put it into quotes, or write true, false or a number as JSON does`},
		{inRule("fields: {a: union, a.b: max}"), `6:28: warning: "a.b" is never reached: "a" takes the whole value there`},
		{inPolicies("default: {rules: [{name: a},\n{name: b, when: {x: 1}}]}"), `4:3: warning: rule "b" is never reached: rule "a" above has no when and takes every document`},
		{inPolicies("default: {rules: [{name: a, when: {x: 1}},\n{name: b, when: {x: 1}}]}"), `4:3: warning: rule "b" is never reached: rule "a" above has the same when`},
		{inPolicies("default: {otherwise: merge}\nmedic: {otherwise: merge}"), `4:3: warning: policy "medic" is not used: no entry of databases names it`},
		{"databases: ['user*', 'userdb-*']\n", `1:22: warning: "userdb-*" is never reached: "user*" above matches the same databases`},
		{"databases: [a, a]\n", `1:16: warning: "a" is never reached: "a" above matches the same databases`},
	} {
		f, err := Parse("p.yaml", []byte(c.text), ".", Options{})
		if err != nil {
			t.Errorf("%s\nis refused: %v", c.text, err)
			continue
		}
		if len(f.Warnings) != 1 || f.Warnings[0].String() != "p.yaml:"+c.want {
			t.Errorf("%s\n got %v\nwant %s", c.text, f.Warnings, c.want)
		}
	}
}

func TestWhatIsMeantIsNotWarnedOf(t *testing.T) {
	for _, text := range []string{
		inRule("when: {a: 'yes', b: \"0x10\", c: true, d: 1.50, e: 2020-01-02, f: ~}"),
		inRule("fields: {tasks: {by_key: id}, tasks.*.state: max, a.**: union, a.b: max}"),
		inPolicies("default: {rules: [{name: a, when: {x: 1}}, {name: b, when: {x: 2}}, {name: c}]}"),
		"databases: [medic, 'user?b-*', 'userdb-*', '*', _users]\n",
	} {
		if f, err := Parse("p.yaml", []byte(text), ".", Options{}); err != nil || len(f.Warnings) > 0 {
			t.Errorf("%s\n%v %v", text, err, f)
		}
	}
}
