package stream

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"cloakroom/hostsim/internal/header"
	"cloakroom/hostsim/internal/property"
)

// attributes is a property.Mapping whose fields are computed when they are read.
type attributes struct {
	f     *Filter
	table map[string]attribute
}

// attribute returns the value of an attribute for a filter.
type attribute func(*Filter) (value any, found bool)

// Field implements property.Mapping.
func (a attributes) Field(name string) (any, bool) {
	get := a.table[name]
	if get == nil {
		return nil, false
	}
	return get(a.f)
}

// Names implements property.Mapping.
func (a attributes) Names() []string {
	f := property.Fields{}
	for name := range a.table {
		f[name] = nil
	}
	return f.Names()
}

// streamAttributes are the attributes of streams, by the first two parts of their paths.
var streamAttributes = map[string]map[string]attribute{
	"xds": {
		"route_name":     ofRoute(func(r *Route) any { return r.Name }),
		"route_metadata": ofRoute(func(r *Route) any { return r.Metadata }),
		"cluster_name":   ofRoute(func(r *Route) any { return r.Cluster }),
		// There is one virtual host, and only routes have metadata.
		"virtual_host_name":     func(f *Filter) (any, bool) { return f.s.proxy.VirtualHost, true },
		"virtual_host_metadata": ofRoute(func(*Route) any { return property.Message{} }),
		"cluster_metadata":      ofRoute(func(*Route) any { return property.Message{} }),
		"listener_metadata":     func(*Filter) (any, bool) { return property.Message{}, true },
		"listener_direction":    func(*Filter) (any, bool) { return int64(0), true },
	},
	"upstream": {
		"address":                  ofConnection(func(a, _ net.Addr) any { return a.String() }),
		"local_address":            ofConnection(func(_, b net.Addr) any { return b.String() }),
		"port":                     upstreamPort,
		"transport_failure_reason": ofConnection(func(net.Addr, net.Addr) any { return "" }),
		"request_attempt_count":    ofConnection(func(net.Addr, net.Addr) any { return uint64(1) }),
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
		"protocol":  func(f *Filter) (any, bool) { return f.s.client.Proto, true },
		"time":      func(f *Filter) (any, bool) { return f.s.started.UnixNano(), true },
		"headers":   func(f *Filter) (any, bool) { return headerAttributes{f.readableRequest()}, true },
	},
	"response": {
		"code":         responseCode,
		"code_details": func(f *Filter) (any, bool) { return f.s.details, f.s.details != "" || f.s.responseHeaders != nil },
		"headers":      func(f *Filter) (any, bool) { return headerAttributes{f.readableResponse()}, true },
	},
	"connection": {
		"id": func(f *Filter) (any, bool) { return f.s.id, true },
		"mtls": func(f *Filter) (any, bool) {
			return f.s.client.TLS != nil && len(f.s.client.TLS.PeerCertificates) > 0, true
		},
		"requested_server_name": serverName,
	},
	"source": {
		"address": func(f *Filter) (any, bool) { return f.s.client.RemoteAddr, f.s.client.RemoteAddr != "" },
		"port":    func(f *Filter) (any, bool) { return port(f.s.client.RemoteAddr) },
	},
	"destination": {
		"address": func(f *Filter) (any, bool) { return f.s.localAddress() },
		"port": func(f *Filter) (any, bool) {
			address, _ := f.s.localAddress()
			return port(address)
		},
	},
}

// ofRoute is an attribute of the route that was selected last.
func ofRoute(get func(*Route) any) attribute {
	return func(f *Filter) (any, bool) {
		if f.s.route == nil {
			return nil, false
		}
		return get(f.s.route), true
	}
}

// ofRequest is an attribute with the value of a request header.
func ofRequest(name string) attribute {
	return func(f *Filter) (any, bool) {
		m := f.readableRequest()
		if m == nil {
			return nil, false
		}
		v, found := m.Get(name)
		return v, found
	}
}

