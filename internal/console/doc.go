// Package console is couchmend's web console, and the HTTP API behind it: an
// http.Handler for the people on duty.
//
// # How a request is answered
//
//	guard.go    may anybody ask this: host, origin, read-only, size
//	session.go  who asks: a session, or Basic, or nobody where CouchDB lets everybody in
//	visit.go    one request of one person: what a page is given
//	<page>.go   reads what the page shows, with that person's rights
//	render.go   templates/layout.html around templates/<page>.html
//
// Everything that a page shows comes from two places. The board
// (internal/board) knows what is going on: it is read from couchmend's own
// state, for everybody, so each of its queries is given person.sight, which says
// what this person may know of. Documents come from CouchDB by the person's own
// couch.Server, which CouchDB refuses what the person may not see; and they are
// written by the person's own mender.Mender, so that CouchDB checks the rights
// and the journal has the name. couchmend's own login serves nobody here.
//
// # How a page is added
//
// A page is one file and one template. The file has a list of routes, which
// routes.go names, and a method of *visit for each:
//
//	func historyRoutes() []route {
//		return []route{
//			{pattern: "GET /history", serve: (*visit).history},
//			{pattern: "POST /undo", serve: (*visit).undo},
//		}
//	}
//
//	func (v *visit) history() error {
//		db := v.r.FormValue("db")
//		if err := v.see(db); err != nil { // no rights: no such database
//			return err
//		}
//		…
//		return v.render("history", page{Title: "History", Data: historyPage{…}})
//	}
//
// The template history.html defines "main", and sees the page: .Data is the
// page's own, the rest (.Person, .CSRF, .ReadOnly, .Pauses…) is every page's. A
// form that writes is method="post", has {{template "csrf" .}} inside, and names
// the leaves that it is about in hidden fields (I3). A GET never writes.
// After a POST the visit goes on with v.redirect, and v.say tells on the next
// page what was done. An error that is returned becomes an error page by its
// couchmend.Kind, or {"error", "kind"} under /api/.
//
// What a page shows and does, the API does, too: routes under /api/v1/ that answer
// with v.json, read with v.body, and stand in docs/api/openapi.yaml (a test says so).
//
// A document is named by ?db=…&id=… (documentLink in words.go): ids may hold anything,
// "../" too, and a path would be tidied by everything on the way.
//
// Scripts and styles are files under static/, named by a page in its "head"
// block. There are none inline: the Content-Security-Policy forbids it. A page
// must work without scripts. An element with an id and data-live is fetched
// anew when the board changes what it shows (static/console.js).
//
// # Rules
//
//   - html/template escapes what documents hold. No template.HTML is made of it.
//   - A database that a person may not read does not exist for that person: not
//     in a list, a count, a chart, an event or an error (v.see, v.sight).
//   - Whatever writes goes by POST, and so through the guard: a token of the
//     session (CSRF), the browser's word where the request comes from, and the
//     read-only mode.
//   - Passwords are sent to CouchDB once and kept nowhere. CouchDB's cookie
//     stays on the server; the browser has a random number that names it.
package console
