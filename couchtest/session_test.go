package couchtest

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"
)

func as(url, login string) string { return strings.Replace(url, "http://", "http://"+login+"@", 1) }

func TestNewDatabaseIsForAdministratorsOnly(t *testing.T) {
	node := NewNode(WithAdmin("root", "secret"))
	node.AddUser("nurse", "pw", "ward")
	s := NewServer(t, node)
	db := node.CreateDB("db")
	put(t, db, "d", "1-a", `{}`)
	url := s.URL + "/db"
	expect(t, "GET", url+"/d", "", 401, `{"error":"unauthorized","reason":"You are not authorized to access this db."}`)
	expect(t, "GET", as(url, "nurse:pw")+"/d", "", 403, `{"error":"forbidden","reason":"You are not allowed to access this db."}`)
	expect(t, "GET", as(url, "root:secret")+"/d", "", 200, `{"_id":"d","_rev":"1-a"}`)
	expect(t, "PUT", as(url, "nurse:pw")+"/_security", `{}`, 403, `{"error":"forbidden","reason":"You are not allowed to access this db."}`)
	expect(t, "PUT", as(url, "root:secret")+"/_security", `{"members":{"roles":["ward"]}}`, 200, `{"ok":true}`)
	expect(t, "GET", as(url, "nurse:pw")+"/d", "", 200, `{"_id":"d","_rev":"1-a"}`)
	expect(t, "PUT", as(url, "nurse:pw")+"/_design/x", `{}`, 403, `{"error":"forbidden","reason":"You are not a db or server admin."}`)
	expect(t, "POST", as(url, "nurse:pw")+"/_compact", `{}`, 403, `{"error":"forbidden","reason":"You are not a db or server admin."}`)
	expect(t, "GET", s.URL+"/_all_dbs", "", 401, `{"error":"unauthorized","reason":"You are not a server admin."}`)
	expect(t, "GET", as(s.URL, "nurse:pw")+"/_db_updates", "", 401, `{"error":"unauthorized","reason":"You are not a server admin."}`)
	expect(t, "PUT", as(url, "root:secret")+"/_security", `{"members":{"roles":["x"]},"admins":{"names":["nurse"]}}`, 200, `{"ok":true}`)
	expect(t, "POST", as(url, "nurse:pw")+"/_compact", `{}`, 202, `{"ok":true}`)
}

func TestFiveWrongPasswordsLockTheAccountForFiveMinutes(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	node := NewNode(WithAdmin("root", "secret"), WithClock(func() time.Time { return now }))
	s := NewServer(t, node)
	for range 5 {
		expect(t, "GET", as(s.URL, "root:guess")+"/_all_dbs", "", 401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`)
	}
	locked := `{"error":"forbidden","reason":"Account is temporarily locked due to multiple authentication failures"}`
	expect(t, "GET", as(s.URL, "root:secret")+"/_all_dbs", "", 403, locked)
	now = now.Add(4 * time.Minute)
	expect(t, "GET", as(s.URL, "root:secret")+"/_all_dbs", "", 403, locked)
	now = now.Add(time.Minute)
	expect(t, "GET", as(s.URL, "root:secret")+"/_all_dbs", "", 200, `[]`)
}

func TestSessionLastsTenMinutes(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	node := NewNode(WithAdmin("root", "secret"), WithClock(func() time.Time { return now }))
	node.AddUser("nurse", "pw", "ward")
	s := NewServer(t, node)
	jar, _ := cookiejar.New(nil)
	http.DefaultClient.Jar = jar
	defer func() { http.DefaultClient.Jar = nil }()
	expect(t, "POST", s.URL+"/_session", `{"name":"nurse","password":"no"}`, 401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`)
	expect(t, "POST", s.URL+"/_session", `{"name":"nurse","password":"pw"}`, 200, `{"ok":true,"name":"nurse","roles":["ward"]}`)
	expect(t, "GET", s.URL+"/_session", "", 200,
		`{"ok":true,"userCtx":{"name":"nurse","roles":["ward"]},"info":{"authentication_handlers":["cookie","default"],"authenticated":"cookie"}}`)
	nobody := `{"ok":true,"userCtx":{"name":null,"roles":[]},"info":{"authentication_handlers":["cookie","default"]}}`
	now = now.Add(sessionLife)
	expect(t, "GET", s.URL+"/_session", "", 200, nobody)
	expect(t, "POST", s.URL+"/_session", `{"name":"nurse","password":"pw"}`, 200, `{"ok":true,"name":"nurse","roles":["ward"]}`)
	expect(t, "DELETE", s.URL+"/_session", "", 200, `{"ok":true}`)
	expect(t, "GET", s.URL+"/_session", "", 200, nobody)
}

func TestForgedCookieIsNobodys(t *testing.T) {
	node := NewNode(WithAdmin("root", "secret"))
	other := NewNode(WithAdmin("root", "secret"))
	for _, cookie := range []string{"", "x", "cm9vdA", other.cookie("root"), node.cookie("stranger"), node.cookie("root")[1:]} {
		if u := node.readCookie(cookie); u.Name != "" {
			t.Errorf("%q is %s's", cookie, u.Name)
		}
	}
	if u := node.readCookie(node.cookie("root")); u.Name != "root" || !u.isServerAdmin() {
		t.Errorf("a good cookie is %+v", u)
	}
}

func TestRequestIDIsEchoedWhenCouchDBWouldTakeIt(t *testing.T) {
	s := NewServer(t, NewNode())
	for id, taken := range map[string]bool{
		"0af7651916cd43dd8448eb211c80319c": true, "a_B-9": true, "": false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": false, "a b": false,
	} {
		r, _ := http.NewRequest("GET", s.URL+"/_up", nil)
		r.Header.Set("X-Couch-Request-ID", id)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := answer.Header.Get("X-Couch-Request-ID"); got == "" || (got == id) != taken {
			t.Errorf("%q is answered with %q", id, got)
		}
	}
}
