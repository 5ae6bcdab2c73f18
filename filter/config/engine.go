package config

import "cloakroom/session/django"

// Destination is where callouts are sent, and what they carry.
type Destination struct {
	Cluster, Authority string
	Authorization      string // empty: none
}

// To returns where callouts to the service are sent.
func (s *Service) To() *Destination { return &s.to }

// named reports whether there is a session service.
func (s *Service) named() bool { return s.Cluster != "" }

// prepare derives where callouts are sent.
func (s *Service) prepare() {
	s.to = Destination{Cluster: s.Cluster, Authority: s.Authority}
	if s.Token != "" {
		s.to.Authorization = "Bearer " + s.Token
	}
}

// Signed is the engine that keeps a session whole in its cookie
// (django.contrib.sessions.backends.signed_cookies): it is verified, read and signed again in
// place, with no callout.
type Signed struct {
	SecretKey string   // secret
	Fallbacks []string // secret

	// Revocable has the session service asked whether a session was revoked.
	Revocable bool

	codec *django.CookieCodec // nil: this is not the route's engine
}

// maxSignedBytes bounds a session's JSON. What fits a cookie unpacks to more only if somebody
// who has the SECRET_KEY wants it to.
const maxSignedBytes = 64 << 10

// prepare makes the codec of a configured engine.
func (e *Signed) prepare() (err error) {
	e.codec = nil
	if e.SecretKey != "" || len(e.Fallbacks) > 0 {
		e.codec, err = django.NewCookieCodec(maxSignedBytes, e.SecretKey, e.Fallbacks...)
	}
	return err
}

// Codec returns the codec of the cookies; nil where sessions are not in cookies.
func (e *Signed) Codec() *django.CookieCodec { return e.codec }

// InUse reports whether the route's sessions are in cookies.
func (e *Signed) InUse() bool { return e.codec != nil }

// Revocable reports whether the route's sessions are in cookies, and can be revoked.
func (r *Route) Revocable() bool { return r.Signed.InUse() && r.Signed.Revocable }

// Marks reports whether the route's signed cookies carry marks: what they can be revoked by,
// and when their sessions began.
func (r *Route) Marks() bool {
	return r.Signed.InUse() && (r.Signed.Revocable || r.Expiry.Absolute > 0)
}

// Limited reports whether sessions have stamps, by which they end earlier than in the store,
// or their keys are rotated.
func (e *Expiry) Limited() bool { return e.Idle > 0 || e.Absolute > 0 || e.CycleEvery > 0 }
