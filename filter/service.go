package filter

import (
	"strconv"
	"time"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// The session service's paths that the filter calls.
const (
	lookupPath = "/v1/lookup"
	createPath = "/v1/create"
	updatePath = "/v1/update"
	loginPath  = "/v1/login"
	touchPath  = "/v1/touch"
	flushPath  = "/v1/flush"
	// cyclePath asks for a second key, and usedPath says that it was used.
	cyclePath = "/v1/cycle"
	usedPath  = "/v1/used"
	// changedPath says that somebody else has changed or ended a session.
	changedPath = "/v1/changed"
)

// callout asks the session service about one session.
func (s *Service) callout(path, body string) Callout {
	return Callout{To: &s.to, Path: path, Body: body, Timeout: s.Timeout}
}

// prepare finds out where callouts go.
func (s *Service) prepare() {
	s.to = Destination{Cluster: s.Cluster, Authority: s.Authority}
	if s.Token != "" {
		s.to.Authorization = "Bearer " + s.Token
	}
}

func keyBody(key string) string {
	if validKey(key) {
		return keyBefore + key + keyBehind
	}
	body := append(make([]byte, 0, len(keyBefore)+len(key)+len(keyBehind)), `{"key":`...)
	return string(append(rawjson.AppendString(body, key), '}'))
}

const keyBefore, keyBehind = `{"key":"`, `"}`

// keyOf gives the valid key that keyBody made a body of, in that body's memory.
func keyOf(body string) string { return body[len(keyBefore) : len(body)-len(keyBehind)] }

func cycleBody(key string, grace time.Duration) string {
	body := rawjson.AppendString([]byte(`{"key":`), key)
	return string(append(strconv.AppendInt(append(body, `,"grace":`...), int64(grace/time.Second), 10), '}'))
}

// writeBody is the request of a write. Without a key it is one of a session
// that does not exist yet; with an age of 0 the session's end stays.
func (r *Route) writeBody(key string, u change, age time.Duration) string {
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
	if r.Expiry.limited() {
		body = append(body, `"stamp":true,`...)
	}
	if age > 0 {
		body = strconv.AppendInt(append(body, `"age":`...), int64(age/time.Second), 10)
		body = append(body, ',')
	}
	body[len(body)-1] = '}'
	return string(body)
}

// verdictOnKey is what the service says of a key.
type verdictOnKey uint8

const (
	noAnswer verdictOnKey = iota // nothing that can be relied on
	noSession
	endedSession // by the write that is answered
	liveSession
)

// record is what is known of a session. Once it is made it does not change, but for what
// a route makes of it: streams and caches share it.
type record struct {
	verdict       verdictOnKey
	key           string // where it is new
	expires       time.Time
	expiry        session.Expiry
	created, seen time.Time // the limits' stamps; zero: none yet
	cycled, used  time.Time // of the key: when it was made by a cycle, and first used; zero: not
	text          string    // the data, as it came
	user          string    // the id of its user; empty: nobody's
	signed        *subject  // of a session in its cookie; nil: none stands in it
	judged        *judged   // what the route makes of it that last asked; nil: none has
	stamped       *record   // signed again with what it can be revoked by; nil: it was not
}

var (
	unknown = &record{}
	none    = &record{verdict: noSession}
	ended   = &record{verdict: endedSession}
)

// members gives the session's data, which is remembered as text alone: the garbage
// collector would look at every name and value.
func (r *record) members() []rawjson.Member {
	data, err := rawjson.Object(r.text, nil)
	if err != nil {
		return nil // it was read before, or there is none
	}
	return data
}

// someMembers is how many members of a session's data there is room for at once.
const someMembers = 16

// parseAnswer reads an answer, for a route where that is not nil, into a stream's own room
// where that is not nil. Whatever is not exactly what the service says is no answer: a
// proxy's error page must neither admit nor log out.
func parseAnswer(a Answer, route *Route, own *room) *record {
	if a.Status != "200" {
		return unknown
	}
	var outer [8]rawjson.Member
	var inner [someMembers]rawjson.Member
	members, data, err := rawjson.Nested(a.Body, "data", outer[:0], inner[:0])
	if err != nil {
		return unknown
	}
	switch value(members, "state") {
	case `"none"`:
		return none
	case `"ended"`:
		return ended
	case `"live"`:
		return answeredRecord(members, data, route, own)
	}
	return unknown
}

func answeredRecord(members, data []rawjson.Member, route *Route, own *room) *record {
	seconds, err := strconv.ParseInt(value(members, "expires"), 10, 64)
	if err != nil {
		return unknown
	}
	text := value(members, "data")
	key, ok := rawjson.String(value(members, "key"))
	if (ok && !validKey(key)) || text == "" || text[0] != '{' {
		return unknown
	}
	r := recordOf(text, data, time.Unix(seconds, 0), route, own)
	r.key = key
	return r
}

// newRecord is a live session with this data, for a route where that is not nil; unknown
// if it is no JSON object.
func newRecord(text string, expires time.Time, route *Route) *record {
	var room [someMembers]rawjson.Member
	data, err := rawjson.Object(text, room[:0])
	if err != nil {
		return unknown
	}
	return recordOf(text, data, expires, route, nil)
}

// found is a record and what the first route makes of it, in one piece of memory.
type found struct {
	record record
	judged judged
}

// forget drops from the record what lies in the answer's memory.
func (f *found) forget() {
	r := &f.record
	r.text, r.key, r.user, r.signed, r.judged = "", "", "", nil, nil
}

// recordOf is newRecord for data that is read already, in a stream's own room where that
// is not nil.
func recordOf(text string, data []rawjson.Member, expires time.Time, route *Route, own *room) *record {
	var f *found
	var line []byte
	if own != nil {
		f, line = &own.found, own.line
		*f = found{}
	} else {
		f = &found{}
	}
	r := &f.record
	*r = record{verdict: liveSession, expires: expires, text: text}
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
	if text := value(data, session.SignedKey); text != "" {
		r.signed = subjectOf(text, r.user)
	}
	if route == nil {
		return r
	}
	line, err := f.judged.judge(route, data, line)
	if err == nil {
		r.judged = &f.judged
	}
	if own != nil {
		own.line = line
	}
	return r
}
