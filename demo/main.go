// Command demo runs Envoy with the filter, the session service, a Django
// application and a Go service, all on 127.0.0.1, until it is interrupted.
// Run it as `make run`, or as `make sim` with hostsim in Envoy's place.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"

	"cloakroom/internal/testenv"
)

type cli struct {
	Port      int    `default:"10000" env:"CLOAKROOM_PORT" help:"The port to open in the browser."`
	AdminPort int    `default:"9901" env:"CLOAKROOM_ADMIN_PORT" help:"The port of Envoy's admin interface."`
	Dir       string `default:"build/demo" help:"Where the database, the secret key and the logs are kept."`
	Sim       bool   `help:"Run hostsim in Envoy's place."`
}

func main() {
	var c cli
	kong.Parse(&c, kong.Name("demo"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func (c *cli) run(ctx context.Context) error {
	if err := c.portsFree(); err != nil {
		return err
	}
	d, err := newDemo(c.Dir)
	if err != nil {
		return err
	}
	defer d.stop()
	proxy := d.envoy
	if c.Sim {
		proxy = d.sim
	}
	for _, start := range []func(context.Context) error{d.django, d.service, d.whoami, func(ctx context.Context) error { return proxy(ctx, c) }} {
		if err := start(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	fmt.Printf("\nready: http://127.0.0.1:%d/\n\n"+
		"  log in as demo, or as guest, password cloakroom\n"+
		"  /go/whoami is a Go service without any Django\n"+
		"  logs are in %s; Ctrl-C ends everything\n\n", c.Port, c.Dir)
	return d.wait(ctx)
}

// portsFree returns an error that names the flag to change for a port that is in use.
func (c *cli) portsFree() error {
	ports := []struct {
		number    int
		flag, env string
		needed    bool
	}{
		{c.Port, "--port", "CLOAKROOM_PORT", true},
		{c.AdminPort, "--admin-port", "CLOAKROOM_ADMIN_PORT", !c.Sim},
	}
	var errs []error
	for _, port := range ports {
		if !port.needed {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port.number))
		if err != nil {
			errs = append(errs, fmt.Errorf("%w; choose another port with %s=… in the environment, or %s", err, port.env, port.flag))
			continue
		}
		_ = l.Close()
	}
	return errors.Join(errs...)
}

// wait waits for the interrupt, or for a process to end unexpectedly.
func (d *demo) wait(ctx context.Context) error {
	ended := make(chan *testenv.Process, len(d.processes))
	for _, p := range d.processes {
		go func() {
			<-p.Done()
			ended <- p
		}()
	}
	select {
	case <-ctx.Done():
		fmt.Println("stopping")
		return nil
	case p := <-ended:
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("%s ended by itself; its last lines:\n%s", p.Name(), p.LogTail(15))
	}
}
