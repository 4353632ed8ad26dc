package main

import (
	"fmt"
	"runtime/debug"
)

// version is set when a release is built.
var version = ""

type versionCmd struct{}

// Run prints the version, and the commit that it was built from.
func (versionCmd) Run(a *app) error {
	fmt.Fprintf(a.stdout, "couchmend %s\n", versionText())
	return nil
}

// versionText is the version, and the commit that it was built from.
func versionText() string {
	v, commit := version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v == "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = " (" + s.Value[:min(12, len(s.Value))] + ")"
			}
		}
	}
	return v + commit
}
