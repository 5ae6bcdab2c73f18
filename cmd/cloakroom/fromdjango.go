package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"cloakroom/cmd/cloakroom/fromdjango"
)

type fromDjangoCmd struct {
	Module  string `arg:"" help:"The settings module, such as project.settings."`
	Project string `default:"." type:"existingdir" help:"Folder with manage.py in it."`
	Python  string `default:"python3" help:"The project's interpreter, one that has Django."`
	Secrets bool   `name:"with-secrets" help:"Print keys and passwords, too."`
	JSON    bool   `help:"Print JSON."`
}

// Run prints the filter's configuration, with the service's command line and
// the environment of both in comments.
func (c *fromDjangoCmd) Run(ctx context.Context, a *app) error {
	result, err := fromdjango.Translate(ctx, fromdjango.Options{
		Python: c.Python, Project: c.Project, Module: c.Module, Secrets: c.Secrets,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(result)
	}
	text, err := yaml.Marshal(result.Filter)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "# The filter's configuration, of %s.\n", c.Module)
	for _, note := range result.Notes {
		fmt.Fprintf(a.stdout, "# Note: %s.\n", note)
	}
	fmt.Fprintln(a.stdout, "#")
	if result.Serve != nil {
		fmt.Fprintf(a.stdout, "# The session service:\n#   cloakroom %s\n", quoted(result.Serve))
	}
	fmt.Fprintln(a.stdout, "# In the environment:")
	names := make([]string, 0, len(result.Environment))
	for name := range result.Environment {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(a.stdout, "#   %s=%s\n", name, quoted([]string{result.Environment[name]}))
	}
	fmt.Fprintf(a.stdout, "\n%s", text)
	return nil
}

// quoted gives arguments as a shell takes them.
func quoted(args []string) string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = arg
		if strings.ContainsFunc(arg, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=/:.@+%,", r)
		}) {
			out[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
