package config

import (
	"time"

	"cloakroom/session"
)

// Mode is how a route treats sessions. The zero value is Required.
type Mode uint8

const (
	// Required admits requests with a live session of a user only.
	Required Mode = iota
	// Optional admits all, those without a live session as anonymous.
	Optional
	// ModeOff looks at no session. Identity headers of clients are stripped
	// all the same.
	ModeOff
)

// OnMissing is how a request without a session is refused.
type OnMissing uint8

const (
	// MissingAuto redirects page loads to the login page and answers 401 else.
	MissingAuto OnMissing = iota
	// MissingRedirect redirects always.
	MissingRedirect
	// MissingDeny answers 401 always.
	MissingDeny
)

// OnUnavailable is what happens without a usable answer of the session service.
type OnUnavailable uint8

const (
	// UnavailableDeny answers 503.
	UnavailableDeny OnUnavailable = iota
	// UnavailableAllow lets the request on as anonymous.
	UnavailableAllow
	// UnavailableStale goes by what was known, up to CachePolicy.Stale, and
	// denies else.
	UnavailableStale
)

// Responses is what becomes of response headers.
type Responses uint8

const (
	// ResponsesProcess looks at them: for what upstreams set, and for caches.
	ResponsesProcess Responses = iota
	// ResponsesSkip leaves them as they are.
	ResponsesSkip
)

// Route is the configuration that holds for one request. It does not change
// once it is made.
type Route struct {
	// Name is what it is configured under: an Envoy route's name; empty: the general configuration.
	Name          string
	Mode          Mode
	Cookie        session.Cookie
	Service       Service
	Signed        Signed
	Expiry        Expiry
	Login         Login
	Logout        Logout
	Identity      Identity
	OnMissing     OnMissing
	OnUnavailable OnUnavailable
	ForwardCookie bool
	// EndStreams closes a stream, a WebSocket for example, when its session
	// ends.
	EndStreams bool
	// EndStreamsAfter closes such a stream, too, when the session service has not
	// answered for so long; 0: never.
	EndStreamsAfter time.Duration
	// AcceptUpdates lets the upstream change the session by response headers.
	AcceptUpdates bool
	Responses     Responses
	Require       []Requirement

	strip      *Strip   // of all routes
	attributes []string // see Attributes
}

// Strip returns the request headers that no client may send, on any route.
func (r *Route) Strip() *Strip { return r.strip }

// Service is where and how the session service is asked.
type Service struct {
	Cluster, Authority string
	Timeout            time.Duration
	Token              string // secret
	Cache              CachePolicy

	to     Destination // by these
	wanted string      // see Wanted
}

// CachePolicy is for how long what was looked up of sessions is used.
type CachePolicy struct {
	// TTL is for how long a live session is used without another look-up; 0: not at all.
	// What ends by Django, the filter or the session service is invalidated at once; what
	// ends otherwise (a row that somebody deletes), after this time.
	TTL time.Duration
	// NegativeTTL is for how long a key is taken to be no session's.
	NegativeTTL time.Duration
	// Stale is how old a cached session may be while the service does not answer, with
	// on_unavailable: stale.
	Stale time.Duration
	// Entries and Bytes bound the cache of each worker. Those of the general configuration
	// count.
	Entries, Bytes int
}

// Expiry is when sessions end and how their end moves.
type Expiry struct {
	Policy session.Policy
	// SaveEveryRequest makes the expiry slide (SESSION_SAVE_EVERY_REQUEST).
	SaveEveryRequest bool
	// RefreshEvery is how much of a session's life must have passed since it
	// was last written before a request moves its end.
	RefreshEvery time.Duration
	// Idle ends a session that no request has had for so long; 0: no limit.
	Idle time.Duration
	// Absolute ends a session so long after its login, however much it is
	// used; 0: no limit.
	Absolute time.Duration
	// CycleEvery is the age at which a session's key is rotated; 0: never. The previous
	// key is accepted for CycleGrace after the first use of the new one.
	CycleEvery, CycleGrace time.Duration
}

// Login is where a person without a session is sent.
type Login struct{ URL, NextParam string }

// Logout is the path that ends sessions; an empty Path is none.
type Logout struct {
	Path, Redirect string
	// TrustedOrigins may log out besides the site itself: see matchesOrigin.
	TrustedOrigins []string
}

// Identity is what upstreams learn of the session.
type Identity struct {
	// UserKey is the key of the session's data that must hold a value for the
	// session to be a user's. Empty: any live session will do.
	UserKey string
	// AuthBackends are the values of _auth_user_backend with which a session is a user's
	// (AUTHENTICATION_BACKENDS); empty: any.
	AuthBackends []string
	Preset       Preset
	// Headers are the preset's and those that are configured besides.
	Headers []IdentityHeader
	// State is what is set as Envoy's filter state.
	State []StateField
	// DataHeader carries the session's data; empty: none does.
	DataHeader string
	// DataKeys are the keys of the data that DataHeader carries; "*" is
	// all that do not begin with an underscore. Without any, DataHeader is not set.
	DataKeys []string
	// DataMaxBytes bounds DataHeader's value, in bytes.
	DataMaxBytes int
	Token        Token

	own    []IdentityHeader // that are configured, with an empty Key for none; nil: not configured
	absent []string         // of own, those without a Key
}

// IdentityHeader is a request header and the key of the session's data that
// it is filled from, or an attribute of the user: see AttributePrefix. With a Second attribute it
// carries both, with a space between them.
type IdentityHeader struct{ Name, Key, Second string }

// Requirement is a key of the session's data, or an attribute of the user (see AttributePrefix),
// and the value that it must have: a string, a float64, a bool, AnyOf or AllOf.
type Requirement struct {
	Key   string
	Value any
}

// AnyOf requires a list that has one of the strings.
type AnyOf []string

// AllOf requires a list that has all of the strings.
type AllOf []string

// defaultRoute returns the defaults of all fields. They name no session
// service, so that every request is refused.
func defaultRoute() Route {
	return Route{
		Cookie: session.Cookie{Name: "sessionid", Path: "/", Secure: true, HTTPOnly: true, SameSite: "Lax"},
		Service: Service{Authority: "sessions", Timeout: 500 * time.Millisecond,
			Cache: CachePolicy{NegativeTTL: time.Second, Stale: 5 * time.Minute, Entries: 10_000, Bytes: 16 << 20}},
		Expiry: Expiry{
			Policy:       session.Policy{Age: 14 * 24 * time.Hour},
			RefreshEvery: time.Minute, CycleGrace: time.Minute,
		},
		Login:  Login{URL: "/login/", NextParam: "next"},
		Logout: Logout{Redirect: "/"},
		Identity: Identity{
			UserKey:      "_auth_user_id",
			DataHeader:   "x-session",
			DataMaxBytes: 4 << 10, // gunicorn takes 8190 bytes of a field, Node.js 16 KiB of all
			Token:        Token{TTL: time.Minute},
		},
		ForwardCookie: true,
	}
}
