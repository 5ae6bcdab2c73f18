package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cloakroom/api"
	"cloakroom/cmd/cloakroom/document"
	"cloakroom/filter/config"
)

// envoy checks Envoy as a whole, and returns the filter's configurations in it.
func (d *doctor) envoy() (plugins []document.Found, ok bool) {
	text, err := d.get("/server_info")
	var info struct{ Version, State string }
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		d.fail("name Envoy's admin address by --admin", "Envoy's admin interface at %s does not answer: %v", d.Admin, err)
		return nil, false
	}
	if info.State != "LIVE" {
		d.fail("wait, or read its log", "Envoy is in the state %s", info.State)
		return nil, false
	}
	d.right("Envoy %s is live", version(info.Version))
	var dump struct{ Configs []any }
	if text, err = d.get("/config_dump?include_eds"); err == nil {
		err = json.Unmarshal(text, &dump)
	}
	if err != nil {
		d.fail("see whether the admin interface is restricted", "Envoy's configuration cannot be read: %v", err)
		return nil, false
	}
	parts := slices.DeleteFunc(dump.Configs, func(part any) bool {
		fields, _ := part.(map[string]any)
		kind, _ := fields["@type"].(string)
		return strings.HasSuffix(kind, ".BootstrapConfigDump") // the other parts repeat it
	})
	plugins = document.Find(parts)
	if len(plugins) == 0 {
		d.fail("put it into http_filters, before the router, as envoy/bootstrap.yaml does; in Istio see whether the WasmPlugin selects this gateway",
			"there is no Cloakroom filter in Envoy's configuration")
		return nil, false
	}
	d.paths(parts)
	return plugins, true
}

// version returns the version number in Envoy's version text, "commit/1.40.0/Clean/…".
func version(text string) string {
	parts := strings.Split(text, "/")
	if len(parts) > 1 {
		return parts[1]
	}
	return text
}

// paths checks how the connection managers that have plugins normalize paths. Control planes add
// others of their own, for health checks and statistics.
func (d *doctor) paths(parts []any) {
	managers, bad := 0, 0
	walk(parts, func(node map[string]any) {
		if kind, _ := node["@type"].(string); !strings.HasSuffix(kind, ".HttpConnectionManager") || !hasPlugin(node["http_filters"]) {
			return
		}
		managers++
		if node["normalize_path"] != true || node["merge_slashes"] != true || node["path_with_escaped_slashes_action"] == nil {
			bad++
			d.fail("set normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT (Istio: meshConfig.pathNormalization)",
				"the connection manager %v leaves paths as they are: a route's mode can be passed by a path that the upstream reads as another", node["stat_prefix"])
		}
	})
	if managers > 0 && bad == 0 {
		d.right("paths are normalized")
	}
}

// hasPlugin reports whether a Wasm filter is among the filters, or is delivered apart from them, as
// by Istio.
func hasPlugin(filters any) (found bool) {
	const wasm = ".http.wasm.v3.Wasm"
	walk(filters, func(node map[string]any) {
		kind, _ := node["@type"].(string)
		found = found || strings.HasSuffix(kind, wasm)
		urls, _ := node["type_urls"].([]any)
		for _, url := range urls {
			url, _ := url.(string)
			found = found || strings.HasSuffix(url, wasm)
		}
	})
	return found
}

// walk calls do with every object.
func walk(node any, do func(map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		do(node)
		for _, child := range node {
			walk(child, do)
		}
	case []any:
		for _, child := range node {
			walk(child, do)
		}
	}
}

// plugin checks one configuration of the filter.
func (d *doctor) plugin(f document.Found) {
	name, _ := f.Plugin["name"].(string)
	// The environment is Envoy's: its variables cannot be read here.
	config, err := f.Check(func(string) (string, bool) { return "set", true })
	if err != nil {
		d.fail("cloakroom config check reports the same for the file", "the configuration of the filter %q is in error: %v", name, err)
		return
	}
	d.right("the configuration of the filter %q has no error", name)
	switch policy, _ := f.Plugin["failure_policy"].(string); policy {
	case "FAIL_RELOAD":
		d.right("a module that traps is loaded anew (FAIL_RELOAD)")
	case "FAIL_OPEN":
		d.fail("set failure_policy: FAIL_RELOAD", "with FAIL_OPEN requests pass unchecked while the module has failed")
	default:
		d.note("a module that traps answers 503 until Envoy is started again; failure_policy: FAIL_RELOAD loads it anew")
	}
	d.routes(f, config, name)
	for _, s := range config.Services() {
		d.cluster(s)
		d.names(config.AttributesOf(s.Cluster))
	}
	for _, token := range config.Tokens() {
		d.tokens = true
		d.names(token.Claims)
	}
}

