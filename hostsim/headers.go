package hostsim

import (
	"net/http"
	"slices"
	"sort"
	"strings"
)

// headerMap is a header map as the guest sees it: names in lower case, pseudo
// headers first, several values of a name as several entries.
type headerMap struct{ pairs []pair }

// get returns the first value of the name.
func (m *headerMap) get(name string) (string, bool) {
	for _, p := range m.pairs {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// value is get without telling an absent name from an empty value.
func (m *headerMap) value(name string) string {
	v, _ := m.get(name)
	return v
}

// add appends an entry; a pseudo header goes before all ordinary ones.
func (m *headerMap) add(name, value string) {
	at := len(m.pairs)
	if strings.HasPrefix(name, ":") {
		at = slices.IndexFunc(m.pairs, func(p pair) bool { return !strings.HasPrefix(p.name, ":") })
		if at < 0 {
			at = len(m.pairs)
		}
	}
	m.pairs = slices.Insert(m.pairs, at, pair{name, value})
}

// set replaces all values of the name by one, in the place of the first.
func (m *headerMap) set(name, value string) {
	i := slices.IndexFunc(m.pairs, func(p pair) bool { return p.name == name })
	if i < 0 {
		m.add(name, value)
		return
	}
	m.pairs[i].value = value
	kept := m.pairs[:i+1]
	for _, p := range m.pairs[i+1:] {
		if p.name != name {
			kept = append(kept, p)
		}
	}
	m.pairs = kept
}

func (m *headerMap) remove(name string) {
	m.pairs = slices.DeleteFunc(m.pairs, func(p pair) bool { return p.name == name })
}

// replaceAll empties the map and adds the pairs.
func (m *headerMap) replaceAll(ps []pair) {
	m.pairs = nil
	for _, p := range ps {
		m.add(strings.ToLower(p.name), p.value)
	}
}

// byteSize is the sum of all names and values, in bytes.
func (m *headerMap) byteSize() int {
	n := 0
	for _, p := range m.pairs {
		n += len(p.name) + len(p.value)
	}
	return n
}

// addHTTP adds a net/http header, sorted by name, because net/http does not keep
// the order of the wire.
func (m *headerMap) addHTTP(h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, v := range h[name] {
			m.pairs = append(m.pairs, pair{strings.ToLower(name), v})
		}
	}
}

// hopByHop are the headers that a proxy keeps to itself, and those that net/http
// writes from fields of its own.
var hopByHop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true,
	"transfer-encoding": true, "upgrade": true, "host": true,
}

// toHTTP copies the ordinary headers into h; for an upgraded stream connection
// and upgrade go along.
func (m *headerMap) toHTTP(h http.Header, upgrade bool) {
	for _, p := range m.pairs {
		switch {
		case strings.HasPrefix(p.name, ":"):
		case hopByHop[p.name] && !(upgrade && (p.name == "connection" || p.name == "upgrade")):
		default:
			h.Add(p.name, p.value)
		}
	}
}

// isUpgrade reports whether the map asks for, or grants, a change of protocol.
func (m *headerMap) isUpgrade() bool {
	if m.value("upgrade") == "" {
		return false
	}
	for token := range strings.SplitSeq(m.value("connection"), ",") {
		if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
			return true
		}
	}
	return false
}

// isGRPC reports whether the content type is application/grpc or application/grpc+….
func (m *headerMap) isGRPC() bool {
	rest, ok := strings.CutPrefix(m.value("content-type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+')
}
