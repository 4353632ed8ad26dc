package policy

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/jsondoc"
	"github.com/couchmend/couchmend/internal/merge"
)

func mustParse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("p.yaml", []byte(text), "/etc/couchmend", Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// theRule returns the only rule of a file made by inRule.
func theRule(t *testing.T, keys string) Rule {
	t.Helper()
	return mustParse(t, inRule(keys)).Policies[DefaultName].Rules[0]
}

func TestARuleSaysWhatItsKeysSay(t *testing.T) {
	rule := theRule(t, `when: { type: data_record }
clock: { vector: meta.clock }
fields:
  read: union
  log: append
  a.b: max
  a\.b: min
  fields.visits: sum
  note: text
  by: winner
  secret: review
  tasks: { by_key: id }
  tasks.*.state: latest
  fields.lmp: { latest: fields.lmp_changed }
  "**": latest
no_base: strategies
deletes: delete_wins
soft_delete: { field: deleted, wins: edit }
attachments: keep_both
max_inline: 512KiB
collision: merge
tombstone: { keep: [type, fields.form] }`)
	plain := func(pattern string, kind merge.StrategyKind) merge.Field {
		return merge.Field{Pattern: merge.ParsePath(pattern), Strategy: merge.Strategy{Kind: kind}}
	}
	want := merge.Rule{
		Name:  "default/r",
		Clock: merge.Clock{Kind: merge.Vector, Path: merge.Path{"meta", "clock"}},
		Fields: []merge.Field{
			plain("read", merge.Union), plain("log", merge.Append), plain("a.b", merge.Max), plain(`a\.b`, merge.Min),
			plain("fields.visits", merge.Sum), plain("note", merge.Text), plain("by", merge.Winner), plain("secret", merge.ReviewIt),
			{Pattern: merge.Path{"tasks"}, Strategy: merge.Strategy{Kind: merge.ByKey, Key: "id"}},
			plain("tasks.*.state", merge.Latest),
			{Pattern: merge.Path{"fields", "lmp"}, Strategy: merge.Strategy{Kind: merge.Latest, Beside: merge.Path{"fields", "lmp_changed"}}},
			plain("**", merge.Latest),
		},
		NoBase:      merge.NoBaseStrategies,
		Deletes:     merge.DeleteWins,
		SoftDelete:  &merge.SoftDelete{Field: merge.Path{"deleted"}, Wins: merge.SoftEditStands},
		Attachments: merge.AttachmentsKeepBoth,
		MaxInline:   512 << 10,
		Collision:   merge.CollisionMerge,
		Tombstone:   merge.Tombstone{Keep: []merge.Path{{"type"}, {"fields", "form"}}},
	}
	if !reflect.DeepEqual(rule.Rule, want) {
		t.Errorf("got  %+v\nwant %+v", rule.Rule, want)
	}
	if got := rule.When.String(); got != `{"type":"data_record"}` {
		t.Errorf("when is %s", got)
	}
}

func TestTheDefaultsOfARuleAreItsZeroValue(t *testing.T) {
	got := theRule(t, `no_base: review
deletes: edit_wins
attachments: review
collision: review
tombstone: bare
when: {}
fields: {}`)
	if want := (Rule{Rule: merge.Rule{Name: "default/r"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestSizesAreDecimalOrBinaryByTheirUnit(t *testing.T) {
	for text, want := range map[string]int64{
		"4096": 4096, "7B": 7, "2KB": 2000, "2KiB": 2048, "16MB": 16_000_000, `"16 MiB"`: 16 << 20, "1GB": 1e9, "1GiB": 1 << 30,
	} {
		if got := theRule(t, "max_inline: "+text).MaxInline; got != want {
			t.Errorf("%s is %d bytes, want %d", text, got, want)
		}
	}
}

func TestTombstonesKeepNothingOrAllOrSomeFields(t *testing.T) {
	for text, want := range map[string]merge.Tombstone{
		"bare": {}, "all": {KeepAll: true}, "{keep: all}": {KeepAll: true}, `{keep: [a, b\.c]}`: {Keep: []merge.Path{{"a"}, {"b.c"}}},
	} {
		if got := theRule(t, "tombstone: "+text).Tombstone; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v", text, got)
		}
	}
}

func TestTheFirstGlobThatMatchesGivesADatabaseItsPolicy(t *testing.T) {
	f := mustParse(t, `
databases:
  - medic
  - { match: "userdb-*", policy: users }
  - { match: "team/*", policy: users }
  - { match: "?[0-9]", policy: users }
  - { match: _users, policy: users }
  - { match: "*x", policy: users }
policies: { users: { otherwise: merge } }
`)
	for db, want := range map[string]string{
		"medic": "builtin", "medic2": "", "userdb-": "users", "userdb-61/62": "users", "team/a/b": "users", "team": "",
		"a1": "users", "/1": "users", "a": "", "_users": "users", "_x": "", "ax": "users", "": "",
	} {
		got := ""
		if p := f.For(db); p != nil {
			got = p.Name
		}
		if got != want {
			t.Errorf("database %q has policy %q, want %q", db, got, want)
		}
	}
}

func TestDatabasesOfCouchDBItselfMatchOnlyWhenNamed(t *testing.T) {
	f := mustParse(t, `databases: ["*", "?users", "[_]users", "_repl*"]`)
	if f.For("_users") != nil {
		t.Error("a wildcard matched _users")
	}
	if f.For("_replicator") == nil {
		t.Error("_repl* names _replicator")
	}
}

func TestTheFirstRuleWhoseWhenMatchesIsSelected(t *testing.T) {
	p := mustParse(t, `
databases: [db]
policies:
  default:
    rules:
      - { name: reports, when: { type: data_record } }
      - { name: marks, when: { _id: { $beginsWith: "read:" } } }
      - { name: deep, when: { a.b: 1 } }
`).For("db")
	for _, c := range []struct{ doc, id, want string }{
		{`{"type":"data_record","a":{"b":1}}`, "x", "default/reports"},
		{`{"a":{"b":1.0}}`, "x", "default/deep"},
		{`{}`, "read:1", "default/marks"},
		{`{ }`, "x", ""},
	} {
		got := ""
		if rule := p.Select(jsondoc.MustParse(c.doc), c.id); rule != nil {
			got = rule.Name
		}
		if got != c.want {
			t.Errorf("%s called %q selects %q, want %q", c.doc, c.id, got, c.want)
		}
	}
}

func TestOtherwiseMergeTakesWhatNoRuleSelects(t *testing.T) {
	p := mustParse(t, inPolicies("default: { rules: [{ name: a, when: { type: a } }], otherwise: merge }")).For("db")
	first, second := p.Select(jsondoc.MustParse(`{"type":"b"}`), "x"), p.Select(jsondoc.MustParse(`{}`), "y")
	if first == nil || first.Name != "default/otherwise" || first != second {
		t.Errorf("selected %v and %v", first, second)
	}
	if p.Otherwise != OtherwiseMerge {
		t.Errorf("otherwise is %q", p.Otherwise)
	}
}

func TestTheBuiltinPolicyHasOneRuleForEverythingAndNoStrategy(t *testing.T) {
	p := Builtin()
	rule := p.Select(jsondoc.MustParse(`{"type":"x"}`), "x")
	if rule == nil || !reflect.DeepEqual(*rule, merge.Rule{Name: "builtin"}) {
		t.Errorf("rule is %+v", rule)
	}
}

func TestADefaultPolicyOfTheFileReplacesTheBuiltinOne(t *testing.T) {
	f := mustParse(t, inPolicies("default: { rules: [{ name: a }] }"))
	if got := f.For("db").Rules[0].Name; got != "default/a" {
		t.Errorf("rule is %s", got)
	}
}

func TestTheServerIsReadAndItsFilesStartBesideThePolicy(t *testing.T) {
	f := mustParse(t, inCouchdb(`url: https://couch.example:6984/prefix
username: mender
password_file: secrets/couch
cookie: true
client_cert: /run/cert.pem
client_key: ../key.pem
ca_file: ca.pem`))
	want := Server{
		URL: "https://couch.example:6984/prefix", Username: "mender", PasswordFile: "/etc/couchmend/secrets/couch", Cookie: true,
		ClientCert: "/run/cert.pem", ClientKey: "/etc/key.pem", CAFile: "/etc/couchmend/ca.pem",
	}
	if !reflect.DeepEqual(f.Server, want) {
		t.Errorf("got %+v", f.Server)
	}
	f = mustParse(t, inCouchdb("username: mender\nproxy: { roles: [_admin, b], secret_file: s }"))
	if want := (&Proxy{Roles: []string{"_admin", "b"}, SecretFile: "/etc/couchmend/s"}); !reflect.DeepEqual(f.Server.Proxy, want) {
		t.Errorf("proxy is %+v", f.Server.Proxy)
	}
}

func TestASecretIsItsFileWithoutTheLineEnd(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ content, secret, fault string }{
		{"hunter2\n", "hunter2", ""},
		{"hunter2\r\n", "hunter2", ""},
		{" hunter2 ", " hunter2 ", ""},
		{"\n", "", "is empty"},
		{"hunter2\nhunter3\n", "", "holds more than one line"},
		{strings.Repeat("hunter2", 10_000), "", "is larger than 65536 bytes"},
	} {
		path := filepath.Join(dir, "secret")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		secret, err := ReadSecret(path)
		switch {
		case c.fault == "" && (err != nil || secret != c.secret):
			t.Errorf("%.20q is %q, %v", c.content, secret, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault) || strings.Contains(err.Error(), "hunter")):
			t.Errorf("%.20q is refused with %v, want %s", c.content, err, c.fault)
		}
	}
	if _, err := ReadSecret(filepath.Join(dir, "none")); couchmend.KindOf(err) != couchmend.KindUsage {
		t.Errorf("a missing secret is %v", err)
	}
}

func TestLoadNamesTheFileThatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "couchmend.yaml")
	_, err := Load(path, Options{})
	if couchmend.KindOf(err) != couchmend.KindUsage || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file is %v", err)
	}
	big := make([]byte, MaxText+1)
	if err := os.WriteFile(path, big, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(path, Options{})
	if want := path + ":1:1: the file is larger than 1048576 bytes: not a policy"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := Load(dir, Options{}); couchmend.KindOf(err) != couchmend.KindUsage {
		t.Errorf("a directory is %v", err)
	}
}

