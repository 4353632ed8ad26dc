package console

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/triage"
)

func triageRoutes() []route {
	return []route{
		{pattern: "GET /triage", serve: (*visit).showTriage},
		{pattern: "POST /triage", serve: (*visit).gatherEvidence, reads: true},
		{pattern: "POST /triage/bundle", serve: (*visit).triageBundle, reads: true},
		{pattern: "GET /api/v1/triage", serve: (*visit).apiTriage},
		{pattern: "GET /api/v1/triage/progress", serve: (*visit).apiTriageProgress},
		{pattern: "POST /api/v1/triage", serve: (*visit).apiGather, reads: true},
		{pattern: "POST /api/v1/triage/bundle", serve: (*visit).triageBundle, reads: true},
	}
}

const (
	defaultHours = 24
	maxHours     = 31 * 24
)

// triageLook is the evidence of one person, as far as it is gathered.
type triageLook struct {
	Gathering bool           `json:"gathering"`
	Searched  []searched     `json:"searched,omitempty"` // the database that is looked into
	Hours     int            `json:"hours"`              // of journal that were asked for
	Report    *triage.Report `json:"report,omitempty"`
	Error     string         `json:"error,omitempty"`
	State     string         `json:"state"` // progress.js compares it
}

// lookAtTriage returns what there is for the person. A report of databases that
// the person sees no longer, or of a server admin who is none any more, is
// forgotten.
func (v *visit) lookAtTriage(ctx context.Context) (triageLook, error) {
	g := v.triages.look(v.Name())
	if g.cancel != nil {
		visible, err := v.sight(ctx, g.asked.databases)
		if err != nil {
			return triageLook{}, err
		}
		if g.asked.admin && !v.Admin() || slices.ContainsFunc(g.asked.databases, func(db string) bool { return !visible(db) }) {
			v.triages.drop(v.Name())
			g = gathering{err: refuse(couchmend.KindOther, "your rights have changed since the evidence was gathered")}
		}
	}
	l := triageLook{Gathering: g.busy, Searched: g.searched, Report: g.report, Hours: cmp.Or(g.asked.hours, defaultHours), State: fmt.Sprint(g.busy, " ", g.begun.UnixNano())}
	if g.err != nil {
		l.Error = words(g.err)
	}
	return l, nil
}

// gather begins to gather evidence, with the person's rights.
func (v *visit) gather(hours int) error {
	if hours < 1 || hours > maxHours {
		return refuse(couchmend.KindUsage, fmt.Sprintf("want 1 to %d hours", maxHours))
	}
	ctx := v.r.Context()
	databases, err := v.followed(ctx)
	if err != nil {
		return err
	}
	visible, err := v.sight(ctx, slices.Concat(databases, v.Board.Databases()))
	if err != nil {
		return err
	}
	options := triage.Options{
		Since: v.Now().Add(-time.Duration(hours) * time.Hour), Visible: visible, MaxTime: surveyTime,
		Clocks: append(v.Policy.WallClocks(), triage.DefaultClocks...), Now: v.Now, Couchmend: v.Version,
	}
	server := v.person.server
	return v.triages.gather(v.person, gatherOrder{hours, v.Admin(), databases}, options, func(ctx context.Context, o triage.Options) (*triage.Report, error) {
		return triage.Gather(ctx, server, v.Ledger, databases, o)
	})
}

func (v *visit) showTriage() error {
	l, err := v.lookAtTriage(v.r.Context())
	if err != nil {
		return err
	}
	return v.render("triage", page{Title: "Triage", Nav: "/triage", Data: triagePage{l, v.Admin()}})
}

func (v *visit) gatherEvidence() error {
	if err := v.parseForm(); err != nil {
		return err
	}
	hours, err := strconv.Atoi(cmp.Or(v.r.PostForm.Get("hours"), strconv.Itoa(defaultHours)))
	if err != nil {
		return refuse(couchmend.KindUsage, "the hours are no number")
	}
	if err := v.gather(hours); err != nil {
		return err
	}
	return v.redirect("/triage")
}

func (v *visit) apiTriage() error {
	l, err := v.lookAtTriage(v.r.Context())
	if err != nil {
		return err
	}
	return v.json(http.StatusOK, l)
}

// apiTriageProgress tells how far it is without the report.
func (v *visit) apiTriageProgress() error {
	l, err := v.lookAtTriage(v.r.Context())
	if err != nil {
		return err
	}
	l.Report = nil
	return v.json(http.StatusOK, l)
}

func (v *visit) apiGather() error {
	order := struct {
		Hours int `json:"hours"`
	}{defaultHours}
	if err := v.body(&order); err != nil {
		return err
	}
	if err := v.gather(order.Hours); err != nil {
		return err
	}
	l, err := v.lookAtTriage(v.r.Context())
	if err != nil {
		return err
	}
	return v.json(http.StatusAccepted, l)
}

// triageBundle sends the report as an archive for a bug report, redacted. What
// is not redacted leaves the machine by the command alone.
func (v *visit) triageBundle() error {
	if !v.Admin() {
		return refuse(couchmend.KindForbidden, "only a server admin may take a bundle away")
	}
	l, err := v.lookAtTriage(v.r.Context())
	if err != nil {
		return err
	}
	if l.Report == nil {
		return &couchmend.Error{Op: "triage", Kind: couchmend.KindNotFound, Err: errors.New("there is no report: gather the evidence first")}
	}
	bundle := triage.Bundle{Report: l.Report, Documents: v.examples(l.Report)}
	if v.Policy != nil {
		bundle.Policy, bundle.PolicyDigest = v.Policy.Text, v.Policy.Digest
	}
	var archive bytes.Buffer
	if err := bundle.Write(&archive); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/gzip")
	v.w.Header().Set("Content-Disposition", `attachment; filename="couchmend-triage.tar.gz"`)
	_, _ = v.w.Write(archive.Bytes()) // the client has gone: nobody to tell
	return nil
}

// bundledDocuments is how many examples are put into a bundle.
const bundledDocuments = 20

// examples are documents that show what a report's findings are about, with all
// that they are decided from; read with the person's rights. Those that can't be
// read are left out.
func (v *visit) examples(report *triage.Report) []couchmend.Conflict {
	var documents []couchmend.Conflict
	for _, e := range report.Examples(bundledDocuments) {
		if c, _, err := v.mender.Look(v.r.Context(), e.DB, e.ID); err == nil {
			documents = append(documents, c)
		}
	}
	return documents
}
