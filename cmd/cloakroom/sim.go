package main

import (
	"context"

	"cloakroom/hostsim/proxy"
)

type simCmd struct {
	proxy.Command
}

func (c *simCmd) Run(ctx context.Context, a *app) error { return c.Serve(ctx, a.env, a.stderr) }