// names adds to the attributes that look-ups name.
func (d *doctor) names(keys []string) {
	for _, key := range keys {
		if name := strings.TrimPrefix(key, "user."); !slices.Contains(d.attributes, name) && len(d.attributes) < api.MaxAttributes {
			d.attributes = append(d.attributes, name)
		}
	}
}

// routes checks the names of routes in one configuration of the filter.
func (d *doctor) routes(f document.Found, config *config.Config, name string) {
	unknown, _ := f.UnknownRoutes(config)
	for _, u := range unknown {
		d.fail("name it as Envoy does, or take it out", "the configuration of the filter %q has routes.%s, and Envoy has no route of that name%s", name, u.Name,
			map[bool]string{true: fmt.Sprintf(" (it has %q)", u.Nearest)}[u.Nearest != ""])
	}
	for _, s := range f.SharedRoutes(config) {
		d.note("in the configuration of the filter %q %s", name, s)
	}
}

// cluster checks the session service's cluster in Envoy.
func (d *doctor) cluster(s *config.Service) {
	text, err := d.get("/clusters?format=json")
	var clusters struct {
		ClusterStatuses []struct {
			Name         string
			HostStatuses []host `json:"host_statuses"`
		} `json:"cluster_statuses"`
	}
	if err == nil {
		err = json.Unmarshal(text, &clusters)
	}
	if err != nil {
		d.fail("see whether the admin interface is restricted", "Envoy's clusters cannot be read: %v", err)
		return
	}
	for _, c := range clusters.ClusterStatuses {
		if c.Name != s.Cluster {
			continue
		}
		healthy := 0
		for _, h := range c.HostStatuses {
			if h.healthy() {
				healthy++
				if d.Service == "" {
					d.Service = "http://" + h.address()
				}
			}
		}
		if healthy == 0 {
			d.fail("start cloakroom serve where the cluster's hosts are, or mend their addresses", "none of the %d hosts of the cluster %s is healthy", len(c.HostStatuses), s.Cluster)
			return
		}
		d.right("of the cluster %s %d of %d hosts can be used", s.Cluster, healthy, len(c.HostStatuses))
		return
	}
	d.fail("name the cluster as Envoy does; its clusters are under /clusters", "Envoy has no cluster %q, which engine.service.cluster names", s.Cluster)
}

// host is a host of a cluster.
type host struct {
	Address struct {
		SocketAddress struct {
			Address   string
			PortValue int `json:"port_value"`
		} `json:"socket_address"`
	}
	HealthStatus map[string]any `json:"health_status"`
}

// healthy reports whether no mark says that the host is unhealthy: each mark except
// eds_health_status is a failed check.
func (h host) healthy() bool {
	for mark, value := range h.HealthStatus {
		if mark == "eds_health_status" && value != "HEALTHY" && value != "UNKNOWN" || value == true {
			return false
		}
	}
	return true
}

func (h host) address() string {
	return fmt.Sprintf("%s:%d", h.Address.SocketAddress.Address, h.Address.SocketAddress.PortValue)
}

// counters checks the filter's counters.
func (d *doctor) counters() {
	text, err := d.get("/stats?filter=cloakroom")
	if err != nil {
		return
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		var n int
		if _, after, ok := strings.Cut(name, "cloakroom."); ok {
			if _, err := fmt.Sscan(value, &n); err == nil {
				counts[after] += n
			}
		}
	}
	d.right("since it was started the filter has admitted %d requests, %d as anonymous, and refused %d without a session", counts["admitted"], counts["anonymous"], counts["missing"])
	for name, do := range map[string]string{
		"unavailable":   "Envoy's log has the reason, in lines with \"no usable answer from the session service\"",
		"misconfigured": "Envoy's log has the reason: a route's configuration, or data that no header can carry",
		"overloaded":    "bound connections and streams in Envoy, or add replicas of the session service",
	} {
		if n := counts[name]; n > 0 {
			d.note("%d requests were %s: %s", n, name, do)
		}
	}
}
