package manifests

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cloakroom/filter/config"
)

var (
	// dnsName is a name of Kubernetes (RFC 1123), or several with dots between them.
	dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	label   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	// reference is a reference without a digest.
	reference = regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9._/:]*$`)
	digest    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check returns what is wrong with a description, whatever it is printed for.
func (d *Description) check() error {
	var errs []error
	add := func(path, format string, args ...any) { errs = append(errs, d.wrong(path, format, args...)) }
	if len(d.Hosts) == 0 {
		add("hosts", "name the hosts of the site")
	}
	for i, host := range d.Hosts {
		if host != "*" && !dnsName.MatchString(strings.TrimPrefix(host, "*.")) {
			add(at("hosts", i), "%q is no host", host)
		}
	}
	for path, name := range map[string]string{
		"gateway.name": d.Gateway.Name, "gateway.namespace": d.Gateway.Namespace, "gateway.class": d.Gateway.Class,
		"service.name": d.Service.Name, "service.namespace": d.Service.Namespace, "service.secret": d.Service.Secret, "service.token": d.Service.Token,
	} {
		if !dnsName.MatchString(name) {
			add(path, "%q is no name of Kubernetes", name)
		}
	}
	for path, name := range map[string]string{"gateway.certificate": d.Gateway.Certificate, "filter.pull_secret": d.Filter.PullSecret, "gateway.proxy_namespace": d.Gateway.ProxyNamespace, "service.monitoring": d.Service.Monitoring, "service.address": d.Service.Address} {
		if name != "" && !dnsName.MatchString(name) {
			add(path, "%q is no name", name)
		}
	}
	for path, port := range map[string]int{"service.port": d.Service.Port, "gateway.port": d.Gateway.Port, "gateway.admin_port": d.Gateway.AdminPort} {
		if port < 1 || port > 65535 {
			add(path, "%d is no port", port)
		}
	}
	if d.Service.Replicas < 1 {
		add("service.replicas", "at least one is needed")
	}
	if !slices.Contains([]string{"WasmPlugin", "TrafficExtension"}, d.Filter.Resource) {
		add("filter.resource", "write WasmPlugin, or TrafficExtension for Istio from 1.30 on")
	}
	for _, item := range d.Filter.Configuration {
		if item.Key == "routes" {
			add("filter.configuration.routes", "write what differs from route to route as the configuration of each under routes")
		}
	}
	errs = append(errs, d.checkRoutes()...)
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return errors.Join(errs...)
	}
	_, err := d.parsed("sessions")
	return err
}

func at(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func (d *Description) checkRoutes() (errs []error) {
	add := func(i int, field, format string, args ...any) {
		errs = append(errs, d.wrong(strings.TrimSuffix(at("routes", i)+"."+field, "."), format, args...))
	}
	if len(d.Routes) == 0 {
		errs = append(errs, d.wrong("routes", "name the routes of the site, the last with prefix: /"))
	}
	seen := map[string]bool{semicolons: true}
	for i, r := range d.Routes {
		if r == nil {
			return append(errs, d.wrong(at("routes", i), "it is empty"))
		}
		if !label.MatchString(r.Name) || seen[r.Name] {
			add(i, "name", "%q: each route needs a name of its own, of small letters, digits and hyphens; %s is taken", r.Name, semicolons)
		}
		seen[r.Name] = true
		switch {
		case len(slices.DeleteFunc([]string{r.Path, r.Prefix, r.Regex}, func(s string) bool { return s == "" })) != 1:
			add(i, "", "write one of path, prefix and regex")
		case r.Regex == "" && !strings.HasPrefix(r.Path+r.Prefix, "/"):
			add(i, r.kind(), "%q: a path begins with /", r.Path+r.Prefix)
		case r.Regex != "":
			if _, err := regexp.Compile(r.Regex); err != nil {
				add(i, "regex", "%v", err)
			}
		}
		switch {
		case (r.To == "") == (r.Respond == nil):
			add(i, "", "write to (a host and a port), or respond (a status and a body)")
		case r.Respond != nil && (r.Respond.Status < 200 || r.Respond.Status > 599):
			add(i, "respond.status", "%d is no status of a response", r.Respond.Status)
		case r.To != "":
			if _, err := parseBackend(r.To); err != nil {
				add(i, "to", "%v", err)
			}
		}
		for j, before := range d.Routes[:i] {
			if before.covers(r) {
				add(i, "", "no request comes here: routes[%d] (%s) is tried before, and matches all of them", j, before.Name)
			}
		}
	}
	return errs
}

// kind returns the name of the field that selects the requests.
func (r *Route) kind() string {
	switch {
	case r.Path != "":
		return "path"
	case r.Prefix != "":
		return "prefix"
	}
	return "regex"
}

// covers reports whether each request of another route is one of r's; false if that is not known.
func (r *Route) covers(other *Route) bool {
	switch {
	case r.Prefix != "" && other.Regex == "":
		return strings.HasPrefix(other.Path+other.Prefix, r.Prefix)
	case r.Path != "":
		return r.Path == other.Path
	}
	return r.Prefix == "/"
}

// backend is a service that requests go to.
type backend struct {
	Host string
	Port int
	// Name and Namespace are those of a Service of Kubernetes; empty for other hosts.
	Name, Namespace string
}

// parseBackend parses a host and a port.
func parseBackend(text string) (b backend, err error) {
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		b.Port, err = strconv.Atoi(port)
	}
	if err != nil || b.Port < 1 || b.Port > 65535 || net.ParseIP(host) == nil && !dnsName.MatchString(host) {
		return b, fmt.Errorf("%q: write a host and a port, such as app.default.svc.cluster.local:8000", text)
	}
	b.Host = host
	if parts := strings.Split(host, "."); len(parts) >= 3 && parts[2] == "svc" {
		b.Name, b.Namespace = parts[0], parts[1]
	}
	return b, nil
}

// image returns a reference by its digest, without a tag.
func (d *Description) image(field, ref, sha string) (pinned string, err error) {
	name, inRef, _ := strings.Cut(strings.TrimPrefix(ref, "oci://"), "@sha256:")
	switch {
	case ref == "":
		return "", d.wrong(field+".image", "name the image; cloakroom image push prints it")
	case !reference.MatchString(name):
		return "", d.wrong(field+".image", "%q is no reference of an image, such as registry.example.com/cloakroom/filter", ref)
	case inRef != "" && sha != "" && inRef != sha:
		return "", d.wrong(field+".sha256", "it is not the digest that is in image")
	case inRef == "":
		inRef = sha
	}
	if !digest.MatchString(inRef) {
		return "", d.wrong(field+".sha256", "write the image's digest, so that every gateway runs what you built: the 64 digits that cloakroom image push prints")
	}
	if tag := strings.LastIndexByte(name, ':'); tag > strings.LastIndexByte(name, '/') {
		name = name[:tag]
	}
	return name + "@sha256:" + inRef, nil
}

// parsed returns the filter's configuration as the filter reads it. Its errors are those of the
// description's fields.
func (d *Description) parsed(cluster string) (*config.Config, error) {
	names := naming{of: func(r *Route) []string { return []string{r.Name} }}
	if d.routeNames() == namespaced {
		names.kind = plain
	}
	text, err := d.configuration(cluster, names)
	if err != nil {
		return nil, err
	}
	parsed, err := config.Parse(text.json, func(string) (string, bool) { return "unset", true })
	if err != nil {
		return nil, d.ofFilter(err)
	}
	return parsed, nil
}

// ofFilter returns errors of the filter's configuration as errors of the description.
func (d *Description) ofFilter(err error) error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, d.ofFilter(one))
		}
		return errors.Join(all...)
	}
	path, message, _ := strings.Cut(err.Error(), ": ")
	if strings.HasPrefix(path, "routes."+semicolons+".") { // what is wrong for all routes
		return nil
	}
	for i, r := range d.Routes {
		if rest, ok := strings.CutPrefix(path+".", "routes."+r.Name+"."); ok {
			return d.wrong(strings.TrimSuffix(at("routes", i)+".configuration."+rest, "."), "%s", message)
		}
	}
	return d.wrong("filter.configuration."+path, "%s", message)
}
