package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"google.golang.org/protobuf/proto"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/test"
)

// serve runs Istio's discovery server on what the files hold: Istio's objects, and Kubernetes' own,
// which are read once.
func serve(address, meshFile string, files []string) error {
	// Envoy's own build lacks Istio's two filters.
	features.MetadataExchange = false
	features.ALPNFilter = false
	m, err := readMesh(meshFile)
	if err != nil {
		return err
	}
	configs, objects, err := load(files)
	if err != nil {
		return err
	}
	return test.Wrap(func(t test.Failer) {
		server := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
			Configs: configs, KubernetesObjectString: objects, MeshConfig: m,
			ListenerBuilder: func() (net.Listener, error) { return net.Listen("tcp", address) },
		})
		fmt.Println("serving", len(configs), "objects")
		if err := follow(server.Store(), configs, files); err != nil {
			t.Fatal(err)
		}
	})
}

// readMesh returns a mesh configuration over Istio's defaults.
func readMesh(file string) (*meshconfig.MeshConfig, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m, err := mesh.ApplyMeshConfigDefaults(string(text))
	if err != nil {
		return nil, err
	}
	m.DefaultProviders = nil // the providers need Istio's own filters
	m.EnableAutoMtls.Value = false
	return m, nil
}

// follow applies the files anew at each SIGHUP, until SIGTERM. What is in error is printed, and
// the old state remains.
func follow(store model.ConfigStoreController, old []config.Config, files []string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM)
	for s := range signals {
		if s == syscall.SIGTERM {
			return nil
		}
		configs, _, err := load(files)
		if err != nil {
			fmt.Println("not applied:", err)
			continue
		}
		if err := apply(store, old, configs); err != nil {
			return err
		}
		old = configs
		fmt.Println("applied", len(configs), "objects")
	}
	return nil
}

// apply makes the store hold configs instead of old, as kubectl apply --prune does.
func apply(store model.ConfigStoreController, old, configs []config.Config) error {
	same := func(a config.Config) func(config.Config) bool {
		return func(b config.Config) bool { return a.Key() == b.Key() }
	}
	for _, c := range configs {
		i := slices.IndexFunc(old, same(c))
		switch {
		case i < 0:
			if _, err := store.Create(c); err != nil {
				return err
			}
		case !reflect.DeepEqual(old[i].Annotations, c.Annotations) || !sameSpec(old[i].Spec, c.Spec):
			current := store.Get(c.GroupVersionKind, c.Name, c.Namespace)
			if current == nil {
				return fmt.Errorf("%s is not in the store", c.Key())
			}
			c.ResourceVersion = current.ResourceVersion
			c.CreationTimestamp = current.CreationTimestamp
			if _, err := store.Update(c); err != nil {
				return err
			}
		}
	}
	for _, c := range old {
		if !slices.ContainsFunc(configs, same(c)) {
			if err := store.Delete(c.GroupVersionKind, c.Name, c.Namespace, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameSpec reports whether two objects' specs are equal: messages, or structs of the Gateway API.
func sameSpec(a, b config.Spec) bool {
	m, ok := a.(proto.Message)
	n, too := b.(proto.Message)
	if ok && too {
		return proto.Equal(m, n)
	}
	return reflect.DeepEqual(a, b)
}

// load returns Istio's objects in the files, and the text of the others.
func load(files []string) (configs []config.Config, objects string, err error) {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, "", err
		}
		c, others, err := parse(text)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", file, err)
		}
		configs = append(configs, c...)
		if others != "" {
			objects += "\n---\n" + others
		}
	}
	return configs, strings.TrimPrefix(objects, "\n---\n"), nil
}

// parse returns Istio's objects in a stream of YAML documents, valid ones, and the text of the others.
func parse(text []byte) (configs []config.Config, objects string, err error) {
	var others []string
	for document := range strings.SplitSeq("\n"+string(text), "\n---") {
		c, unknown, err := crd.ParseInputs(document)
		if err != nil {
			return nil, "", err
		}
		configs = append(configs, c...)
		if len(unknown) > 0 {
			others = append(others, document)
		}
	}
	for i := range configs {
		if configs[i].Namespace == "" {
			configs[i].Namespace = "default"
		}
	}
	return configs, strings.Join(others, "\n---\n"), nil
}
