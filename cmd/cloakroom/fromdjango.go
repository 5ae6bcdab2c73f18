package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"cloakroom/cmd/cloakroom/fromdjango"
)

type fromDjangoCmd struct {
	Module  string   `arg:"" optional:"" help:"The settings module, such as project.settings; the default is that of manage.py."`
	Project string   `default:"." type:"existingdir" help:"Folder with manage.py in it."`
	Python  string   `default:"python3" help:"The project's interpreter, which must have Django, or the folder of its virtual environment."`
	Public  []string `sep:"none" placeholder:"PATH" help:"A path that is open to visitors without a session; with * at its end all paths with that prefix, such as /docs/*. Can be repeated."`
	Private []string `sep:"none" placeholder:"PATH" help:"A path that needs a session, in the form of --public, such as /admin/*. Can be repeated; all other paths are then open."`
	Secrets bool     `name:"with-secrets" help:"Print keys and passwords, too."`
	JSON    bool     `xor:"form" help:"Print JSON."`
	Envoy   bool     `xor:"form" help:"Print an Envoy bootstrap, not only the filter's configuration."`
	Istio   bool     `xor:"form" help:"Print manifests for an Istio gateway, not only the filter's configuration."`

	App       string `placeholder:"HOST:PORT" help:"With --envoy and --istio: Django's address (127.0.0.1:8000, app.default.svc.cluster.local:8000)."`
	Service   string `placeholder:"HOST:PORT" help:"With --envoy and --istio: the address of cloakroom serve (127.0.0.1:8081, sessions.default.svc.cluster.local:8081)."`
	Address   string `default:"127.0.0.1" help:"With --envoy: the address that Envoy listens on."`
	Port      int    `default:"10000" help:"With --envoy: the port that Envoy listens on."`
	AdminPort int    `default:"9901" help:"With --envoy: the port of Envoy's admin interface, on 127.0.0.1."`
	Wasm      string `default:"build/cloakroom.wasm" help:"With --envoy: the path of the filter's module."`
	Site      string `default:"site.example.com" placeholder:"HOST" help:"With --istio: the host that the gateway serves."`
	Namespace string `default:"istio-ingress" help:"With --istio: the gateway's namespace."`
	Image     string `default:"registry.example.com/cloakroom/filter@sha256:0000000000000000000000000000000000000000000000000000000000000000" help:"With --istio: the filter's image, as cloakroom image push prints it."`
}

// Run prints the filter's configuration, Envoy's or Istio's, with the service's command line and
// the environment of both in comments.
func (c *fromDjangoCmd) Run(ctx context.Context, a *app) error {
	result, err := fromdjango.Translate(ctx, fromdjango.Options{
		Python: c.Python, Project: c.Project, Module: c.Module, Public: c.Public, Private: c.Private, Secrets: c.Secrets,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(result)
	}
	text, err := c.text(result)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	_, err = fmt.Fprint(a.stdout, c.comments(result), "\n", text)
	return err
}

// text returns the configuration to print below the comments.
func (c *fromDjangoCmd) text(r *fromdjango.Result) (string, error) {
	p := fromdjango.Proxy{
		Address: c.Address, Port: c.Port, AdminPort: c.AdminPort, Wasm: c.Wasm,
		Site: c.Site, Namespace: c.Namespace, Image: c.Image,
	}
	switch {
	case c.Envoy:
		p.App, p.Service = cmp.Or(c.App, "127.0.0.1:8000"), cmp.Or(c.Service, "127.0.0.1:8081")
		return r.Bootstrap(p)
	case c.Istio:
		p.App, p.Service = cmp.Or(c.App, "app.default.svc.cluster.local:8000"), cmp.Or(c.Service, "sessions.default.svc.cluster.local:8081")
		return r.Istio(p)
	}
	text, err := yaml.Marshal(r.Filter)
	return string(text), err
}

// comments returns what an operator must know and do, as YAML comments.
func (c *fromDjangoCmd) comments(r *fromdjango.Result) string {
	var b strings.Builder
	what := "The filter's configuration"
	switch {
	case c.Envoy:
		what = "A bootstrap of Envoy"
	case c.Istio:
		what = "Manifests for Istio"
	}
	fmt.Fprintf(&b, "# %s, of %s.\n", what, r.Module)
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "# Note: %s.\n", note)
	}
	b.WriteString("#\n")
	if !c.Envoy && !c.Istio {
		b.WriteString("# Routes that Envoy needs; --envoy prints them:\n")
		for _, page := range r.Pages {
			fmt.Fprintf(&b, "#   %s: %s %s, mode: %s\n", page.Name, page.Match, page.Value, page.Mode)
		}
	}
	names := slices.Sorted(maps.Keys(r.Environment))
	if r.Serve != nil {
		fmt.Fprintf(&b, "# The session service, and once before its first start what it needs in the store:\n")
		fmt.Fprintf(&b, "#   cloakroom migrate %s\n#   cloakroom %s\n# In its environment:\n", quoted(r.Serve[1:3]), quoted(append(r.Serve, c.listen()...)))
		printVariables(&b, r.Environment, names)
	}
	switch {
	case c.Istio:
		b.WriteString("# In the environment of the gateway's container, as from a Secret:\n")
	case c.Envoy:
		fmt.Fprintf(&b, "# Start Envoy where %s is, with this in its environment:\n", c.Wasm)
	default:
		b.WriteString("# In Envoy's environment, and in host_env_keys of its vm_config.environment_variables:\n")
	}
	if r.Serve != nil {
		names = r.HostEnv
		for _, name := range names {
			fmt.Fprintf(&b, "#   %s\n", name)
		}
		return b.String()
	}
	printVariables(&b, r.Environment, names)
	return b.String()
}

// listen returns the argument that makes the service listen where --service expects it.
func (c *fromDjangoCmd) listen() []string {
	port := c.Service[strings.LastIndexByte(c.Service, ':')+1:]
	switch {
	case c.Istio:
		return []string{"--listen", ":" + cmp.Or(port, "8081")}
	case c.Envoy && c.Service != "":
		return []string{"--listen", c.Service}
	}
	return nil
}

func printVariables(b *strings.Builder, environment map[string]string, names []string) {
	for _, name := range names {
		fmt.Fprintf(b, "#   %s=%s\n", name, quoted([]string{environment[name]}))
	}
}

// quoted returns arguments quoted for a shell, on one line.
func quoted(args []string) string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = arg
		switch {
		case strings.ContainsFunc(arg, func(r rune) bool { return r < ' ' || r == 0x7f }):
			out[i] = "$'" + ansiC.Replace(arg) + "'"
		case strings.ContainsFunc(arg, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=/:.@+%,", r)
		}):
			out[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// ansiC escapes control characters for $'…', which bash and zsh support.
var ansiC = strings.NewReplacer(controls()...)

func controls() []string {
	pairs := []string{`\`, `\\`, "'", `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x7f", `\x7f`}
	for c := range rune(' ') {
		if !strings.ContainsRune("\n\r\t", c) {
			pairs = append(pairs, string(c), fmt.Sprintf(`\x%02x`, c))
		}
	}
	return pairs
}
