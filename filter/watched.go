package filter

// EndsWithSession reports whether the stream is to be closed when its session ends.
func (s *Stream) EndsWithSession() bool { return s.route != nil && s.route.EndStreams }

// Watched returns the session whose end ends the stream: the key of its cached result and
// events, and the callout by which it is looked up again. ok is false where there is none.
func (s *Stream) Watched() (key string, ask Callout, r *LookupResult, ok bool) {
	switch {
	case !s.live() || s.key == "":
		return "", Callout{}, nil, false
	case s.handle != nil:
		return s.handle.ID, s.verifyCallout(""), s.result, true
	}
	return s.key, NewLookup(&s.route.Service, s.key), s.result, true
}
