// Package scenarios runs one corpus of scenarios against the pure core, against
// the wasm in hostsim, and against real Envoys, so that they cannot drift apart.
//
// A scenario is data, in corpus/*.yaml; the types below are its format.
package scenarios

import "time"

// scenario is one situation: a configuration, what the store holds, and
// requests with what has to come of each.
type scenario struct {
	Name string
	// About is the sentence that a reader of a failure needs.
	About string
	// Config lies over baseConfig.
	Config map[string]any
	// Routes are matched in their order; without any, one of the name "all"
	// matches everything.
	Routes []route
	// Sessions are in the store beforehand. {NAME} in headers, and in what is
	// wanted, stands for the session's key.
	Sessions map[string]stored
	// Signed are sessions in cookies, by the signed_cookies engine with the
	// SECRET_KEY "secret"; Expires is then when it was signed, counted from
	// the scenario's start.
	Signed map[string]stored
	// Stopped means that nothing listens where the session service should be.
	Stopped bool
	Steps   []step
	// NotOn names the runners that cannot show it, each with the reason.
	NotOn map[string]string `yaml:"not_on"`

	at string // file:line
}

type route struct {
	Name, Path, Prefix string
	Metadata           map[string]map[string]any
}

type stored struct {
	Data map[string]any
	// Large are more members of the data: texts of so many letters.
	Large map[string]int
	// Expires is counted from the scenario's start, negative for a session
	// that has ended; without it, 14 days.
	Expires time.Duration
	// Created and Seen are its stamps, counted from the scenario's start;
	// without them it bears none.
	Created, Seen time.Duration
}

type step struct {
	// Request is a method and a target, such as "GET /a?b=1".
	Request string
	// Headers are lines, sent as they stand. {pad N} stands for N letters,
	// {hex FF00} for bytes, {noise} for 5000 letters at random, {cookie} for the session cookie that an earlier step
	// got.
	Headers []string
	// HTTP2 sends the request by HTTP/2, each cookie in a field of its own.
	HTTP2 bool
	// Revoke is a session that ends before the request, elsewhere: the feed
	// has told the proxy. RevokeUser ends all of a user's.
	Revoke     string
	RevokeUser string `yaml:"revoke_user"`
	// Fault is how the session service misbehaves; see faults. Empty: not.
	// FaultOn is the one path that it misbehaves on; empty: all.
	Fault   string
	FaultOn string `yaml:"fault_on"`
	// Upstream is what the upstream answers; without it 200 and no headers.
	Upstream struct {
		Status  int
		Headers []string
	}
	Want want
}

// want is what has to come of a step. In header maps a value that begins with
// "~" is a regular expression, null means that the header is absent.
type want struct {
	Status  int
	Headers map[string]*string
	Body    string // a part of it
	// Reached says whether the upstream got the request; Upstream, what
	// headers it had.
	Reached  bool
	Upstream map[string]*string
	// Calls are the paths that the session service was asked, in order; after
	// a space the body may follow, as it has to be.
	Calls []string
	// Store says of sessions whether they are live, gone, or extended.
	Store map[string]string
}
