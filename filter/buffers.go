package filter

import (
	"unsafe"

	"cloakroom/api"
	"cloakroom/filter/config"
)

// streamBuffers is memory that a stream uses again for each of its requests.
type streamBuffers struct {
	text   []byte // of the session's key
	result keptResult
	trace  [api.MaxRequestID]byte      // the request's x-request-id
	parent [api.TraceParentLength]byte // and its traceparent
}

// keptResult is a lookup result and what the first route makes of it, in one piece of memory.
type keptResult struct {
	result LookupResult
	authz  authzResult
}

// release drops from the result the strings that share the response's memory, and what only the
// request's direction needs.
func (k *keptResult) release() {
	r := &k.result
	r.text, r.attributes, r.key, r.user, r.handle, r.authz = "", "", "", "", nil, nil
	r.tokens = tokens{}
	k.authz = authzResult{}
}

// keep returns a copy of texts, joined, that lasts as long as the request.
func (b *streamBuffers) keep(texts ...string) string {
	from := len(b.text)
	for _, text := range texts {
		b.text = append(b.text, text...)
	}
	return textOf(b.text[from:])
}

// lookupBody is the body of NewLookup's callout for a valid key, which asks for the route's token
// besides.
func (b *streamBuffers) lookupBody(route *config.Route, key string) string {
	return b.keep(keyBefore, key, `"`, route.Service.Wanted(), route.Identity.Token.Wanted(), "}")
}

// textOf returns bytes that do not change any more as a text.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Shared is what all streams of a worker use. The zero value is ready; it caches no cookies.
type Shared struct {
	// Cookies are signed cookies that were verified.
	Cookies *CookieCache
	// lines is where the data headers lie that are made for one event of the host's.
	lines []byte
}

// Reset makes the memory of the actions before free for others.
func (s *Shared) Reset() {
	if len(s.lines) == 0 {
		return
	}
	if cap(s.lines) > 64<<10 {
		s.lines = nil
	}
	s.lines = s.lines[:0]
}
