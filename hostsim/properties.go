package hostsim

import (
	"net"
	"net/http"
	"strconv"
	"strings"
)

// attributes are lazy fields of a stream: only what is asked for is computed. A
// field that is not there answers false.
type attributes struct {
	s     *stream
	table map[string]func(*stream) (any, bool)
}

func (a attributes) field(name string) (any, bool) {
	f := a.table[name]
	if f == nil {
		return nil, false
	}
	return f(a.s)
}

func (a attributes) names() []string {
	f := fields{}
	for name := range a.table {
		f[name] = nil
	}
	return f.names()
}

// streamAttributes are the attributes below request, response, connection, source,
// destination and xds.
var streamAttributes = map[string]map[string]func(*stream) (any, bool){
	"xds": {
		"route_name":     ofRoute(func(r *Route) any { return r.Name }),
		"route_metadata": ofRoute(func(r *Route) any { return r.metadata }),
		"cluster_name":   ofRoute(func(r *Route) any { return r.Cluster }),
	},
	"request": {
		"path":      ofRequest(":path"),
		"host":      ofRequest(":authority"),
		"scheme":    ofRequest(":scheme"),
		"method":    ofRequest(":method"),
		"referer":   ofRequest("referer"),
		"id":        ofRequest("x-request-id"),
		"useragent": ofRequest("user-agent"),
		"url_path":  urlPath,
		"query":     query,
		"size":      requestSize,
		"protocol":  func(s *stream) (any, bool) { return s.client.Proto, true },
		"time":      func(s *stream) (any, bool) { return s.started.UnixNano(), true },
		"headers":   func(s *stream) (any, bool) { return headerAttributes{s.shownRequest()}, true },
	},
	"response": {
		"code":         responseCode,
		"code_details": func(s *stream) (any, bool) { return s.details, s.details != "" || s.response != nil },
		"headers":      func(s *stream) (any, bool) { return headerAttributes{s.shownResponse()}, true },
	},
	"connection": {
		"id": func(s *stream) (any, bool) { return s.id, true },
		"mtls": func(s *stream) (any, bool) {
			return s.client.TLS != nil && len(s.client.TLS.PeerCertificates) > 0, true
		},
		"requested_server_name": serverName,
	},
	"source": {
		"address": func(s *stream) (any, bool) { return s.client.RemoteAddr, s.client.RemoteAddr != "" },
		"port":    func(s *stream) (any, bool) { return port(s.client.RemoteAddr) },
	},
	"destination": {
		"address": func(s *stream) (any, bool) { return s.localAddress() },
		"port": func(s *stream) (any, bool) {
			address, _ := s.localAddress()
			return port(address)
		},
	},
}

// ofRoute reads the route that the request had when it was last routed.
func ofRoute(f func(*Route) any) func(*stream) (any, bool) {
	return func(s *stream) (any, bool) {
		if s.route == nil {
			return nil, false
		}
		return f(s.route), true
	}
}

func ofRequest(name string) func(*stream) (any, bool) {
	return func(s *stream) (any, bool) {
		m := s.shownRequest()
		if m == nil {
			return nil, false
		}
		v, found := m.get(name)
		return v, found
	}
}

// shownRequest is the request's map where an attribute may be read from it: as for
// host calls, while it is live and in proxy_on_log.
func (s *stream) shownRequest() *headerMap {
	if s.logging {
		return s.request
	}
	return s.dec.live
}

func (s *stream) shownResponse() *headerMap {
	if s.logging {
		return s.response
	}
	return s.enc.live
}

func urlPath(s *stream) (any, bool) {
	path, found := ofRequest(":path")(s)
	if !found {
		return nil, false
	}
	before, _, _ := strings.Cut(path.(string), "?")
	return before, true
}

func query(s *stream) (any, bool) {
	path, found := ofRequest(":path")(s)
	if !found {
		return nil, false
	}
	_, after, _ := strings.Cut(path.(string), "?")
	after, _, _ = strings.Cut(after, "#")
	return after, true
}

func requestSize(s *stream) (any, bool) {
	length, found := ofRequest("content-length")(s)
	if !found {
		return s.received, true
	}
	n, err := strconv.ParseInt(length.(string), 10, 64)
	return n, err == nil
}

func responseCode(s *stream) (any, bool) {
	if s.response == nil {
		return nil, false
	}
	n, err := strconv.ParseInt(s.response.value(":status"), 10, 64)
	return n, err == nil
}

func serverName(s *stream) (any, bool) {
	if s.client.TLS == nil {
		return "", true
	}
	return s.client.TLS.ServerName, true
}

func (s *stream) localAddress() (string, bool) {
	address, found := s.client.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !found {
		return "", false
	}
	return address.String(), true
}

func port(address string) (any, bool) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// headerAttributes is a header map as an attribute: all values of a name, joined.
type headerAttributes struct{ m *headerMap }

func (h headerAttributes) field(name string) (any, bool) {
	if h.m == nil {
		return nil, false
	}
	var values []string
	for _, p := range h.m.pairs {
		if p.name == strings.ToLower(name) {
			values = append(values, p.value)
		}
	}
	return strings.Join(values, ","), len(values) > 0
}

func (h headerAttributes) names() []string {
	if h.m == nil {
		return nil
	}
	f := fields{}
	for _, p := range h.m.pairs {
		f[p.name] = nil
	}
	return f.names()
}

// property finds the value at a path for the context in effect.
func (v *vm) property(path []string) (any, bool) {
	if len(path) == 0 {
		return nil, false
	}
	c := v.inEffect()
	switch path[0] {
	case "plugin_name":
		return descend(v.host.cfg.PluginName, path[1:])
	case "plugin_root_id":
		return descend(v.host.cfg.RootID, path[1:])
	case "plugin_vm_id":
		return descend(v.host.cfg.VMID, path[1:])
	}
	if c.stream == nil {
		return nil, false
	}
	if table := streamAttributes[path[0]]; table != nil {
		return descend(attributes{c.stream, table}, path[1:])
	}
	switch path[0] {
	case "connection_id":
		return descend(c.stream.id, path[1:])
	case "metadata": // dynamic metadata, which no host call writes
		return descend(message{fields: fields{"filter_metadata": fields{}}}, path[1:])
	}
	state, found := c.stream.filterState[path[0]]
	if !found {
		return nil, false
	}
	return descend(state, path[1:])
}

func getProperty(v *vm, a []uint64) status {
	path, inside := v.mem.text(a[0], a[1])
	if !inside {
		return invalidMemory
	}
	value, found := v.property(splitPath(path))
	if !found {
		return notFound
	}
	text, st := serialize(value)
	if st != ok {
		return st
	}
	return v.give(text, a[2], a[3])
}

// setProperty keeps a value with the stream. Its name is the path as it stands;
// therefore one of several elements cannot be read back, as in Envoy.
func setProperty(v *vm, a []uint64) status {
	path, foundPath := v.mem.text(a[0], a[1])
	value, foundValue := v.mem.text(a[2], a[3])
	if !foundPath || !foundValue {
		return invalidMemory
	}
	s := v.inEffect().stream
	if s == nil || s.logging {
		return notFound
	}
	s.filterState[path] = value
	return ok
}
