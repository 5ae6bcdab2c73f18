// Command cloakroom serves and administers Django's sessions for the filter.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // for datetimes with a ZoneInfo, if the machine has no time zone database

	"github.com/alecthomas/kong"
	_ "golang.org/x/crypto/x509roots/fallback" // for TLS to databases, if the machine has no certificate authorities

	"cloakroom/hostsim/proxy"
)

type cli struct {
	Serve         serveCmd         `cmd:"" help:"Serve sessions to the filter over HTTP."`
	Migrate       migrateCmd       `cmd:"" help:"Create Cloakroom's own tables beside Django's: once, before serve."`
	Sim           simCmd           `cmd:"" help:"Run a proxy-wasm plugin without Envoy, as a small reverse proxy."`
	Sessions      sessionsCmd      `cmd:"" help:"List, show and revoke sessions."`
	Keys          keysCmd          `cmd:"" help:"List, make and rotate the keys of the tokens that serve signs."`
	Users         usersCmd         `cmd:"" help:"Report changes of users' accounts to the filters."`
	Clearsessions clearsessionsCmd `cmd:"" help:"Delete expired sessions, as Django's command of that name does."`
	Config        configCmd        `cmd:"" help:"Check the filter's configuration, or translate Django's settings into it."`
	Image         imageCmd         `cmd:"" help:"Build the container images of the filter and of the session service, without Docker."`
	Manifests     manifestsCmd     `cmd:"" help:"Print the manifests of a site for Istio, Envoy Gateway, Envoy and Kubernetes."`
	Doctor        doctorCmd        `cmd:"" help:"Check a running Envoy, its session service and a session, and report what is wrong."`
	Version       versionCmd       `cmd:"" help:"Print the version, as --version does."`
}

const about = `Django's sessions at the proxy.

Secrets come from the environment: CLOAKROOM_SECRET_KEY (Django's SECRET_KEY), CLOAKROOM_SECRET_KEY_FALLBACKS (separated by white space) and CLOAKROOM_TOKEN (shared with the filter), or from files that CLOAKROOM_SECRET_KEY_FILE and so on name.`

// errUsage marks errors of the command line.
var errUsage = errors.New("usage")

// app is the process's environment as commands use it.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) (string, bool)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{os.Stdin, os.Stdout, os.Stderr, os.LookupEnv}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// run runs a command and returns the exit status: 2 for usage, 1 for failure.
func (a *app) run(ctx context.Context, args []string) int {
	parser := kong.Must(&cli{}, kong.Name("cloakroom"), kong.Description(about),
		kong.Writers(a.stdout, a.stderr), kong.Vars{"cache": proxy.CacheDir("cloakroom")}, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(a))
	if len(args) == 1 && args[0] == "--version" {
		args = []string{"version"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(a.stderr, "cloakroom: %v; see cloakroom --help\n", err)
		return 2
	}
	if err := command.Run(); err != nil {
		fmt.Fprintf(a.stderr, "cloakroom: %v\n", err)
		if errors.Is(err, errUsage) || errors.Is(err, proxy.ErrSetup) {
			return 2
		}
		return 1
	}
	return 0
}
