package main

import (
	"fmt"

	"cloakroom/cmd/cloakroom/manifests"
)

type manifestsCmd struct {
	Istio        istioCmd        `cmd:"" help:"Print the manifests for a gateway of Istio."`
	EnvoyGateway envoyGatewayCmd `cmd:"" help:"Print the manifests for Envoy Gateway."`
	Envoy        envoyCmd        `cmd:"" help:"Print the bootstrap of an Envoy without a control plane."`
	Service      serviceCmd      `cmd:"" help:"Print the manifests of the session service in Kubernetes."`
}

type (
	istioCmd        struct{ siteFlag }
	envoyGatewayCmd struct{ siteFlag }
	envoyCmd        struct{ siteFlag }
	serviceCmd      struct{ siteFlag }
)

func (c *istioCmd) Run(a *app) error        { return c.print(a, (*manifests.Description).Istio) }
func (c *envoyGatewayCmd) Run(a *app) error { return c.print(a, (*manifests.Description).EnvoyGateway) }
func (c *envoyCmd) Run(a *app) error        { return c.print(a, (*manifests.Description).Envoy) }
func (c *serviceCmd) Run(a *app) error      { return c.print(a, (*manifests.Description).Kubernetes) }

// siteFlag is the argument that names the description.
type siteFlag struct {
	File string `arg:"" optional:"" default:"cloakroom.yaml" help:"The description of the site, - for standard input (default ${default}); docs/reference.md has its fields."`
}

// print prints what is made of the description.
func (f *siteFlag) print(a *app, of func(*manifests.Description) (string, error)) error {
	text, err := a.readFile(f.File)
	if err != nil {
		return err
	}
	site, err := manifests.Parse(f.File, text)
	if err != nil {
		return err
	}
	out, err := of(site)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, out)
	return err
}
