package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"cloakroom/filter"
)

type configCmd struct {
	Check      checkCmd      `cmd:"" help:"Check a configuration of the filter."`
	FromDjango fromDjangoCmd `cmd:"" help:"Make the configuration of a Django project's settings."`
	Schema     schemaCmd     `cmd:"" help:"Print the JSON schema of the filter's configuration."`
}

type checkCmd struct {
	File string `arg:"" help:"YAML or JSON file, - for standard input."`
}

// Run checks the file. Secrets may be somewhere else: a variable that is not
// set here is noted and is no error.
func (c *checkCmd) Run(a *app) error {
	text, err := a.readFile(c.File)
	if err != nil {
		return err
	}
	if filepath.Ext(c.File) != ".json" {
		if text, err = yaml.YAMLToJSON(text); err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
	}
	var unset []string
	env := func(name string) (string, bool) {
		value, ok := a.env(name)
		if !ok || value == "" {
			unset = append(unset, name)
			return "unset", true
		}
		return value, true
	}
	if _, err := filter.ParseConfig(string(text), env); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	fmt.Fprintf(a.stdout, "%s: ok\n", c.File)
	for _, name := range unset {
		fmt.Fprintf(a.stderr, "note: %s is not set here; the filter refuses the configuration unless the VM's environment has it\n", name)
	}
	return nil
}

func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.stdin)
	}
	return os.ReadFile(name)
}

type schemaCmd struct{}

// Run prints the schema.
func (*schemaCmd) Run(a *app) error { return a.printJSON(filter.Schema()) }
