package console

import "slices"

// route is one thing that can be asked for.
type route struct {
	pattern string // http.ServeMux's
	serve   func(*visit) error
	open    bool  // needs no sign-in: served without a person
	signs   bool  // signs in or out: allowed in the read-only mode
	reads   bool  // a POST that writes nothing, but takes long: allowed there, too
	body    int64 // bytes of a request's body at most; 0 is defaultBody
}

// defaultBody bounds a request's body where its route says nothing else. A
// document's form is larger: CouchDB takes 8,000,000 bytes.
const defaultBody = 1 << 20

// routes are all there are, a line a page.
func routes() []route {
	return slices.Concat(
		staticRoutes(),
		signInRoutes(),
		overviewRoutes(),
		casesRoutes(),
		bulkRoutes(),
		documentRoutes(),
		liveRoutes(),
		splitRoutes(),
		splitsRoutes(),
		splitAPIRoutes(),
		triageRoutes(),
		historyRoutes(),
		policiesRoutes(),
		pauseRoutes(),
	)
}
