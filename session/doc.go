// Package session is the domain: what a session key, its cookie and its
// expiry are, as Django's session framework defines them, and what a store of
// sessions owes its callers. It imports the standard library only, and little
// of it, so that the filter can carry it into wasm.
//
// Formats and rules are those of django.contrib.sessions (5.2); each name says
// which module it follows.
package session
