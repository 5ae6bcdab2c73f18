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

// Map is a header map as the guest sees it: names in lower case, pseudo
// headers first, several values of a name as several entries, except for the names
// that Envoy keeps once only.
type Map struct {
	Pairs []abi.Pair
	// single are the names that have one entry; a further value is appended to it.
	single map[string]bool
}

// Names that Envoy (1.36 to 1.40) keeps once in a map, beside the pseudo headers:
// its inline headers.
var (
	singleRequest = nameSet(`accept accept-encoding access-control-request-headers
		access-control-request-method authorization cache-control connection content-length
		content-type expect grpc-accept-encoding grpc-timeout if-match if-modified-since
		if-none-match if-range if-unmodified-since keep-alive origin pragma proxy-connection
		referer te transfer-encoding upgrade user-agent via x-client-trace-id
		x-envoy-expected-rq-timeout-ms x-envoy-internal x-forwarded-client-cert
		x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-request-id`)
	singleResponse = nameSet(`access-control-allow-credentials access-control-allow-headers
		access-control-allow-methods access-control-allow-origin access-control-expose-headers
		access-control-max-age age cache-control connection content-encoding content-length
		content-type date etag expires grpc-message grpc-status keep-alive last-modified location
		proxy-connection proxy-status server transfer-encoding upgrade vary via
		x-envoy-upstream-service-time x-request-id`)
)

func nameSet(names string) map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		set[name] = true
	}
	return set
}

func NewRequest() *Map  { return &Map{single: singleRequest} }
func NewResponse() *Map { return &Map{single: singleResponse} }

// canonical is the name under which an entry stands: host is another name of :authority.
func canonical(name string) string {
	if name == "host" {
		return ":authority"
	}
	return name
}

func (m *Map) index(name string) int {
	return slices.IndexFunc(m.Pairs, func(p abi.Pair) bool { return p.Name == name })
}

// Get returns the first value of the name.
func (m *Map) Get(name string) (string, bool) {
	if i := m.index(canonical(name)); i >= 0 {
		return m.Pairs[i].Value, true
	}
	return "", false
}

// Value is get without telling an absent name from an empty value.
func (m *Map) Value(name string) string {
	v, _ := m.Get(name)
	return v
}

// isSingle reports whether the name has one entry at most.
func (m *Map) isSingle(name string) bool {
	return m.single[name] || strings.HasPrefix(name, ":")
}

// Add appends an entry; a pseudo header goes before all ordinary ones. A second
// Value of a single header joins the first after a comma.
func (m *Map) Add(name, value string) {
	name = canonical(name)
	if i := m.index(name); i >= 0 && m.isSingle(name) {
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

// Set replaces all values of the name by one: a single header's in its place,
// another's at the end.
func (m *Map) Set(name, value string) {
	name = canonical(name)
	if i := m.index(name); i >= 0 && m.isSingle(name) {
		m.Pairs[i].Value = value
		return
	}
	m.Remove(name)
	m.Add(name, value)
}

// SetDefault adds the header where there is none of the name.
func (m *Map) SetDefault(name, value string) {
	if _, given := m.Get(name); !given {
		m.Add(name, value)
	}
}

func (m *Map) Remove(name string) {
	name = canonical(name)
	m.Pairs = slices.DeleteFunc(m.Pairs, func(p abi.Pair) bool { return p.Name == name })
}

// ReplaceAll empties the map and adds the pairs.
func (m *Map) ReplaceAll(ps []abi.Pair) {
	m.Pairs = nil
	for _, p := range ps {
		m.Add(strings.ToLower(p.Name), p.Value)
	}
}

// ByteSize is the sum of all names and values, in bytes.
func (m *Map) ByteSize() int {
	n := 0
	for _, p := range m.Pairs {
		n += len(p.Name) + len(p.Value)
	}
	return n
}

// AddHTTP adds a net/http header, sorted by name, because net/http does not keep
// the order of the wire.
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

// hopByHop are the headers that a proxy keeps to itself, and those that net/http
// writes from fields of its own.
var hopByHop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true,
	"transfer-encoding": true, "upgrade": true, "host": true,
}

// CopyTo copies the ordinary headers into h; for an upgraded stream connection
// and upgrade go along.
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

// IsUpgrade reports whether the map asks for, or grants, a change of protocol.
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

// DropHopByHop takes out of a client's request what is meant for this hop: the
// connection's headers, what Connection names, and what only proxies may claim. An
// upgrade keeps the two headers that ask for it.
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
