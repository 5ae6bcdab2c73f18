package service

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// maxShown bounds the data in a response, in bytes: more does not fit a request header (Envoy's
// max_request_headers_kb is 60), and a session that is larger must not fail for that.
const maxShown = 64 << 10

// The bounds of the list of omitted keys.
const (
	maxOmitted     = 32
	maxOmittedName = 128
)

// shown returns the data of a session as a response holds it, and the keys that it omits: those
// whose values are withheld, and the largest, until the others fit. It never omits what the filter
// decides by: the login's keys, the session's expiry, and Cloakroom's own keys.
func shown(v session.Session) (data json.RawMessage, omitted []string) {
	if v.Origin != nil {
		for _, w := range v.Origin.Withheld {
			omitted = append(omitted, w.Key)
		}
	}
	if data = v.Data; len(data) > maxShown {
		var large []string
		data, large = withoutLargest(data)
		omitted = append(omitted, large...)
	}
	omitted = slices.DeleteFunc(omitted, func(key string) bool { return key == "" || len(key) > maxOmittedName })
	if len(omitted) > maxOmitted {
		omitted = append(omitted[:maxOmitted], "*")
	}
	return data, omitted
}

func withoutLargest(data json.RawMessage) (json.RawMessage, []string) {
	all, err := rawjson.Object(string(data), nil)
	if err != nil {
		return data, nil // not reached: a store's data is an object
	}
	bySize := slices.Clone(all)
	slices.SortStableFunc(bySize, func(a, b rawjson.Member) int { return cmp.Compare(len(b.Value), len(a.Value)) })
	out := map[string]bool{}
	var omitted []string
	for size, i := len(data), 0; size > maxShown && i < len(bySize); i++ {
		if m := bySize[i]; !essential(m.Name) {
			out[m.Name] = true
			omitted = append(omitted, m.Name)
			size -= len(m.Name) + len(m.Value)
		}
	}
	kept := []byte{'{'}
	for _, m := range all {
		if out[m.Name] {
			continue
		}
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		kept = append(append(rawjson.AppendString(kept, m.Name), ':'), m.Value...)
	}
	return append(kept, '}'), omitted
}

func essential(key string) bool {
	return key == session.UserKey || key == hashKey || key == backendKey || key == session.ExpiryKey || strings.HasPrefix(key, ownPrefix)
}
