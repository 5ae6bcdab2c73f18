package api

import "bytes"

// Trace identifies the client's request that a call is about, for the audit log. A call of its own
// has it in two headers of the same names; a batch has it in the call's line.
type Trace struct {
	RequestID string // x-request-id; "" where there is none that can be logged
	Parent    string // traceparent (W3C Trace Context); "" likewise
}

// The headers of a Trace.
const (
	RequestIDHeader   = "x-request-id"
	TraceParentHeader = "traceparent"
)

// MaxRequestID bounds a request's ID, and TraceParentLength is the length of a traceparent of
// version 00, in bytes.
const (
	MaxRequestID      = 128
	TraceParentLength = len(traceParentForm)
)

const traceParentForm = "00-________________________________-________________-__"

// NewTrace returns the Trace of a request with these headers, without those that are too long or
// hold what has no place in them: clients can send them.
func NewTrace(requestID, parent string) (t Trace) {
	if isRequestID(requestID) {
		t.RequestID = requestID
	}
	if isTraceParent(parent) {
		t.Parent = parent
	}
	return t
}

// isRequestID reports whether text is an ID of printable ASCII, without spaces, quotes and
// backslashes.
func isRequestID(text string) bool {
	if text == "" || len(text) > MaxRequestID {
		return false
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// isTraceParent reports whether text is a traceparent of version 00: that, the trace's ID, the
// parent's ID and flags, in lower-case hexadecimal with dashes between.
func isTraceParent(text string) bool {
	const form = traceParentForm
	if len(text) != len(form) {
		return false
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case form[i] != '_' && c != form[i]:
			return false
		case form[i] == '_' && (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return !zeros(text[3:35]) && !zeros(text[36:52]) // all zeros are no ID
}

func zeros(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '0' {
			return false
		}
	}
	return true
}

// The fields of a Trace in a batch's line, each with a space behind it, in this order. JSON does
// not begin with either.
const (
	idField     = "id="
	parentField = "parent="
)

// Traced reports whether the audit log may hold the Trace of a call.
func Traced(path string) bool { return path != Touch && path != Used }

func appendTrace(line []byte, t Trace) []byte {
	if t.RequestID != "" {
		line = append(append(append(line, idField...), t.RequestID...), ' ')
	}
	if t.Parent != "" {
		line = append(append(append(line, parentField...), t.Parent...), ' ')
	}
	return line
}

// cutTrace cuts a Trace off the front of a line.
func cutTrace(line []byte) (t Trace, rest []byte) {
	id, line := cutField(line, idField)
	parent, line := cutField(line, parentField)
	return NewTrace(id, parent), line
}

func cutField(line []byte, name string) (value string, rest []byte) {
	if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
		value, rest, _ := bytes.Cut(rest, []byte(" "))
		return string(value), rest
	}
	return "", line
}
