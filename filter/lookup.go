package filter

import (
	"slices"
	"strconv"
	"time"

	"cloakroom/api"
	"cloakroom/filter/config"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// NewCallout returns a callout to a session service.
func NewCallout(to *config.Service, path, body string) Callout {
	return Callout{To: to.To(), Path: path, Body: body, Timeout: to.Timeout}
}

// NewLookup returns the callout that looks a session up.
func NewLookup(at *config.Service, key string) Callout {
	body := string(append(rawjson.AppendString([]byte(`{"key":`), key), at.Wanted()...))
	return NewCallout(at, api.Lookup, body+"}")
}

func keyBody(key string) string {
	if validKey(key) {
		return keyBefore + key + keyBehind
	}
	body := append(make([]byte, 0, len(keyBefore)+len(key)+len(keyBehind)), `{"key":`...)
	return string(append(rawjson.AppendString(body, key), '}'))
}

const keyBefore, keyBehind = `{"key":"`, `"}`

// keyOf returns the valid key that a look-up's body begins with, in that body's memory.
func keyOf(body string) string { return body[len(keyBefore) : len(keyBefore)+session.KeyLength] }

// flushBody is the request that ends a session, for one of api.Reasons.
func flushBody(key, reason string) string {
	body := rawjson.AppendString([]byte(`{"key":`), key)
	return string(append(append(append(body, `,"reason":"`...), reason...), `"}`...))
}

// endedBody says that the session has ended under a key.
func endedBody(key string) string {
	return string(append(rawjson.AppendString([]byte(`{"key":`), key), `,"ended":true}`...))
}

func cycleBody(key string, grace time.Duration) string {
	body := rawjson.AppendString([]byte(`{"key":`), key)
	return string(append(strconv.AppendInt(append(body, `,"grace":`...), int64(grace/time.Second), 10), '}'))
}

// writeBody is the request of a write. Without a key it is one of a session
// that does not exist yet; with an age of 0 the session's end stays.
func writeBody(r *config.Route, key string, u change, age time.Duration) string {
	body := []byte{'{'}
	if key != "" {
		body = append(rawjson.AppendString(append(body, `"key":`...), key), ',')
	}
	if u.login != "" {
		body = append(rawjson.AppendString(append(body, `"user":`...), u.login), ',')
	}
	if u.patch != "" {
		body = append(append(append(body, `"patch":`...), u.patch...), ',')
	}
	if r.Expiry.Limited() {
		body = append(body, `"stamp":true,`...)
	}
	if age > 0 {
		body = strconv.AppendInt(append(body, `"age":`...), int64(age/time.Second), 10)
		body = append(body, ',')
	}
	body[len(body)-1] = '}'
	return string(body)
}

// lookupStatus is what the service answers of a session.
type lookupStatus uint8

const (
	noAnswer lookupStatus = iota // nothing that can be relied on
	noSession
	endedSession // by the write that is answered
	liveSession
)

// LookupResult is what a look-up, or another call of the service, returned of a session. It
// does not change, but for what the route that last used it made of it: streams and caches
// share it.
type LookupResult struct {
	status        lookupStatus
	key           string // where it is new
	expires       time.Time
	expiry        session.Expiry
	created, seen time.Time         // the limits' stamps; zero: none yet
	cycled, used  time.Time         // of the key: when it was made by a cycle, and first used; zero: not
	text          string            // the data, as it came
	attributes    string            // those of its user, a JSON object; empty: none
	origin        *session.Origin   // of a session in its cookie of which text does not show all
	user          string            // the ID of its user; empty: none
	handle        *revocationHandle // of a session in its cookie; nil: it has none
	authz         *authzResult      // of the route that last used it; nil: none has
	marked        *LookupResult     // signed again with its handle; nil: it was not
	tokens        tokens            // of its user
	omitted       []string          // keys whose data, and attributes, the service left out
	reason        string            // why there is no answer; empty where there is one, and where it is not known
	rejected      bool              // there is no answer, and never will be one to this call
	unusable      bool              // there is no answer because of the session itself
	unsent        bool              // there is no answer, and the call has certainly done nothing
}

// The results without a session.
var (
	// NoAnswer is the result where the service did not answer, TooManyWait where it was not
	// called because too much waits for it.
	NoAnswer    = &LookupResult{reason: "the response does not fit the call"}
	TooManyWait = &LookupResult{reason: "too many requests wait for it already", unsent: true}
	none        = &LookupResult{status: noSession}
	ended       = &LookupResult{status: endedSession}
)

// Answered reports whether the service answered at all.
func (r *LookupResult) Answered() bool { return r.status != noAnswer }

// Live reports whether there is a session.
func (r *LookupResult) Live() bool { return r.status == liveSession }

// Key returns the session's key where that is another than was asked for, else "".
func (r *LookupResult) Key() string { return r.key }

// User returns the id of the session's user, or "".
func (r *LookupResult) User() string { return r.user }

// Expires returns when the store ends the session.
func (r *LookupResult) Expires() time.Time { return r.expires }

// Size returns about how many bytes a cached result takes: its text, what upstreams get of
// that, and what describes them.
func (r *LookupResult) Size() int {
	const each, eachEdit = 488, 40
	text, edits := len(r.text)+len(r.attributes), 0
	if r.authz != nil {
		for i := range r.authz.edits {
			edits += eachEdit + len(r.authz.edits[i].Value)
		}
	}
	size := each + text + max(text, edits)
	if r.origin != nil {
		size += len(r.origin.Text)
	}
	for i := range r.tokens.minted {
		size += r.tokens.minted[i].size()
	}
	return size
}

// Touch returns the result with the times of another, which a Notify has just set.
func (r *LookupResult) Touch(by *LookupResult) *LookupResult {
	touched := *r
	touched.expires, touched.created, touched.seen = by.expires, by.created, by.seen
	touched.cycled, touched.used = by.cycled, by.used
	return &touched
}

// members returns the session's data, which is kept as text alone: the garbage collector
// would look at every name and value.
func (r *LookupResult) members() []rawjson.Member {
	data, err := rawjson.Object(r.text, nil)
	if err != nil {
		return nil // it was read before, or there is none
	}
	return data
}

// signedData returns the data of a session in its cookie.
func (r *LookupResult) signedData() signedData { return signedData{r.text, r.origin} }

// someMembers is how many members of a session's data there is room for at once.
const someMembers = 16

// ParseAnswer parses an answer for a route, or for none where that is nil. The result shares
// the answer's memory. Whatever is not exactly what the service answers is NoAnswer: a
// proxy's error page must neither admit nor log out.
func ParseAnswer(a Answer, route *config.Route) *LookupResult { return parseAnswer(a, route, nil) }

// parseAnswer is ParseAnswer into a stream's own memory, where that is not nil.
func parseAnswer(a Answer, route *config.Route, own *Stream) *LookupResult {
	if a.Status != "200" {
		return notAnswered(a)
	}
	var outer [8]rawjson.Member
	var inner [someMembers]rawjson.Member
	members, data, err := rawjson.Nested(a.Body, "data", outer[:0], inner[:0])
	if err != nil {
		return notAnswered(a)
	}
	switch value(members, "state") {
	case `"` + api.StateNone + `"`:
		return none
	case `"` + api.StateEnded + `"`:
		return ended
	case `"` + api.StateLive + `"`:
		if r := liveResult(members, data, route, own); r.Answered() {
			return r
		}
	}
	return notAnswered(a)
}

func liveResult(members, data []rawjson.Member, route *config.Route, own *Stream) *LookupResult {
	seconds, err := strconv.ParseInt(value(members, "expires"), 10, 64)
	if err != nil {
		return NoAnswer
	}
	text := value(members, "data")
	key, ok := rawjson.String(value(members, "key"))
	if (ok && !validKey(key)) || text == "" || text[0] != '{' {
		return NoAnswer
	}
	attributes := value(members, "user")
	if attributes != "" {
		if _, err := rawjson.Object(attributes, nil); err != nil {
			return NoAnswer
		}
	}
	r := resultOf(text, data, time.Unix(seconds, 0), route, own, attributes, omittedKeys(members))
	r.key = key
	r.tokens = parseTokens(members)
	return r
}

// newResult returns a live session with this data, for a route where that is not nil;
// NoAnswer if it is no JSON object.
func newResult(text string, expires time.Time, route *config.Route) *LookupResult {
	var room [someMembers]rawjson.Member
	data, err := rawjson.Object(text, room[:0])
	if err != nil {
		return NoAnswer
	}
	return resultOf(text, data, expires, route, nil, "", nil)
}

// omittedKeys returns the keys of the data, and of the user's attributes, that an answer leaves out.
func omittedKeys(answer []rawjson.Member) (keys []string) {
	if list := value(answer, "omitted"); list != "" {
		keys, _ = rawjson.Strings(list)
		keys = slices.DeleteFunc(keys, config.IsAttribute)
	}
	if list := value(answer, "user_omitted"); list != "" {
		names, _ := rawjson.Strings(list)
		for _, name := range names {
			keys = append(keys, config.AttributePrefix+name)
		}
	}
	return keys
}

// resultOf is newResult for data that was parsed already, with attributes of the user, in a
// stream's own memory where that is not nil.
func resultOf(text string, data []rawjson.Member, expires time.Time, route *config.Route, own *Stream, attributes string, omitted []string) *LookupResult {
	var kept *keptResult
	var lines []byte
	if own != nil {
		kept, lines = &own.buffers.result, own.shared.lines
		*kept = keptResult{}
	} else {
		kept = &keptResult{}
	}
	r := &kept.result
	r.status, r.expires, r.text, r.attributes, r.omitted = liveSession, expires, text, attributes, omitted
	for i := range data {
		m := &data[i]
		switch m.Name {
		case session.ExpiryKey:
			var err error
			if r.expiry, err = session.ParseExpiry(m.Value); err != nil {
				// The session ends where the store says, and never later: it
				// counts as a fixed date.
				r.expiry = session.FixedExpiry(expires)
			}
		case session.CreatedKey:
			r.created = stamp(m.Value)
		case session.SeenKey:
			r.seen = stamp(m.Value)
		case session.CycledKey:
			r.cycled = stamp(m.Value)
		case session.UsedKey:
			r.used = stamp(m.Value)
		case session.UserKey:
			r.user = userOf(m.Value)
		}
	}
	if mark := value(data, session.SignedKey); mark != "" {
		r.handle = handleOf(mark, data, r.user)
	}
	if route == nil {
		return r
	}
	lines, err := kept.authz.authorize(route, data, attributes, omitted, lines)
	if err == nil {
		r.authz = &kept.authz
	}
	if own != nil {
		own.shared.lines = lines
	}
	return r
}

// userOf returns the id of a session's user, as session.UserOf, from its data's member.
func userOf(raw string) string {
	if raw == "null" {
		return ""
	}
	if text, ok := rawjson.String(raw); ok {
		return text
	}
	return raw
}
