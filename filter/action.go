package filter

import "time"

// Headers are header fields in their order, names in lower case, pseudo
// headers (:path, :status) included, as proxy-wasm hosts give them. Loops over them take
// pointers: in V8, to copy a field is a call that leaves the wasm.
type Headers [][2]string

// Get gives the first value of a field, or "".
func (h Headers) Get(name string) string {
	for i := range h {
		field := &h[i]
		if field[0] == name {
			return field[1]
		}
	}
	return ""
}

// Verdict says what becomes of the stream.
type Verdict uint8

const (
	// Deny answers the client with Action.Reply. It is the zero value.
	Deny Verdict = iota
	// Continue lets the headers go on, edited.
	Continue
	// Wait pauses the stream until Stream.Reply has the callout's answer.
	Wait
)

// Action is what the core wants done. Its zero value denies.
type Action struct {
	Verdict Verdict
	// Edits change the headers at hand, in this order: the request's after
	// Request and its replies, the response's after Response and its replies.
	Edits []Edit
	// Callout, where Verdict is Wait, is sent to the session service; its
	// answer goes to Stream.Reply. Nil else.
	Callout *Callout
	// Lookup is the session key that Callout asks for and nothing else: streams
	// that ask for one key may share one callout. Empty: they may not.
	Lookup string
	// Tell is sent to the session service, and nobody waits for the answers.
	Tell []Callout
	// Forget is the key of a session that was changed: what is remembered of
	// it is outdated. Empty: none.
	Forget string
	// Reply is the answer to the client where Verdict is Deny; nil is sent as 503.
	Reply *LocalReply
	// Outcome is counted.
	Outcome Outcome
	// Warning, unless empty, is for the operator. It names no key and no data.
	Warning string
}

// Edit is one change of a header map.
type Edit struct {
	Op          EditOp
	Name, Value string
}

// EditOp is how a header field changes.
type EditOp uint8

const (
	// Remove takes every field of the name away.
	Remove EditOp = iota
	// Set replaces every field of the name by one.
	Set
	// Add adds a field.
	Add
)

// Callout is one HTTP request to the session service.
type Callout struct {
	To         *Destination
	Path, Body string
	Timeout    time.Duration
	// Later says that the callout may wait a moment, for others to go with it.
	Later bool
}

// Destination is where callouts go, and what they bear.
type Destination struct {
	Cluster, Authority string
	Authorization      string // empty: none
}

// Answer is the session service's answer to a callout. Its zero value means
// that there was none: a timeout, a reset, a callout that could not be sent.
type Answer struct {
	Status string // :status
	Body   string
}

// LocalReply is an answer to the client that the filter gives itself.
type LocalReply struct {
	Status  int // 0 counts as 503
	Headers Headers
	Body    string
	// GRPCStatus is the grpc-status for a gRPC request, or NoGRPC.
	GRPCStatus int
}

// NoGRPC is the LocalReply.GRPCStatus of a request that is not gRPC.
const NoGRPC = -1

// Outcome is the end of one decision, for counters. The zero value is counted
// by nobody: it belongs to decisions that are not final.
type Outcome uint8

// The outcomes, each the name of a counter.
const (
	Undecided     Outcome = iota
	Off                   // the route's mode is off
	Admitted              // a live session, identity set
	Anonymous             // mode optional, no session
	Missing               // refused: no live session
	Forbidden             // refused: a session that is not allowed here
	Malformed             // refused: a request that no browser in good order sends
	Unavailable           // refused: the session service gave no answer
	Unchecked             // let through as anonymous: no answer, on_unavailable: allow
	Misconfigured         // refused: the route's configuration is in error
	LoggedOut             // a session was flushed
	Refreshed             // a session's expiry was moved
	Updated               // a session was changed by an upstream
	Ended                 // a stream was closed: its session had ended
	Stale                 // admitted by what was known: no answer, on_unavailable: stale
)

// Outcomes names every outcome that is counted.
var Outcomes = map[Outcome]string{
	Off: "off", Admitted: "admitted", Anonymous: "anonymous", Missing: "missing", Forbidden: "forbidden",
	Malformed: "malformed", Unavailable: "unavailable", Unchecked: "unchecked",
	Misconfigured: "misconfigured", LoggedOut: "logged_out", Refreshed: "refreshed", Updated: "updated", Stale: "stale", Ended: "ended",
}
