package filter

import "strings"

// kept gives what a stream that waits may ask of its request's headers when it goes on,
// in memory of its own.
func kept(h Headers) Headers {
	size, fields := 0, 0
	for i := range h {
		field := &h[i]
		if keptName(field[0]) != "" {
			size += len(field[1])
			fields++
		}
	}
	var text strings.Builder
	text.Grow(size)
	own := make(Headers, 0, fields)
	for i := range h {
		field := &h[i]
		if name := keptName(field[0]); name != "" {
			from := text.Len()
			text.WriteString(field[1])
			own = append(own, [2]string{name, text.String()[from:]})
		}
	}
	return own
}

// keptNames are the headers that are kept: the way back from the login page, the cookies,
// and what the kind of a request is told by.
var keptNames = []string{
	":method", ":path", ":scheme", ":authority", "cookie",
	"content-type", "upgrade", "sec-fetch-mode", "x-requested-with", "accept", "origin",
}

// keptName gives the one of them that a name is, or "".
func keptName(name string) string {
	for _, own := range keptNames {
		if own == name {
			return own
		}
	}
	return ""
}