// readableRequest returns the request headers that attributes may be read from, or nil: while
// they are live, and in proxy_on_log.
func (f *Filter) readableRequest() *header.Map {
	if f.s.logging {
		return f.s.requestHeaders
	}
	return f.request.LiveHeaders()
}

// readableResponse is readableRequest for the response headers.
func (f *Filter) readableResponse() *header.Map {
	if f.s.logging {
		return f.s.responseHeaders
	}
	return f.response.LiveHeaders()
}

func urlPath(f *Filter) (any, bool) {
	path, found := ofRequest(":path")(f)
	if !found {
		return nil, false
	}
	before, _, _ := strings.Cut(path.(string), "?")
	return before, true
}

func query(f *Filter) (any, bool) {
	path, found := ofRequest(":path")(f)
	if !found {
		return nil, false
	}
	_, after, _ := strings.Cut(path.(string), "?")
	after, _, _ = strings.Cut(after, "#")
	return after, true
}

// requestSize is the content length or, without one, the number of bytes received so far.
func requestSize(f *Filter) (any, bool) {
	length, found := ofRequest("content-length")(f)
	if !found {
		return f.s.received, true
	}
	n, err := strconv.ParseInt(length.(string), 10, 64)
	return n, err == nil
}

func responseCode(f *Filter) (any, bool) {
	if f.s.responseHeaders == nil {
		return nil, false
	}
	n, err := strconv.ParseInt(f.s.responseHeaders.Value(":status"), 10, 64)
	return n, err == nil
}

func serverName(f *Filter) (any, bool) {
	if f.s.client.TLS == nil {
		return "", true
	}
	return f.s.client.TLS.ServerName, true
}

// localAddress returns the address on which the client's connection was accepted.
func (s *Stream) localAddress() (string, bool) {
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

// headerAttributes is a header map as a property.Mapping. Several values of a name are joined
// by commas.
type headerAttributes struct{ m *header.Map }

// Field implements property.Mapping.
func (h headerAttributes) Field(name string) (any, bool) {
	if h.m == nil {
		return nil, false
	}
	var values []string
	for _, p := range h.m.Pairs {
		if p.Name == strings.ToLower(name) {
			values = append(values, p.Value)
		}
	}
	return strings.Join(values, ","), len(values) > 0
}

// Names implements property.Mapping.
func (h headerAttributes) Names() []string {
	if h.m == nil {
		return nil
	}
	f := property.Fields{}
	for _, p := range h.m.Pairs {
		f[p.Name] = nil
	}
	return f.Names()
}

// ofConnection is an attribute of the connection to the upstream, once a response has arrived
// on it.
func ofConnection(get func(remote, local net.Addr) any) attribute {
	return func(f *Filter) (any, bool) {
		conn := f.s.upstreamConn
		if conn == nil {
			return nil, false
		}
		return get(conn.RemoteAddr(), conn.LocalAddr()), true
	}
}

func upstreamPort(f *Filter) (any, bool) {
	if f.s.upstreamConn == nil {
		return nil, false
	}
	return port(f.s.upstreamConn.RemoteAddr().String())
}

// Property implements guest.Filter: it returns the value of an attribute or of filter state.
func (f *Filter) Property(path []string) (any, bool) {
	if table := streamAttributes[path[0]]; table != nil {
		return property.At(attributes{f, table}, path[1:])
	}
	switch path[0] {
	case "connection_id":
		return property.At(f.s.id, path[1:])
	case "metadata": // dynamic metadata, which no host call writes
		return property.At(property.Message{Fields: property.Fields{"filter_metadata": property.Fields{}}}, path[1:])
	case "filter_state":
		return property.At(property.State(f.s.filterState), path[1:])
	}
	state, found := f.s.filterState[property.StatePrefix+path[0]]
	if !found {
		return nil, false
	}
	return property.At(state, path[1:])
}
