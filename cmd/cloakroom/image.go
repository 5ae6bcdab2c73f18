package main

import (
	"context"
	"fmt"
	"os"

	"cloakroom/cmd/cloakroom/image"
)

type imageCmd struct {
	Build imageBuildCmd `cmd:"" help:"Write an image into a folder, as an OCI image layout."`
	Push  imagePushCmd  `cmd:"" help:"Write an image to a registry. The credentials are those of docker login."`
}

// imageFlags select what the image is made of.
type imageFlags struct {
	What   string   `arg:"" enum:"filter,service" help:"filter: the module, for Istio and Envoy Gateway. service: the session service and the command line."`
	Wasm   string   `default:"build/cloakroom.wasm" placeholder:"PATH" help:"The filter's module (default ${default})."`
	Binary []string `sep:"none" default:"build/image/cloakroom-linux-amd64" placeholder:"PATH" help:"A static executable of cloakroom for Linux; repeat it for each platform (default ${default})."`
}

// build returns the image. An error names the file.
func (f *imageFlags) build() (*image.Built, error) {
	if f.What == "filter" {
		wasm, err := os.ReadFile(f.Wasm)
		if err != nil {
			return nil, fmt.Errorf("%w; make build builds it", err)
		}
		built, err := image.Filter(wasm)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Wasm, err)
		}
		return built, nil
	}
	var binaries [][]byte
	for _, path := range f.Binary {
		binary, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%w; make image builds it", err)
		}
		if _, err := image.Service(binary); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		binaries = append(binaries, binary)
	}
	return image.Service(binaries...)
}

type imageBuildCmd struct {
	imageFlags `embed:""`
	Folder     string `arg:"" type:"path" help:"A new folder."`
}

// Run writes the image and prints its digest.
func (c *imageBuildCmd) Run(a *app) error {
	built, err := c.build()
	if err != nil {
		return err
	}
	if err := built.Save(c.Folder); err != nil {
		return err
	}
	digest, err := built.Digest()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, digest)
	return err
}

type imagePushCmd struct {
	imageFlags `embed:""`
	Reference  string `arg:"" placeholder:"REF" help:"REGISTRY/NAME:TAG"`
	Plain      bool   `name:"plain-http" help:"Permit a registry without TLS. Registries on this machine need no permission."`
}

// Run pushes the image and prints its reference by digest.
func (c *imagePushCmd) Run(ctx context.Context, a *app) error {
	built, err := c.build()
	if err != nil {
		return err
	}
	ref, err := built.Push(ctx, c.Reference, c.Plain)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, ref)
	return err
}
