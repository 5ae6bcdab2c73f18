package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cloakroom/api"
)

// minEndStreamsAfter is longer than what a poll of the feed takes when all is well.
const minEndStreamsAfter = 5 * time.Second

// rules are what no single field can say: a route that breaks one is refused.
var rules = []struct {
	field  string
	broken func(*Route) bool
	why    string
}{
	{"engine.signed_cookies.revocable", func(r *Route) bool { return r.Signed.Revocable && (!r.Service.named() || !r.Signed.InUse()) },
		"needs secret_key, and engine.service.cluster: the session service knows what was revoked"},
	{"engine", func(r *Route) bool { return r.Service.named() && r.Signed.InUse() && !r.Signed.Revocable },
		`has both service.cluster and signed_cookies, which is for signed_cookies.revocable; a route that changes the engine sets service.cluster or signed_cookies.secret_key of the other to ""`},
	{"engine", func(r *Route) bool {
		return !r.Service.named() && !r.Signed.InUse() && !r.Signed.Revocable && r.Mode != ModeOff
	},
		"must have service.cluster, the Envoy cluster of the session service, or signed_cookies.secret_key"},
	{"engine.service.timeout", func(r *Route) bool { return r.Service.Timeout <= 0 },
		"must be more than 0: a callout without an end would hold requests for ever"},
	{"engine.service.authority", func(r *Route) bool { return r.Service.Authority == "" },
		"must not be empty"},
	{"on_unavailable", func(r *Route) bool { return r.OnUnavailable == UnavailableStale && r.Service.Cache.TTL == 0 },
		"stale needs engine.service.cache.ttl: without a cache there is nothing to use"},
	{"end_streams", func(r *Route) bool { return r.EndStreams && r.Service.Cache.TTL == 0 },
		"needs engine.service.cache.ttl, with which the feed comes that reports ends"},
	{"end_streams_after", func(r *Route) bool {
		return r.EndStreamsAfter > 0 && (!r.EndStreams || r.EndStreamsAfter < minEndStreamsAfter)
	},
		"needs end_streams: true, and must be 0s or " + minEndStreamsAfter.String() + " at least: the session service answers about every second"},
	{"expiry.age", func(r *Route) bool { return r.Expiry.Policy.Age <= 0 },
		"must be more than 0"},
	{"expiry.refresh_every", func(r *Route) bool { return r.Expiry.Idle > 0 && r.Expiry.RefreshEvery >= r.Expiry.Idle },
		"must be less than expiry.idle, or sessions in use end"},
	{"expiry.idle", func(r *Route) bool { return r.Expiry.Idle > 0 && r.Signed.InUse() && !r.Expiry.SaveEveryRequest },
		"needs save_every_request: true with engine.signed_cookies, whose cookies say when they were last signed and nothing else"},
	{"expiry.cycle_every", func(r *Route) bool { return r.Expiry.CycleEvery > 0 && r.Expiry.CycleEvery <= r.Expiry.CycleGrace },
		"must be more than expiry.cycle_grace"},
	{"expiry.cycle_grace", func(r *Route) bool { return r.Expiry.CycleGrace > api.MaxGrace },
		"must be " + api.MaxGrace.String() + " at most"},
	{"expiry.cycle_every", func(r *Route) bool { return r.Expiry.CycleEvery > 0 && r.Signed.InUse() },
		"is not for engine.signed_cookies, whose cookies are new each time they are signed"},
	{"responses", func(r *Route) bool { return r.Responses == ResponsesSkip && r.setsCookies() },
		"skip is not for accept_updates, save_every_request, idle, absolute, cycle_every and revocable, which all set the session cookie"},
	{"login.url", func(r *Route) bool { return !isLocation(r.Login.URL) },
		"must begin with one slash, or with http:// or https://"},
	{"login.next_param", func(r *Route) bool { return r.Login.NextParam == "" },
		"must not be empty"},
	{"logout.redirect", func(r *Route) bool { return !isLocation(r.Logout.Redirect) },
		"must begin with one slash, or with http:// or https://"},
	{"logout.path", func(r *Route) bool {
		return r.Logout.Path != "" && (r.Logout.Path[0] != '/' || strings.ContainsAny(r.Logout.Path, "?#"))
	},
		"must be a path, without a query"},
	{"require", func(r *Route) bool { return len(r.Require) > 0 && r.Mode != Required },
		"holds with mode: required only; set require: {} where the mode is another"},
}

// setsCookies reports whether responses have to be processed for the route's own sake.
func (r *Route) setsCookies() bool {
	return r.AcceptUpdates || r.Expiry.SaveEveryRequest || r.Expiry.Limited() || r.Signed.Revocable
}

// validate derives what follows from the fields, and checks what no single field can say.
func (r *Route) validate(path string) error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf(join(path, field)+": "+format, args...))
	}
	if err := r.Cookie.Validate(); err != nil {
		bad("cookie", "%w", err)
	}
	if err := r.Signed.prepare(); err != nil {
		bad("engine.signed_cookies.secret_key", "must be Django's SECRET_KEY, and no key may be empty")
	}
	r.Service.prepare()
	r.Identity.prepare()
	r.prepareAttributes()
	r.checkAttributes(bad)
	r.prepareToken()
	r.checkToken(bad)
	for i := range rules {
		if rules[i].broken(r) {
			bad(rules[i].field, "%s", rules[i].why)
		}
	}
	for _, origin := range r.Logout.TrustedOrigins {
		if !isOriginPattern(origin) {
			bad("logout.trusted_origins", `%q is no origin: want a scheme and a host, such as "https://www.example.com", "https://*.example.com" or "http://localhost:8000", without a path; or "null"`, origin)
		}
	}
	for _, name := range r.Identity.HeaderNames() {
		if !isIdentityName(name) {
			bad("identity", "%q cannot be an identity header: lower-case letters, digits and '-', and none that HTTP or Envoy uses itself", name)
		}
	}
	return errors.Join(errs...)
}

// isLocation reports whether a Location header may hold s: a path on this
// host, or an absolute URL. "//host" and "/\host" mean another host to browsers.
func isLocation(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return true
	}
	return s != "" && s[0] == '/' && (len(s) == 1 || (s[1] != '/' && s[1] != '\\'))
}
