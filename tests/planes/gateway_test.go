package planes

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

// gatewayBeside is what a cluster has beside the manifests: the certificate, backends, and a
// route with a CORS policy.
const gatewayBeside = `
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: v1
kind: Secret
metadata: {name: site-tls, namespace: NAMESPACE}
type: kubernetes.io/tls
data: {tls.crt: CERTIFICATE, tls.key: KEY}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: app, namespace: NAMESPACE}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: 8000}}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: go, namespace: NAMESPACE}
spec: {endpoints: [{ip: {address: 127.0.0.1, port: 8002}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cors, namespace: NAMESPACE}
spec:
  parentRefs: [{name: site}]
  hostnames: [site.example.com]
  rules:
  - matches: [{path: {type: PathPrefix, value: /cors/}}]
    backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: app}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: cors, namespace: NAMESPACE}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: cors}]
  mergeType: StrategicMerge
  cors:
    allowOrigins: ["https://app.example.com"]
    allowMethods: [GET, PUT]
    allowCredentials: true
---
# Outside Kubernetes alone: the certificates with which Envoy gets the module from Envoy Gateway.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {name: local-authority, namespace: NAMESPACE}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: site}
  type: JSONPatch
  jsonPatches:
  - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: wasm_cluster
    operation:
      op: replace
      path: /transport_socket/typed_config/common_tls_context
      value:
        tls_params: {tls_maximum_protocol_version: TLSv1_3}
        tls_certificates: [{certificate_chain: {filename: CERTS/tls.crt}, private_key: {filename: CERTS/tls.key}}]
        validation_context: {trusted_ca: {filename: CERTS/ca.crt}}
`

// gatewayClass is Envoy Gateway's class.
const gatewayClass = `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
`

// gatewayConfig is Envoy Gateway's own configuration.
const gatewayConfig = `apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
provider:
  type: Custom
  custom:
    resource: {type: File, file: {paths: [%[1]s/manifests]}}
    infrastructure:
      type: Host
      host: {configHome: %[1]s/config, dataHome: %[1]s/data, stateHome: %[1]s/state, runtimeDir: %[1]s/run}
logging: {level: {default: warn}}
extensionApis: {enableEnvoyPatchPolicy: true, enableBackend: true, enableLua: true}
`

// gatewayHost has the sample run Envoy on this host instead of in Kubernetes. The provider of
// files knows no Services: Backends are in their place.
var gatewayHost = []string{
	`    type: Kubernetes
    kubernetes:
      envoyDeployment:
        container:
          env:
          - name: CLOAKROOM_TOKEN
            valueFrom: {secretKeyRef: {name: cloakroom, key: token}}
`, `    type: Host
    host: {envoyVersion: ` + testenv.Envoy140 + `}
  extraArgs: [--disable-hot-restart] # for two on one host
`,
	"port_value: 8081", fmt.Sprintf("port_value: %d", servicePort),
	"[{name: app, port: 8000}]", "[{group: gateway.envoyproxy.io, kind: Backend, name: app}]",
	"[{name: go, port: 8002}]", "[{group: gateway.envoyproxy.io, kind: Backend, name: go}]",
}

// another returns manifests in another namespace, for a second gateway with another Envoy.
func another(text, version string) string {
	return strings.NewReplacer("namespace: edge", "namespace: edge2", "HTTPRoute/edge/", "HTTPRoute/edge2/", "port: 443", "port: 444", "envoyVersion: "+testenv.Envoy140, "envoyVersion: "+version).Replace(text)
}

// startGateway starts Envoy Gateway with manifests, and a gateway for each version of Envoy, two at
// most.
func startGateway(t *testing.T, s *site, text string, versions ...string) *plane {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "eg") // sockets in it have short names
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, version := range []string{testenv.Envoy140, testenv.Envoy136} {
		envoy, err := testenv.EnvoyPath(version)
		if err != nil {
			t.Fatal(err)
		}
		bin := filepath.Join(dir, "data", "envoy-versions", version, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(envoy, filepath.Join(bin, "envoy")); err != nil {
			t.Fatal(err)
		}
	}
	binary := planeBinary(t, "envoy-gateway")
	generate := exec.CommandContext(t.Context(), binary, "certgen", "--local", "--config-home", filepath.Join(dir, "config"))
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("certgen: %v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(dir, "manifests"), 0o755); err != nil {
		t.Fatal(err)
	}
	certificate, key := encoded(t, s.ca.issue(t, host))
	beside := strings.NewReplacer("NAMESPACE", "edge", "CERTS", filepath.Join(dir, "config", "certs", "envoy"),
		"CERTIFICATE", base64Of(certificate), "KEY", base64Of(key)).Replace(gatewayBeside)
	p := &plane{t: t, full: text, corsHost: host, corsPath: "/cors/"}
	p.apply = func(t *testing.T, text string) {
		t.Helper()
		text += "\n---\n" + beside
		write(t, filepath.Join(dir, "manifests", "first.yaml"), gatewayClass+text)
		if len(versions) > 1 { // a file has one EnvoyProxy
			write(t, filepath.Join(dir, "manifests", "second.yaml"), another(text, versions[1]))
		}
	}
	write(t, filepath.Join(dir, "config.yaml"), fmt.Sprintf(gatewayConfig, dir))
	write(t, filepath.Join(dir, "ca.pem"), string(s.ca.pem))
	p.apply(t, text)
	process, err := testenv.Start(context.WithoutCancel(t.Context()), testenv.Command{
		Name: "Envoy Gateway", Noise: "response_code_details", Path: binary, Args: []string{"server", "--config-path", filepath.Join(dir, "config.yaml")},
		Env: []string{"HOME=" + dir, "SSL_CERT_FILE=" + filepath.Join(dir, "ca.pem"), "CLOAKROOM_TOKEN=" + token}, Dir: dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Stop() })
	for i, version := range versions {
		p.gateways = append(p.gateways, &gateway{name: fmt.Sprintf("gateway %d, Envoy %s", i+1, version), address: fmt.Sprintf("127.0.0.1:%d", 443+i), pool: s.ca.pool})
	}
	p.logs = logsOf([]*testenv.Process{process})
	t.Cleanup(p.logOnFailure)
	for i, g := range p.gateways {
		g.admin = adminOf(t, dir, []string{"edge/site", "edge2/site"}[i])
	}
	return p
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
