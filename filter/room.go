package filter

import "unsafe"

// room is memory that a stream has for each of its requests.
type room struct {
	headers Headers
	text    []byte // of these, and of the session's key
	found   found  // by the stream's own look-up
	line    []byte // what the upstream is told of that
}

// keep gives what a stream that waits may ask of its request's headers when it goes on,
// in the stream's memory.
func (r *room) keep(h Headers) Headers {
	r.headers = r.headers[:0]
	for i := range h {
		if field := &h[i]; isKept(field[0]) {
			both := r.own(field[0], field[1])
			r.headers = append(r.headers, [2]string{both[:len(field[0])], both[len(field[0]):]})
		}
	}
	return r.headers
}

// own gives a copy of texts, joined.
func (r *room) own(texts ...string) string {
	from := len(r.text)
	for _, text := range texts {
		r.text = append(r.text, text...)
	}
	return textOf(r.text[from:])
}

// keyBody is keyBody for a valid key.
func (r *room) keyBody(key string) string { return r.own(keyBefore, key, keyBehind) }

// textOf gives bytes that nobody changes any more as a text.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

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
