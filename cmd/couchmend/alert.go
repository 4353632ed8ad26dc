package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/couchmend/couchmend/internal/alert"
	"github.com/couchmend/couchmend/internal/board"
	"github.com/couchmend/couchmend/internal/policy"
	"github.com/couchmend/couchmend/mend"
)

type alertCmd struct {
	List alertListCmd `cmd:"" help:"List what fires now, and what was told of it. Tells nobody."`
	Test alertTestCmd `cmd:"" help:"Send a message that says it is a test, and say what came back."`
}

// tell begins to tell of alerts, where the policy has receivers of such, and
// returns what waits for its end once ctx has ended. It opens a board of its own
// where none is shown.
func tell(ctx context.Context, c *mend.Couchmend, shown *board.Board, log *slog.Logger) (wait func(), err error) {
	if c.Policy == nil || len(c.Policy.Alerts.Webhooks) == 0 {
		return func() {}, nil
	}
	end := func() {}
	if shown == nil {
		if shown, err = board.Open(ctx, c.Ledger, nil); err != nil {
			return nil, err
		}
		end = shown.Close
	}
	w, err := alert.New(alert.Config{
		Alerts: c.Policy.Alerts, Ledger: c.Ledger, Board: shown, Server: c.Server, Feed: c.Feed, Log: log,
	})
	if err != nil {
		end()
		return nil, err
	}
	var running sync.WaitGroup
	running.Go(func() {
		defer end()
		w.Run(ctx)
	})
	return running.Wait, nil
}

// errNoWebhooks says that there is nobody to be told.
var errNoWebhooks = errors.New("the policy file names no receiver: add alerts: {webhooks: [{slack: {url_file: …}, when: {review_older_than: 4h}}]}")

type alertListCmd struct {
	connection
	JSON bool `name:"json" help:"Print a JSON object an alert."`
}

// Help is the long help.
func (alertListCmd) Help() string {
	return "A feed that can't be read is seen by a run alone: it is listed as that told it last."
}

// Run lists what fires.
func (l *alertListCmd) Run(a *app) error {
	done, err := l.glance()
	if err != nil {
		return err
	}
	defer done()
	return l.visit(a, func(c *mend.Couchmend) error {
		if c.Policy == nil || len(c.Policy.Alerts.Webhooks) == 0 {
			return usage(errNoWebhooks)
		}
		shown, err := board.Open(a.ctx, c.Ledger, nil)
		if err != nil {
			return err
		}
		defer shown.Close()
		firing, err := alert.List(a.ctx, alert.Config{
			Alerts: c.Policy.Alerts, Ledger: c.Ledger, Board: shown, Server: c.Server, Log: l.logger(a),
		})
		if err != nil {
			return err
		}
		return l.print(a, firing)
	})
}

func (l *alertListCmd) print(a *app, firing []alert.Firing) error {
	t := a.table(a.stdout, "WEBHOOK", "ALERT", "TOLD", "WHAT").cut(3)
	for _, f := range firing {
		told := "not yet"
		if !f.Sent.IsZero() {
			told = when(f.Sent)
		}
		if !l.JSON {
			t.add(f.Webhook, string(f.Alert.Kind), told, f.Alert.Summary)
		} else if err := a.printJSON(f); err != nil {
			return err
		}
	}
	if len(firing) == 0 && !l.JSON {
		a.printf("Nothing fires.\n")
	}
	return t.flush()
}

type alertTestCmd struct {
	connection
	Webhook []string `placeholder:"NAME" help:"Only this one. May be repeated."`
	DryRun  bool     `short:"n" help:"Print what would be sent, and send nothing."`
}

// Run tries the webhooks, each whatever became of the others.
func (t *alertTestCmd) Run(a *app) error {
	alerts, err := t.alerts()
	if err != nil {
		return err
	}
	failed := false
	for _, hook := range alerts.Webhooks {
		if t.DryRun {
			body, err := alert.Preview(hook, alerts.Console)
			if err != nil {
				return err
			}
			a.printf("%s: %s\n", clean(hook.Name), body)
			continue
		}
		answer, err := alert.Test(a.ctx, hook, alerts.Console)
		switch {
		case err != nil && answer.Text != "":
			fmt.Fprintf(a.stderr, "couchmend: %v: %s\n", err, clean(answer.Text))
		case err != nil:
			fmt.Fprintf(a.stderr, "couchmend: %v\n", err)
		default:
			a.printf("%s: delivered, and answered %d %s\n", clean(hook.Name), answer.Status, clean(answer.Text))
		}
		failed = failed || err != nil
	}
	if failed {
		return exitError{exitFailed}
	}
	return nil
}

// alerts reads those of the policy file, and leaves the webhooks that are meant.
func (t *alertTestCmd) alerts() (policy.Alerts, error) {
	if t.policyFile() == "" {
		return policy.Alerts{}, usage(errNoWebhooks)
	}
	file, err := policy.Load(t.policyFile(), policy.Options{})
	if err != nil {
		return policy.Alerts{}, err
	}
	if err := file.Close(); err != nil {
		return policy.Alerts{}, err
	}
	if len(file.Alerts.Webhooks) == 0 {
		return policy.Alerts{}, usage(errNoWebhooks)
	}
	if len(t.Webhook) == 0 {
		return file.Alerts, nil
	}
	named := policy.Alerts{Console: file.Alerts.Console}
	for _, name := range t.Webhook {
		found := false
		for _, hook := range file.Alerts.Webhooks {
			if hook.Name == name {
				named.Webhooks, found = append(named.Webhooks, hook), true
			}
		}
		if !found {
			return named, usage(fmt.Errorf("the policy file has no webhook called %q", name))
		}
	}
	return named, nil
}
