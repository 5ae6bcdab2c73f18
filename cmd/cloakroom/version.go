package main

import (
	"fmt"
	"runtime/debug"
)

type versionCmd struct{}

func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.stdout, version())
	return err
}

// version returns the build's version: that of the module, or the commit and its time, and the
// version of Go.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "cloakroom, built without its version"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	of := info.Main.Version
	if commit := settings["vcs.revision"]; commit != "" {
		of = commit + " of " + settings["vcs.time"]
	}
	if settings["vcs.modified"] == "true" {
		of += ", with changes"
	}
	return fmt.Sprintf("cloakroom %s, %s", of, info.GoVersion)
}
