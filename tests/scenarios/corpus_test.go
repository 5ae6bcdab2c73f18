// Package scenarios runs one corpus of scenarios against the pure core, against
// the wasm in hostsim, and against real Envoys, so that they cannot drift apart.
//
// A scenario is data, in corpus/*.yaml; the types below are its format.
package scenarios

import "time"

// scenario is one situation: a configuration, the content of the store, and requests with their
// expected results.
type scenario struct {
	Name string
	// About is a sentence for the reader of a failure.
	About string
	// Config is merged into baseConfig.
	Config map[string]any
	// Routes are matched in order; without any, one of the name "all" matches everything.
	Routes []route
	// Sessions are in the store beforehand. {NAME} in headers, and in expected results, is
	// replaced by the session's key.
	Sessions map[string]stored
	// Signed are sessions in cookies, by the signed_cookies engine with the
	// SECRET_KEY "secret"; Expires is then when it was signed, counted from
	// the scenario's start.
	Signed map[string]stored
	// Accounts are the users whose sessions are checked, by their ids; without any, none are.
	// The sessions of users are then as a login of Django's leaves them.
	Accounts map[int]account
	// Tokens reports that the service has a key of tokens.
	Tokens bool
	// Stopped reports that the session service's address has no listener.
	Stopped bool
	Steps   []step
	// NotOn names the runners that cannot run it, each with the reason.
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
	// Expires is counted from the scenario's start, negative for a session that has expired;
	// without it, 14 days.
	Expires time.Duration
	// Created and Seen are its stamps, counted from the scenario's start; without them it has
	// none.
	Created, Seen time.Duration
}

type step struct {
	// Request is a method and a target, such as "GET /a?b=1".
	Request string
	// Headers are lines, sent unchanged. {pad N} is replaced by N letters, {hex FF00} by bytes,
	// {noise} by 5000 random letters, {cookie} by the session cookie that an earlier step got.
	Headers []string
	// HTTP2 sends the request over HTTP/2, each cookie in a field of its own.
	HTTP2 bool
	// Revoke is a session that ends elsewhere before the request: the proxy has received the
	// event. RevokeUser ends all of a user's.
	Revoke     string
	RevokeUser string `yaml:"revoke_user"`
	// Fault is how the session service fails; see faults. If empty, it does not. FaultOn is the
	// only path that fails; if empty, all do.
	Fault   string
	FaultOn string `yaml:"fault_on"`
	// Upstream is the upstream's response; without it 200 and no headers.
	Upstream struct {
		Status  int
		Headers []string
	}
	Want want
}

// want is the expected result of a step. In header maps a value that begins with "~" is a regular
// expression, null means that the header is absent.
type want struct {
	Status  int
	Headers map[string]*string
	Body    string // a part of it
	// Reached reports whether the upstream got the request; Upstream, which headers it got.
	Reached  bool
	Upstream map[string]*string
	// Tokens are claims of the tokens that the upstream got, by the header; null: the token has
	// no such claim. Each must verify, by the service's key set.
	Tokens map[string]map[string]any
	// Calls are the paths of the calls to the session service, in order; after a space the
	// expected body may follow.
	Calls []string
	// Store is the expected state of sessions: live, gone, or extended.
	Store map[string]string
	// Details is Envoy's %RESPONSE_CODE_DETAILS%, and State all of the filter state, by the names
	// behind wasm.cloakroom.; {id NAME} and {signed NAME} are replaced by a session's ID.
	Details string
	State   map[string]string
}
