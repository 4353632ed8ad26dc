package triage

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/couch"
)

// replications are those that the server tells of; nil where it doesn't, which
// is noted.
func (g *Gatherer) replications(ctx context.Context) ([]couch.Replication, error) {
	all, err := g.server.Replications(ctx)
	switch couchmend.KindOf(err) {
	case "":
		return append([]couch.Replication{}, all...), nil
	case couchmend.KindForbidden:
		g.note("", "Replications were not looked at: it takes a server admin.", nil)
	case couchmend.KindNotFound, couchmend.KindRefused:
		g.note("", "Replications were not looked at: this server has no scheduler.", nil)
	case couchmend.KindUnreachable, couchmend.KindAuth:
		return nil, err
	default:
		g.note("", "Replications were not looked at.", err)
	}
	return nil, nil
}

// compare puts two looks at replications together. Counts that fell are those
// of a job that began anew.
func (g *Gatherer) compare(first, second []couch.Replication, watched time.Duration) []Replication {
	type key struct{ doc, id, source, target string }
	keyOf := func(r couch.Replication) key {
		if r.DocID != "" {
			return key{doc: r.Database + "/" + r.DocID}
		}
		return key{id: r.ID, source: r.Source, target: r.Target}
	}
	before := map[key]couch.Replication{}
	for _, r := range first {
		before[keyOf(r)] = r
	}
	seen := []Replication{}
	for _, r := range second {
		c := Replication{Replication: r, Watched: watched.Round(time.Millisecond).Seconds(), SourceDB: g.here(r.Source), TargetDB: g.here(r.Target)}
		if was, ok := before[keyOf(r)]; ok && watched > 0 && was.Counted && r.Counted {
			c.Grew = max(0, r.WriteFailures-was.WriteFailures)
		}
		if hidden := func(db string) bool { return db == "" || !g.o.Visible(db) }; c.SourceDB+c.TargetDB != "" && hidden(c.SourceDB) && hidden(c.TargetDB) {
			continue
		}
		seen = append(seen, c)
	}
	slices.SortFunc(seen, func(a, b Replication) int {
		return cmp.Or(cmp.Compare(b.Grew, a.Grew), cmp.Compare(b.WriteFailures, a.WriteFailures), cmp.Compare(b.Errors, a.Errors), cmp.Compare(a.DocID, b.DocID), cmp.Compare(a.ID, b.ID))
	})
	return seen
}

// here is the database that a source or target names, where it is on the server
// that is asked; "" elsewhere. The scheduler makes a URL of a bare name, with
// the address at which the server knows itself: a host of this machine's own, or
// the same host and port, is this server.
func (g *Gatherer) here(place string) string {
	if !strings.Contains(place, "://") {
		return strings.Trim(place, "/")
	}
	if g.server == nil {
		return ""
	}
	u, err := url.Parse(place)
	own, err2 := url.Parse(g.server.URL())
	if err != nil || err2 != nil {
		return ""
	}
	name := strings.Trim(strings.TrimPrefix(u.EscapedPath(), own.EscapedPath()), "/")
	if strings.Contains(name, "/") || !sameHost(u, own) {
		return ""
	}
	plain, err := url.PathUnescape(name)
	if err != nil {
		return ""
	}
	return plain
}

func sameHost(a, b *url.URL) bool {
	local := func(u *url.URL) bool {
		return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
	}
	port := func(u *url.URL) string {
		if u.Port() == "" {
			return map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		return u.Port()
	}
	return (strings.EqualFold(a.Hostname(), b.Hostname()) || local(a) && local(b)) && port(a) == port(b)
}
