package filter

import "unsafe"

// keep gives what a stream that waits may ask of its request's headers when it goes on,
// in the stream's memory.
func (r *room) keep(h Headers) Headers {
	r.headers, r.text = r.headers[:0], r.text[:0]
	for i := range h {
		if field := &h[i]; isKept(field[0]) {
			r.headers = append(r.headers, [2]string{r.own(field[0]), r.own(field[1])})
		}
	}
	return r.headers
}

// own gives a copy of a text.
func (r *room) own(text string) string {
	from := len(r.text)
	r.text = append(r.text, text...)
	return unsafe.String(unsafe.SliceData(r.text[from:]), len(text))
}

// isKept reports whether a header is kept: the way back from the login page, the cookies,
// and what the kind of a request is told by.
func isKept(name string) bool {
	switch name {
	case ":method", ":path", ":scheme", ":authority", "cookie",
		"content-type", "upgrade", "sec-fetch-mode", "x-requested-with", "accept", "origin":
		return true
	}
	return false
}
