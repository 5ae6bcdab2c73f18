package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"cloakroom/cmd/cloakroom/document"
	"cloakroom/filter/config"
)

type configCmd struct {
	Check      checkCmd      `cmd:"" help:"Check a configuration of the filter."`
	FromDjango fromDjangoCmd `cmd:"" help:"Translate a Django project's settings into the filter's configuration."`
	Schema     schemaCmd     `cmd:"" help:"Print the JSON schema of the filter's configuration."`
}

type checkCmd struct {
	File string `arg:"" help:"YAML or JSON file, - for standard input: the filter's configuration, or an Envoy bootstrap or manifest that contains it."`
}

// Run checks the file. The filter's environment may differ from this one: a variable that is not
// set here is noted and is no error.
func (c *checkCmd) Run(a *app) error {
	text, err := a.readFile(c.File)
	if err != nil {
		return err
	}
	documents, err := a.documents(text, filepath.Ext(c.File) == ".json")
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	unset := map[string]bool{}
	env := func(name string) (string, bool) {
		value, ok := a.env(name)
		if !ok || value == "" {
			unset[name] = true
			return "unset", true
		}
		return value, true
	}
	all := document.Find(documents)
	if len(all) == 0 {
		return fmt.Errorf("%s: there is no configuration of the filter in it", c.File)
	}
	var unknown []error
	for _, f := range all {
		config, err := f.Check(env)
		if err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
		for _, s := range f.SharedRoutes(config) {
			fmt.Fprintf(a.stderr, "warning: %s: %s\n", c.File, s)
		}
		routes, certain := f.UnknownRoutes(config)
		for _, u := range routes {
			if certain {
				unknown = append(unknown, fmt.Errorf("%s: %s", c.File, u))
			} else {
				fmt.Fprintf(a.stderr, "warning: %s: %s (among the routes that are in the file)\n", c.File, u)
			}
		}
	}
	if len(unknown) > 0 {
		return errors.Join(unknown...)
	}
	for _, f := range all {
		fmt.Fprintln(a.stdout, strings.TrimSuffix(c.File+": "+f.Path, ": ")+": ok")
	}
	for _, name := range slices.Sorted(maps.Keys(unset)) {
		fmt.Fprintf(a.stderr, "note: %s is not set here; the filter refuses the configuration unless the VM's environment has it\n", name)
	}
	return nil
}

// documents returns the documents of a file, as JSON's types.
func (a *app) documents(text []byte, isJSON bool) (all []any, err error) {
	if isJSON {
		var one any
		err := json.Unmarshal(text, &one)
		return []any{one}, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(document.AsEnvoyReads(text)))
	for {
		var raw yaml.MapSlice
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		asJSON, err := yaml.MarshalWithOptions(raw, yaml.JSON())
		if err != nil {
			return nil, err
		}
		var one any
		if err := json.Unmarshal(asJSON, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
}

func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.stdin)
	}
	return os.ReadFile(name)
}

type schemaCmd struct{}

// Run prints the schema.
func (*schemaCmd) Run(a *app) error { return a.printJSON(config.Schema()) }
