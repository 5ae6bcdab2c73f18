package filter

import (
	"time"

	"cloakroom/api"
	"cloakroom/filter/config"
)

// Headers are header fields in their order, names in lower case, pseudo headers (:path,
// :status) included, as proxy-wasm hosts return them. Loops over them take pointers: in V8,
// to copy a field is a call that leaves the wasm.
type Headers [][2]string

// Get returns the first value of a field, or "".
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
	// Continue lets the headers pass, edited.
	Continue
	// Wait pauses the stream until Stream.LookedUp has the result of Stream.CoalesceKey or
	// of Stream.Callout.
	Wait
	// ReadHeaders asks for the request's headers, which the host still holds: take
	// Stream.Complete's action instead. It follows on a Wait of the request's only.
	ReadHeaders
)

// Action is what is to be done. Its zero value denies.
type Action struct {
	Verdict Verdict
	// Edits change the headers at hand, in this order: the request's after Request and
	// its results, the response's after Response and its results. Where Verdict is Deny, they
	// are filter state alone.
	Edits []Edit
	// Reply is the answer to the client where Verdict is Deny; nil is sent as 503.
	Reply *LocalReply
	// Outcome is counted.
	Outcome Outcome
	// Effects is what is to be done besides; nil: nothing, as for most.
	Effects *Effects
}

// Effects is what an action asks for besides what becomes of the stream.
type Effects struct {
	// Notify is sent to the session service, and nothing waits for the responses.
	Notify []Callout
	// Invalidate is the key of a session that was changed: what is cached of it is
	// outdated. Empty: none.
	Invalidate string
	// Touched is the session as a Notify leaves it, for the cache; nil: as it was. It is
	// cached under Stream.Key.
	Touched *LookupResult
	// Count, unless Undecided, is counted besides the action's Outcome.
	Count Outcome
	// Warning, unless empty, is for the operator. It names no key and no data.
	Warning string
}

// effects returns the action's effects, to be set.
func (a *Action) effects() *Effects {
	if a.Effects == nil {
		a.Effects = &Effects{}
	}
	return a.Effects
}

// warn adds a warning.
func (a *Action) warn(message string) {
	if message != "" {
		a.effects().Warning += message
	}
}

// Edit is one change of a header map, or of the stream's filter state.
type Edit struct {
	Op          EditOp
	Name, Value string
}

// EditOp is what an Edit does.
type EditOp uint8

const (
	// Remove removes every field of the name.
	Remove EditOp = iota
	// Set replaces every field of the name by one.
	Set
	// Add adds a field.
	Add
	// State sets Envoy's filter state of the name, behind "wasm.".
	State
)

// Callout is one HTTP request to the session service.
type Callout struct {
	To         *config.Destination
	Path, Body string
	Timeout    time.Duration
	// Deferrable says that the callout may wait a moment, for others to be batched with.
	Deferrable bool
	// Trace is of the client's request, for the audit log.
	Trace api.Trace
}

// Same reports whether two callouts ask for the same, for whichever request.
func (c Callout) Same(d Callout) bool {
	d.Trace = c.Trace
	return c == d
}

// Answer is the session service's response to a callout. Its zero value means that there
// was none: a timeout, a reset, a callout that could not be sent.
type Answer struct {
	Status string // :status
	Body   string
}

// LocalReply is an answer to the client that the filter sends itself.
type LocalReply struct {
	Status  int // 0 counts as 503
	Headers Headers
	Body    string
	// Details ends the response code details; empty: the name of the action's outcome does.
	Details string
	// GRPCStatus is the grpc-status for a gRPC request, or NoGRPC.
	GRPCStatus int
}

// NoGRPC is the LocalReply.GRPCStatus of a request that is not gRPC.
const NoGRPC = -1

// Outcome is the end of one decision, for counters and for Envoy's response code details.
// The zero value belongs to decisions that are not final, and is not counted.
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
	Unavailable           // refused: the session service did not answer
	Unchecked             // passed as anonymous: no answer, on_unavailable: allow
	Misconfigured         // refused: the route's configuration is in error
	LoggedOut             // a session was flushed
	Refreshed             // a session's expiry was moved
	Updated               // a session was changed by an upstream
	Ended                 // a stream was closed: its session had ended
	Stale                 // admitted by what was cached: no answer, on_unavailable: stale
	Overloaded            // refused: too much waits for the session service already
	WriteUnknown          // refused: whether a change of the session was stored is not known
	Unusable              // refused: the session service cannot read the session, now or later
	DataOmitted           // counted besides: data of a session had no room in identity.data_header
)

// Details returns Envoy's response code details of the local reply that a refusal is.
func (a *Action) Details() string {
	name := Outcomes[a.Outcome]
	if a.Reply != nil && a.Reply.Details != "" {
		name = a.Reply.Details
	}
	if name == "" {
		return "cloakroom"
	}
	return "cloakroom_" + name
}

// NumOutcomes is how many outcomes there are, Undecided among them.
const NumOutcomes = int(DataOmitted) + 1

// Outcomes holds the name of every outcome that is counted.
var Outcomes = map[Outcome]string{
	Off: "off", Admitted: "admitted", Anonymous: "anonymous", Missing: "missing", Forbidden: "forbidden",
	Malformed: "malformed", Unavailable: "unavailable", Unchecked: "unchecked", Misconfigured: "misconfigured",
	LoggedOut: "logged_out", Refreshed: "refreshed", Updated: "updated", Stale: "stale", Ended: "ended", Overloaded: "overloaded", WriteUnknown: "write_unknown", Unusable: "unusable",
	DataOmitted: "data_omitted",
}
