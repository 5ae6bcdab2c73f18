package planes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

// cluster is what the analysis finds in a cluster besides: the gateway's pod, its Service and certificate, and
// namespaces that say whether they are injected.
const cluster = `
apiVersion: v1
kind: Namespace
metadata: {name: istio-ingress, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-ingress, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy, image: istio/proxyv2}]}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: istio-ingress}
spec: {selector: {istio: ingressgateway}, ports: [{name: https, port: 443, targetPort: 443, protocol: TCP}]}
---
apiVersion: v1
kind: Secret
metadata: {name: site-tls, namespace: istio-ingress}
type: kubernetes.io/tls
data: {tls.crt: "%s", tls.key: "%s"}`

// explained are the messages that docs/istio.md explains.
var explained = map[string]bool{"IST0133": true}

var message = regexp.MustCompile(`\[(IST[0-9]+)\]`)

// TestIstioAnalysis validates the manifests as istiod's webhook does, and runs every analyzer of
// istioctl's.
func TestIstioAnalysis(t *testing.T) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key := encoded(t, newAuthority(t).issue(t, host))
	beside := filepath.Join(dir, "cluster.yaml")
	write(t, beside, fmt.Sprintf(cluster, base64Of(certificate), base64Of(key))+istioServices())
	sample := filepath.Join(root, "envoy", "istio.yaml")
	out := analyze(t, sample, beside)
	if !strings.Contains(out, "53 analyzers ran, 0 were skipped") {
		t.Errorf("not all analyzers ran")
	}
	for _, line := range strings.Split(out, "\n") {
		if found := message.FindStringSubmatch(line); found != nil && !explained[found[1]] {
			t.Error(line)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	// It finds what is wrong: a VirtualService of no Gateway.
	text, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.yaml")
	write(t, broken, edit(t, string(text), "gateways: [site]", "gateways: [sight]"))
	if out := analyze(t, broken, beside); !strings.Contains(out, "IST0101") {
		t.Errorf("a Gateway that is not there is not found: %s", out)
	}
}

func analyze(t *testing.T, files ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), planeBinary(t, "istio"), append([]string{"analyze"}, files...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
