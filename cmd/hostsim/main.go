// Command hostsim runs proxy-wasm plugins without Envoy, as a small reverse proxy.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"cloakroom/hostsim/proxy"
)

const about = `A proxy-wasm host with Envoy's semantics.

Runs the plugins of FILE, or the one of --wasm, and proxies HTTP through them to the clusters. A changed file is loaded at once.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run runs the command and returns the exit status: 2 for a mistake in the arguments or the
// setup, 1 for any other failure.
func run(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	var c proxy.Command
	parser := kong.Must(&c, kong.Name("hostsim"), kong.Description(about), kong.Writers(stdout, stderr),
		kong.Vars{"cache": proxy.CacheDir("hostsim")})
	if _, err := parser.Parse(args); err != nil {
		fmt.Fprintf(stderr, "hostsim: %v; see hostsim --help\n", err)
		return 2
	}
	err := c.Serve(ctx, env, stderr)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "hostsim: %v\n", err)
	if errors.Is(err, proxy.ErrSetup) {
		return 2
	}
	return 1
}
