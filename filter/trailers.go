package filter

import "cloakroom/filter/config"

// RequestTrailers returns the edits of a request's trailers: no upstream may take for
// identity, or for a session, what a client sends behind the body.
func RequestTrailers(c *config.Config, h Headers) (edits []Edit) {
	for i := range h {
		if name := h[i][0]; c.Strip().Has(name) || isCredential(config.Fold(name)) || mayInstruct(config.Fold(name)) {
			edits = append(edits, Edit{Op: Remove, Name: name})
		}
	}
	return edits
}

// isCredential reports whether a folded name is of a header that says who sends a request.
func isCredential(name string) bool { return name == "cookie" || name == config.Authorization }

// ResponseTrailers returns the edits of a response's trailers: instructions are read in the
// headers only, and never pass to the client.
func ResponseTrailers(h Headers) (edits []Edit) {
	for i := range h {
		if name := h[i][0]; mayInstruct(name) {
			edits = append(edits, Edit{Op: Remove, Name: name})
		}
	}
	return edits
}
