package main

import (
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/couchmend/couchmend/mend"
)

func TestTheFlagsOfRunReachTheEngine(t *testing.T) {
	for line, want := range map[string]mend.Options{
		"run":                {Workers: 2, WarmAfter: 3, WarmWindow: 24 * time.Hour},
		"run --warm-after 0": {Workers: 2, WarmAfter: -1, WarmWindow: 24 * time.Hour},
		"run --workers 5 --warm-after 2 --warm-window 90m": {Workers: 5, WarmAfter: 2, WarmWindow: 90 * time.Minute},
	} {
		var c cli
		parser, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		var o mend.Options
		c.Run.options(&o)
		if o.Workers != want.Workers || o.WarmAfter != want.WarmAfter || o.WarmWindow != want.WarmWindow {
			t.Errorf("%s: %d workers, warm after %d within %v", line, o.Workers, o.WarmAfter, o.WarmWindow)
		}
	}
}
