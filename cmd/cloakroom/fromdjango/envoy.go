package fromdjango

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"

	"cloakroom/cmd/cloakroom/manifests"
)

// Proxy is the part of a proxy's configuration that does not come from the settings.
type Proxy struct {
	// Address and Port are what Envoy listens on, AdminPort its admin interface's.
	Address         string
	Port, AdminPort int
	// App is Django's host and port, Service that of the session service.
	App, Service string
	// Wasm is the path of the module.
	Wasm string
	// Site is the host of Istio's gateway, Image the module's, Namespace the gateway's.
	Site, Image, Namespace string
}

// Bootstrap returns a bootstrap of Envoy, like envoy/bootstrap.yaml, with the result in it.
func (r *Result) Bootstrap(p Proxy) (string, error) {
	d, err := r.describe(p, "*", map[string]any{"address": p.Address, "port": p.Port, "admin_port": p.AdminPort}, map[string]any{"wasm": p.Wasm})
	if err != nil {
		return "", err
	}
	return d.Envoy()
}

// Istio returns manifests, like those of envoy/istio.yaml, with the result in them.
func (r *Result) Istio(p Proxy) (string, error) {
	if !strings.Contains(p.Image, "@sha256:") {
		return "", fmt.Errorf("--image %q: write the image by its digest, as cloakroom image push prints it: NAME@sha256:…", p.Image)
	}
	d, err := r.describe(p, p.Site, map[string]any{"namespace": p.Namespace}, map[string]any{"image": p.Image})
	if err != nil {
		return "", err
	}
	return d.Istio()
}

// describe returns the site's description.
func (r *Result) describe(p Proxy, host string, gateway, filter map[string]any) (*manifests.Description, error) {
	if err := checkEndpoint("--app", p.App); err != nil {
		return nil, err
	}
	service := map[string]any{}
	if r.Serve != nil {
		if err := checkEndpoint("--service", p.Service); err != nil {
			return nil, err
		}
		host, port, _ := net.SplitHostPort(p.Service)
		service["address"] = host
		service["port"], _ = strconv.Atoi(port)
		if name, rest, ok := strings.Cut(host, "."); ok && strings.HasSuffix(rest, ".svc.cluster.local") {
			service = map[string]any{"name": name, "namespace": strings.TrimSuffix(rest, ".svc.cluster.local"), "port": service["port"]}
		}
	}
	description, err := json.Marshal(map[string]any{"hosts": []string{host}, "gateway": gateway, "filter": filter, "service": service, "django": map[string]string{"to": p.App}})
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return manifests.Add(settings, description)
}

// checkEndpoint returns an error unless text is a host and a port.
func checkEndpoint(flag, text string) error {
	host, port, err := net.SplitHostPort(text)
	n, err2 := strconv.Atoi(port)
	if err != nil || err2 != nil || host == "" || n < 1 || n > 65535 {
		return fmt.Errorf("%s %q: write a host and a port, such as 127.0.0.1:8000", flag, text)
	}
	return nil
}
