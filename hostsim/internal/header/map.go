// Package header implements Envoy's header maps.
package header

import (
	"net/http"
	"slices"
	"sort"
	"strings"

	"cloakroom/hostsim/internal/abi"
)

// Envoy's limits of the headers of one message.
const (
	MaxBytes = 60 << 10 // max_request_headers_kb; for responses too
	MaxCount = 100      // max_headers_count
)

// Map is a header map as a guest sees it. Names are in lower case, pseudo headers come first,
// and several values of a name are several entries, except for Envoy's inline headers. The
// zero value is an empty map without inline headers, for trailers.
type Map struct {
	Pairs []abi.Pair
	// inline are the names that have one entry. Further values are appended to its value.
	inline map[string]bool
}

// The inline headers of Envoy 1.36 to 1.40, beside the pseudo headers.
var (
	inlineRequest = nameSet(`accept accept-encoding access-control-request-headers
		access-control-request-method authorization cache-control connection content-length
		content-type expect grpc-accept-encoding grpc-timeout if-match if-modified-since
		if-none-match if-range if-unmodified-since keep-alive origin pragma proxy-connection
		referer te transfer-encoding upgrade user-agent via x-client-trace-id
		x-envoy-expected-rq-timeout-ms x-envoy-internal x-forwarded-client-cert
		x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-request-id`)
	inlineResponse = nameSet(`access-control-allow-credentials access-control-allow-headers
		access-control-allow-methods access-control-allow-origin access-control-expose-headers
		access-control-max-age age cache-control connection content-encoding content-length
		content-type date etag expires grpc-message grpc-status keep-alive last-modified location
		proxy-connection proxy-status server transfer-encoding upgrade vary via
		x-envoy-upstream-service-time x-request-id`)
)

// nameSet returns the names, which white space separates, as a set.
func nameSet(names string) map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		set[name] = true
	}
	return set
}

// NewRequest returns an empty map for request headers.
func NewRequest() *Map { return &Map{inline: inlineRequest} }

// NewResponse returns an empty map for response headers.
func NewResponse() *Map { return &Map{inline: inlineResponse} }

// canonical returns the name under which a header is stored: host is :authority.
func canonical(name string) string {
	if name == "host" {
		return ":authority"
	}
	return name
}

// index returns the index of the first entry of the name, or -1.
func (m *Map) index(name string) int {
	return slices.IndexFunc(m.Pairs, func(p abi.Pair) bool { return p.Name == name })
}

// Get returns the first value of the name, which must be in lower case.
func (m *Map) Get(name string) (value string, found bool) {
	if i := m.index(canonical(name)); i >= 0 {
		return m.Pairs[i].Value, true
	}
	return "", false
}

// Value returns the first value of the name, or "".
func (m *Map) Value(name string) string {
	v, _ := m.Get(name)
	return v
}

// isInline reports whether the map holds at most one entry of the name.
func (m *Map) isInline(name string) bool {
	return m.inline[name] || strings.HasPrefix(name, ":")
}

// Add appends an entry; a pseudo header is inserted before all ordinary ones. To an inline
// header that exists the value is appended after a comma.
func (m *Map) Add(name, value string) {
	name = canonical(name)
	if i := m.index(name); i >= 0 && m.isInline(name) {
		if value != "" && m.Pairs[i].Value != "" {
			value = "," + value
		}
		m.Pairs[i].Value += value
		return
	}
	at := len(m.Pairs)
	if strings.HasPrefix(name, ":") {
		at = slices.IndexFunc(m.Pairs, func(p abi.Pair) bool { return !strings.HasPrefix(p.Name, ":") })
		if at < 0 {
			at = len(m.Pairs)
		}
	}
	m.Pairs = slices.Insert(m.Pairs, at, abi.Pair{Name: name, Value: value})
}

// Set replaces all values of the name by one. An inline header keeps its position; another
// one moves to the end.
func (m *Map) Set(name, value string) {
	name = canonical(name)
	if i := m.index(name); i >= 0 && m.isInline(name) {
		m.Pairs[i].Value = value
		return
	}
	m.Remove(name)
	m.Add(name, value)
}

// SetDefault adds the header if the map has none of the name.
func (m *Map) SetDefault(name, value string) {
	if _, found := m.Get(name); !found {
		m.Add(name, value)
	}
}

// Remove removes all entries of the name.
func (m *Map) Remove(name string) {
	name = canonical(name)
	m.Pairs = slices.DeleteFunc(m.Pairs, func(p abi.Pair) bool { return p.Name == name })
}

// ReplaceAll replaces all entries by the pairs, whose names may be in any case.
func (m *Map) ReplaceAll(ps []abi.Pair) {
	m.Pairs = nil
	for _, p := range ps {
		m.Add(strings.ToLower(p.Name), p.Value)
	}
}

// ByteSize returns the length of all names and values, in bytes.
func (m *Map) ByteSize() int {
	n := 0
	for _, p := range m.Pairs {
		n += len(p.Name) + len(p.Value)
	}
	return n
}

// AddHTTP adds the headers of net/http in the order of their names, because net/http does
// not keep the order of the wire.
func (m *Map) AddHTTP(h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, v := range h[name] {
			m.Add(strings.ToLower(name), v)
		}
	}
}

// hopByHop are the headers that a proxy does not forward, and those that net/http writes
// from fields of its own.
var hopByHop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true,
	"transfer-encoding": true, "upgrade": true, "host": true,
}

// CopyTo adds the headers to h, without pseudo and hop-by-hop headers. For an upgraded
// stream it includes connection and upgrade.
func (m *Map) CopyTo(h http.Header, upgrade bool) {
	for _, p := range m.Pairs {
		switch {
		case strings.HasPrefix(p.Name, ":"):
		case hopByHop[p.Name] && !(upgrade && (p.Name == "connection" || p.Name == "upgrade")):
		default:
			h.Add(p.Name, p.Value)
		}
	}
}

// IsUpgrade reports whether the message requests or accepts a protocol upgrade.
func (m *Map) IsUpgrade() bool {
	if m.Value("upgrade") == "" {
		return false
	}
	for token := range strings.SplitSeq(m.Value("connection"), ",") {
		if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
			return true
		}
	}
	return false
}

// IsGRPC reports whether the content type is application/grpc or application/grpc+….
func (m *Map) IsGRPC() bool {
	rest, ok := strings.CutPrefix(m.Value("content-type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+')
}

// DropHopByHop removes what concerns only this hop from a client's request: hop-by-hop
// headers, those that connection names, and headers that only proxies may send. A request for
// an upgrade keeps connection and upgrade.
func (m *Map) DropHopByHop() {
	upgrade := m.IsUpgrade()
	for token := range strings.SplitSeq(m.Value("connection"), ",") {
		if name := strings.ToLower(strings.TrimSpace(token)); name != "" && !upgrade {
			m.Remove(name)
		}
	}
	for name := range hopByHop {
		if name != "host" && (!upgrade || name != "connection" && name != "upgrade") {
			m.Remove(name)
		}
	}
	m.Remove("expect")
	m.Remove("x-envoy-internal")
}
