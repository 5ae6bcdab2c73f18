// Package session is the domain: session keys, cookies and expiry, as Django's session framework
// defines them, and the contract of a store of sessions. It imports only a small part of the
// standard library, so that the filter can use it in wasm.
//
// Formats and rules are those of django.contrib.sessions (5.2). Each doc comment names the module
// that it follows.
package session
