package planes

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cloakroom/internal/testenv"
)

// plane is a control plane with its gateways.
type plane struct {
	t        *testing.T
	gateways []*gateway
	// apply hands the control plane the manifests in another state.
	apply func(t *testing.T, text string)
	// full is what it was started with.
	full string
	// corsHost has a CORS policy for https://app.example.com on all paths under corsPath.
	corsHost, corsPath string
	// logs returns the ends of the logs.
	logs func() string
}

// istioBeside is what a cluster has beside the manifests: Services with their endpoints, a host with
// a CORS policy, and a second address for the second gateway.
const istioBeside = `
apiVersion: v1
kind: Namespace
metadata: {name: istio-ingress}
---
apiVersion: v1
kind: Namespace
metadata: {name: default}
%s
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: cors, namespace: istio-ingress}
spec:
  hosts: [cors.example.com]
  gateways: [site]
  http:
  - name: cors
    corsPolicy:
      allowOrigins: [{exact: "https://app.example.com"}]
      allowMethods: [GET, PUT]
      allowCredentials: true
    route: [{destination: {host: app.default.svc.cluster.local, port: {number: 8000}}}]
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: second-address, namespace: istio-ingress}
spec:
  workloadSelector: {labels: {replica: "2"}}
  configPatches:
  - applyTo: LISTENER
    match: {context: GATEWAY, listener: {portNumber: 8080}}
    patch: {operation: MERGE, value: {address: {socket_address: {address: 127.0.0.2, port_value: 8080}}}}
`

// istioService is a Service of Kubernetes with one endpoint.
const istioService = `
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: default}
spec: {clusterIP: 10.0.0.%[2]d, ports: [{name: http, port: %[3]d, targetPort: %[4]d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, namespace: default, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: http, port: %[4]d, protocol: TCP}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]`

// istioHTTP has the sample's Gateway serve plain HTTP on an address of the tests', and the host with
// a CORS policy.
var istioHTTP = []string{
	"  - port: {number: 443, name: https, protocol: HTTPS}\n    tls: {mode: SIMPLE, credentialName: site-tls}\n",
	"  - port: {number: 8080, name: http, protocol: HTTP}\n    bind: 127.0.0.1\n",
	"hosts: [./site.example.com]", "hosts: [./site.example.com, ./cors.example.com]",
}

// istioServices returns the Services of the site.
func istioServices() string {
	text := ""
	for i, s := range []struct {
		name         string
		port, target int
	}{{"app", 8000, appPort}, {"go", 8002, goPort}, {"sessions", 8081, servicePort}} {
		text += fmt.Sprintf(istioService, s.name, i+1, s.port, s.target)
	}
	return text
}

// startIstio starts Istio's control plane with manifests, and a gateway for each version of Envoy.
func startIstio(t *testing.T, s *site, text string, versions ...string) *plane {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("main.yaml"), text)
	write(t, path("beside.yaml"), fmt.Sprintf(istioBeside, istioServices()))
	write(t, path("mesh.yaml"), "accessLogFile: /dev/stdout\naccessLogFormat: \"access %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %REQ(:PATH)%\\n\"\n")
	const address = "127.0.0.1:15010"
	control, err := testenv.Start(context.WithoutCancel(t.Context()), testenv.Command{
		Name: "Istio", Path: planeBinary(t, "istio"),
		Args: []string{"serve", address, path("mesh.yaml"), path("main.yaml"), path("beside.yaml")},
		// As meshes with many services have it: a gateway gets only the clusters that it refers to.
		Env:   []string{"PILOT_FILTER_GATEWAY_CLUSTER_CONFIG=true"},
		Ready: listening(address),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Stop() })
	p := &plane{t: t, full: text, corsHost: "cors.example.com", corsPath: "/"}
	processes := []*testenv.Process{control}
	for i, version := range versions {
		g, process := startIstioGateway(t, s, i+1, version)
		p.gateways = append(p.gateways, g)
		processes = append(processes, process)
	}
	p.apply = func(t *testing.T, text string) {
		t.Helper()
		write(t, path("main.yaml"), text)
		if err := syscall.Kill(control.PID(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	p.logs = logsOf(processes)
	t.Cleanup(p.logOnFailure)
	return p
}

// startIstioGateway starts Istio's agent with an Envoy, as the container of an ingress gateway does.
func startIstioGateway(t *testing.T, s *site, n int, version string) (*gateway, *testenv.Process) {
	t.Helper()
	envoy, err := testenv.EnvoyPath(version)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"etc/istio/pod/labels":  fmt.Sprintf("istio=\"ingressgateway\"\nreplica=\"%d\"\n", n),
		"etc/istio/config/mesh": "", "ca.pem": string(s.ca.pem),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
	admin, status, port := 15000+100*n, 15020+100*n, 15021+100*n
	proxy, err := json.Marshal(map[string]any{
		"binaryPath": envoy, "discoveryAddress": "127.0.0.1:15010", "controlPlaneAuthPolicy": "NONE",
		"proxyAdminPort": admin, "statusPort": status, "concurrency": 2, "proxyBootstrapTemplatePath": planeBinary(t, "envoy_bootstrap.json"),
	})
	if err != nil {
		t.Fatal(err)
	}
	process, err := testenv.Start(context.WithoutCancel(t.Context()), testenv.Command{
		Name: fmt.Sprintf("gateway %d", n), Noise: "access ", Dir: dir,
		// Each agent has a folder for modules of its own, as in a container.
		Path: "/usr/bin/unshare",
		Args: []string{"-m", "sh", "-c", `mount -t tmpfs none /var/lib/istio/data && exec "$0" "$@"`, planeBinary(t, "pilot-agent"), "proxy", "router", "--domain", "istio-ingress.svc.cluster.local"},
		Env: []string{
			fmt.Sprintf("POD_NAME=gateway-%d", n), "POD_NAMESPACE=istio-ingress", fmt.Sprintf("INSTANCE_IP=127.0.0.%d", n),
			"CLOUD_PLATFORM=none", "FILE_MOUNTED_CERTS=true", "PROXY_CONFIG=" + string(proxy),
			fmt.Sprintf("ENVOY_STATUS_PORT=%d", port), fmt.Sprintf("ENVOY_PROMETHEUS_PORT=%d", port+1),
			"SSL_CERT_FILE=" + filepath.Join(dir, "ca.pem"), "CLOAKROOM_TOKEN=" + token,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Stop() })
	return &gateway{name: fmt.Sprintf("gateway %d, Envoy %s", n, version), address: fmt.Sprintf("127.0.0.%d:8080", n), admin: fmt.Sprintf("http://127.0.0.1:%d", admin)}, process
}

// planeBinary returns the path of something in build/planes.
func planeBinary(t *testing.T, name string) string {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "build", "planes", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make test-planes`, which builds it", err)
	}
	return path
}

func logsOf(processes []*testenv.Process) func() string {
	return func() string {
		var text strings.Builder
		for _, p := range processes {
			fmt.Fprintf(&text, "== %s\n%s\n", p.Name(), p.LogTail(2000))
		}
		return text.String()
	}
}

func (p *plane) logOnFailure() {
	if p.t.Failed() {
		p.t.Log(p.logs())
	}
}

// ready waits until each gateway admits a session and refuses none.
func (p *plane) ready(t *testing.T, s *site) {
	t.Helper()
	key := s.login(t)
	for _, g := range p.gateways {
		took := until(t, g.name, func() error {
			if err := g.status("/", key, 200); err != nil {
				return err
			}
			return g.status("/", "", 401)
		})
		t.Logf("%s admits a session after %v", g.name, took)
	}
}
