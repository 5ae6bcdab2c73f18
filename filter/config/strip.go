package config

import (
	"maps"
	"slices"
	"strings"
)

// Fold returns one form of the header names that some server may take for one another: CGI and WSGI make '_' of '-' and of any other byte that is no letter
// and no digit (CVE-2025-64484).
func Fold(name string) string {
	for i := 0; i < len(name); i++ {
		if name[i] != foldByte(name[i]) {
			folded := []byte(name)
			for i, c := range folded {
				folded[i] = foldByte(c)
			}
			return string(folded)
		}
	}
	return name
}

func foldByte(c byte) byte {
	switch {
	case (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'):
		return c
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	}
	return '-'
}

// Strip is the set of request headers that no client may send, by their folded names. A nil
// Strip is empty.
type Strip struct {
	names  map[string]bool
	shapes uint64 // the names' shapes, so that few others are folded
}

func (s *Strip) add(name string) {
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[Fold(name)] = true
	s.shapes |= shape(name)
}

// Has reports whether a header is in the set, whatever form its name has.
func (s *Strip) Has(name string) bool {
	return s != nil && s.shapes&shape(name) != 0 && s.names[Fold(name)]
}

// shape returns one of 64 bits, the same for names that fold to the same; none for a
// pseudo-header's.
func shape(name string) uint64 {
	if name == "" || name[0] == ':' {
		return 0
	}
	return 1 << ((uint(len(name))*8 + uint(foldByte(name[len(name)-1]))) % 64)
}

// HeaderNames returns the names of the request headers that carry identity.
func (id *Identity) HeaderNames() []string {
	names := append(make([]string, 0, len(id.Headers)+len(id.absent)+2), id.absent...)
	for _, h := range id.Headers {
		names = append(names, h.Name)
	}
	if id.DataHeader != "" {
		names = append(names, id.DataHeader, id.DataHeader+OmittedSuffix)
	}
	return append(names, id.Token.headerNames()...)
}

// reserved are names that HTTP, Envoy or this filter read themselves.
var reserved = []string{
	"host", "cookie", "connection", "content-length", "content-type", "transfer-encoding", "te", "upgrade",
	"set-cookie", "vary", "location", "origin", "accept", "x-request-id", "x-forwarded-for", "x-forwarded-proto",
}

// isIdentityName reports whether a header may carry identity.
func isIdentityName(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && !slices.Contains(reserved, name) &&
		!strings.HasPrefix(name, "x-envoy-") && !strings.HasPrefix(name, "sec-")
}

// OmittedSuffix ends the name of the header that lists the keys whose data has no room in
// Identity.DataHeader, as a JSON array of strings: a page must not fail because a session is
// large, and a service must not take what has no room for what is not there.
const OmittedSuffix = "-omitted"

// Names returns the names in the set, folded and sorted.
func (s *Strip) Names() []string { return slices.Sorted(maps.Keys(s.names)) }
