package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/couchmend/couchmend/internal/ledger"
)

//go:embed templates
var templateFiles embed.FS

// page is what every template sees. A page gives Title, Nav and Data; render
// adds the rest.
type page struct {
	Title string
	Nav   string // which of the navigation's entries it belongs to: its path
	Data  any

	Menu     []entry
	Person   string // "" where nobody has signed in yet
	SignedIn bool   // there is somebody to sign out
	CSRF     string
	ReadOnly bool
	Pauses   []ledger.Pause // in force, of what the person may see
	Said     []string       // what was done by the last request
	Path     string
	Since    uint64 // what of the board's changes it shows at least
	Method   string // of the request that it answers
	Version  string
}

// entry is one of the navigation's.
type entry struct{ Path, Name string }

// menu is the navigation, in order. A page that has a place in it is named here.
var menu = []entry{
	{"/", "Overview"},
	{"/cases", "Conflicts"},
	{"/splits", "Collisions"},
	{"/triage", "Triage"},
	{"/history", "History"},
	{"/policies", "Policies"},
	{"/pause", "Pause"},
}

// parsePages reads templates/: layout.html and parts.html go with every page.
func parsePages() (map[string]*template.Template, error) {
	common, err := template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		own, err := common.Clone()
		if err == nil {
			_, err = own.ParseFS(templateFiles, file)
		}
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		pages[name] = own
	}
	return pages, nil
}

// render answers with a page.
func (v *visit) render(name string, p page) error { return v.renderStatus(http.StatusOK, name, p) }

// renderStatus is render with another status. Nothing is sent if the template
// fails.
func (v *visit) renderStatus(status int, name string, p page) error {
	p.Menu, p.ReadOnly, p.Path, p.Method, p.Version = menu, v.ReadOnly, v.r.URL.RequestURI(), v.r.Method, v.Version
	if v.person != nil {
		p.Person = v.person.Name()
		p.SignedIn = v.who().Name != ""
		pauses, err := v.pausesSeen(v.r.Context(), v.Ledger)
		if err != nil && name != "error" {
			return err
		}
		p.Pauses = pauses
	}
	if v.session != nil {
		p.CSRF = v.session.csrf
		if v.r.Header.Get(freshHeader) == "" {
			p.Said = v.session.hear()
		}
	}
	var out bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&out, "layout", p); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(out.Bytes()) // the client has gone: nobody to tell
	return nil
}

// freshHeader is in the requests by which a page brings itself up to date: it
// is not the person who asks, so what is said once is not said to it.
const freshHeader = "X-Couchmend-Fresh"
