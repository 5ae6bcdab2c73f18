package filter

import (
	"slices"
	"strings"

	"cloakroom/filter/config"
	"cloakroom/session/rawjson"
)

// withoutAttributes returns the data without the keys that are called as attributes of users are:
// what a service or a client has put into a session must not be taken for what the accounts hold.
func withoutAttributes(data []rawjson.Member) []rawjson.Member {
	for i := range data {
		if config.IsAttribute(data[i].Name) {
			return slices.DeleteFunc(slices.Clone(data), func(m rawjson.Member) bool { return config.IsAttribute(m.Name) })
		}
	}
	return data
}

// withAttributes returns the data and the attributes that the route names, by its keys for them.
func withAttributes(route *config.Route, data []rawjson.Member, attributes string) []rawjson.Member {
	keys := route.Attributes()
	if len(keys) == 0 || attributes == "" {
		return data
	}
	members, err := rawjson.Object(attributes, nil)
	if err != nil {
		return data // it was read before
	}
	all := slices.Clip(data)
	for _, key := range keys {
		if raw := value(members, key[len(config.AttributePrefix):]); raw != "" {
			all = append(all, rawjson.Member{Name: key, Value: raw})
		}
	}
	return all
}

// attribute has the session of a cookie have the attributes that the service's answer about it has.
func (r *LookupResult) attribute(by *LookupResult) {
	if r.attributes != by.attributes || !slices.Equal(r.omitted, by.omitted) {
		r.attributes, r.omitted, r.authz = by.attributes, by.omitted, nil
	}
}

// fills reports whether a header in percent-encoding, or filter state, is filled from a key.
func fills(id *config.Identity, key string) bool {
	if !config.IsAttribute(key) && !id.Encodes() {
		return false
	}
	return slices.ContainsFunc(id.Headers, func(h config.IdentityHeader) bool { return h.Key == key || h.Second == key }) ||
		slices.ContainsFunc(id.State, func(f config.StateField) bool { return f.Key == key })
}

// encodedHeader returns a header's text in percent-encoding, of both of its keys if it has two, and
// the keys of the values that do not fit.
func encodedHeader(h *config.IdentityHeader, data []rawjson.Member, most int) (text string, omitted []string) {
	text, fits := encodedText(value(data, h.Key), most)
	if !fits {
		text, omitted = "", append(omitted, h.Key)
	}
	if h.Second == "" {
		return text, omitted
	}
	if text != "" {
		text += " "
	}
	second, fits := encodedText(value(data, h.Second), most-len(text))
	if !fits {
		second, omitted = "", append(omitted, h.Second)
	}
	return strings.TrimSuffix(text+second, " "), omitted
}

// encodedText returns a value as text in printable ASCII, for headers and filter state: a text and
// each text of a list with all but printable ASCII in percent-encoding, a list's joined by commas,
// other values as JSON; "" for nothing and null. It fits where it has no more than so many bytes.
func encodedText(raw string, most int) (text string, fits bool) {
	if raw == "" || raw == "null" {
		return "", true
	}
	var line []byte
	if one, ok := rawjson.String(raw); ok {
		line = appendEncoded(line, one, false)
	} else if list, ok := rawjson.Strings(raw); !ok {
		line = rawjson.AppendASCII(line, raw)
	} else {
		for i, item := range list {
			if i > 0 {
				line = append(line, ',')
			}
			line = appendEncoded(line, item, true)
		}
	}
	return string(line), len(line) <= most
}

// appendEncoded appends a text in percent-encoding (RFC 3986 section 2.1) of its UTF-8: of '%', of
// what is not printable in ASCII, of spaces at an end, which HTTP removes, and in a list of commas.
func appendEncoded(line []byte, text string, listed bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(text); i++ {
		c := text[i]
		atEnd := c == ' ' && (i == 0 || i == len(text)-1)
		if c < ' ' || c > '~' || c == '%' || atEnd || (listed && c == ',') {
			line = append(line, '%', digits[c>>4], digits[c&15])
		} else {
			line = append(line, c)
		}
	}
	return line
}