func TestTheDigestChangesWithTheTextAlone(t *testing.T) {
	a, b := mustParse(t, "databases: [a]\n"), mustParse(t, "databases: [a] # the same\n")
	if a.Digest == b.Digest || a.Digest != mustParse(t, "databases: [a]\n").Digest || len(a.Digest) != 64 {
		t.Errorf("digests are %s and %s", a.Digest, b.Digest)
	}
}

func TestARuleDescribesItselfInWords(t *testing.T) {
	for keys, want := range map[string]string{
		"deletes: edit_wins": "default/r: every document: other fields: changes on one side are taken, overlapping ones reviewed",
		"when: { type: a }\nclock: { lamport: n }\nfields: { read: union, tasks: { by_key: id }, lmp: { latest: lmp_at }, '**': latest }\ndeletes: review\nsoft_delete: { field: gone, wins: delete }\ntombstone: all\nno_base: strategies\nmax_inline: 1KB\nattachments: winner\ncollision: merge\nidentity: [name, born.on]\nreferences: { contact._id: person, seen: { kind: a } }": `default/r: documents with {"type":"a"}: the document's clock is n (lamport); read by union; tasks by the key id; ` +
			"lmp by latest (lmp_at); ** by latest (n); without a base the strategies are used all the same, except sum, append and text; " +
			"a deletion beside an edit is reviewed; a soft deletion (gone) wins over an edit; of an attachment changed on two sides the winner's is kept; " +
			"attachments over 1000 bytes are reviewed; two roots are one thing created twice, and merged; equal name, born.on mean one thing; contact._id names person; seen names {\"kind\":\"a\"}; tombstones keep the whole body",
	} {
		if got := theRule(t, keys).String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", keys, got, want)
		}
	}
}

func TestAReferencesTargetIsAnyDocumentOfItsTypeOrSelector(t *testing.T) {
	rule := theRule(t, "references: { fields.patient_id: person, 'contacts.*._id': { type: clinic }, '**': place }")
	for _, c := range []struct{ at, means, is, isNot string }{
		{"fields.patient_id", "person", `{"type":"contact","contact_type":"person"}`, `{"type":"contact"}`},
		{"contacts.2._id", `{"type":"clinic"}`, `{"type":"clinic"}`, `{"kind":"clinic"}`},
		{"seen.0", "place", `{"type":"place"}`, `{"places":"place"}`},
	} {
		target := rule.TargetAt(merge.ParsePath(c.at))
		if target == nil || target.Means != c.means || !target.Match("x", jsondoc.MustParse(c.is)) || target.Match("x", jsondoc.MustParse(c.isNot)) {
			t.Errorf("%s: %+v", c.at, target)
		}
	}
	plain := theRule(t, "references: { a: person }")
	if plain.TargetAt(merge.ParsePath("b")) != nil {
		t.Error("a place that no pattern matches has a target")
	}
}
