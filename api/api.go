// Package api is the wire contract between the filter and the session service, which both
// import: paths, limits, the framing of batches, and the feed. Requests and responses are JSON
// by POST; a session's key is in the body, never in a path. docs/reference.md has the paths'
// meaning.
package api

import "time"

// The paths of the calls, which may be made alone or in a batch.
const (
	Lookup  = "/v1/lookup"  // returns a session
	Verify  = "/v1/verify"  // reports whether a session in a signed cookie is revoked
	Create  = "/v1/create"  // creates a session
	Update  = "/v1/update"  // patches a session's data
	Rotate  = "/v1/rotate"  // replaces a session's key
	Login   = "/v1/login"   // creates the session of a user
	Touch   = "/v1/touch"   // moves a session's expiry
	Flush   = "/v1/flush"   // ends a session, or all of a user
	Cycle   = "/v1/cycle"   // adds a key to a session
	Used    = "/v1/used"    // reports that a client has sent an added key
	Changed = "/v1/changed" // reports that somebody else has changed or ended a session
)

// The other paths.
const (
	Batch = "/v1/batch" // several calls in one request
	Feed  = "/v1/feed"  // the events after a cursor
)

// The states of a session in a response.
const (
	StateNone  = "none"
	StateLive  = "live"
	StateEnded = "ended" // by the call that is answered
)

// MaxGrace bounds how long a key is accepted after the first use of the one that replaced it.
const MaxGrace = 24 * time.Hour

// MaxAttributes bounds the attributes of a user that a look-up or a verification names, in its
// member "attributes". The response has those of the session's user by name in "user", apart from
// the session's data, the names of those without room in "user_omitted", and of those that the
// accounts do not have in "user_unknown".
const MaxAttributes = 32

// MaxUserBytes bounds the attributes in a response, in bytes; the smallest have room before
// others.
const MaxUserBytes = 64 << 10

// MaxTokenTTL and MinTokenTTL bound the lifetime of a token that a look-up or a verification asks
// for, in its member "token": an object of "audience", "ttl" in seconds, "claims", the names of
// attributes of the user, and "absolute", for how many seconds after its beginning the session may
// last. The response has the token of the session's user in "token" and for how many seconds
// it is valid in "token_ttl", or why there is none in "token_missing".
const (
	MaxTokenTTL = time.Hour
	MinTokenTTL = 10 * time.Second
)

// MaxAudience bounds a token's audience, in bytes.
const MaxAudience = 255

// MaxClaimBytes bounds the attributes in a token, in bytes of JSON; the smallest have room before
// others. MaxTokenBytes bounds a token: servers read 8 KiB of a header field.
const (
	MaxClaimBytes = 4 << 10
	MaxTokenBytes = 8000
)

// Reasons returns the reasons of a flush, for the audit log: the client's logout at the filter's
// path; a flush by an upstream; the limits idle and absolute.
func Reasons() []string { return []string{ReasonLogout, ReasonUpstream, ReasonIdle, ReasonAbsolute} }

// The Reasons.
const (
	ReasonLogout   = "logout"
	ReasonUpstream = "upstream"
	ReasonIdle     = "idle"
	ReasonAbsolute = "absolute"
)

// MaxHold bounds how long the service holds a request for the feed.
const MaxHold = 5 * time.Second

// Calls returns the paths of all calls that a batch may carry.
func Calls() []string {
	return []string{Lookup, Verify, Create, Update, Rotate, Login, Touch, Flush, Cycle, Used, Changed}
}

// ReadOnly reports whether a call changes nothing: where the client that waits for it is gone,
// it need not be made.
func ReadOnly(path string) bool { return path == Lookup || path == Verify }
