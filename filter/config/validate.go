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

// validate checks what no single field can say.
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
	switch named := r.Service.Cluster != ""; {
	case r.Signed.Revocable && (!named || !r.Signed.InUse()):
		bad("engine.signed_cookies.revocable", "needs secret_key, and engine.service.cluster: the session service knows what was revoked")
	case named && r.Signed.InUse() && !r.Signed.Revocable:
		bad("engine", "has both service.cluster and signed_cookies, which is for signed_cookies.revocable; a route that changes the engine sets service.cluster or signed_cookies.secret_key of the other to \"\"")
	case !named && !r.Signed.InUse() && r.Mode != ModeOff:
		bad("engine", "must have service.cluster, the Envoy cluster of the session service, or signed_cookies.secret_key")
	}
	if r.Service.Timeout <= 0 {
		bad("engine.service.timeout", "must be more than 0: a callout without an end would hold requests for ever")
	}
	if r.OnUnavailable == UnavailableStale && r.Service.Cache.TTL == 0 {
		bad("on_unavailable", "stale needs engine.service.cache.ttl: without a cache nothing is known")
	}
	if r.EndStreams && r.Service.Cache.TTL == 0 {
		bad("end_streams", "needs engine.service.cache.ttl: without the feed that comes with it nobody hears of an end")
	}
	if r.EndStreamsAfter > 0 && (!r.EndStreams || r.EndStreamsAfter < minEndStreamsAfter) {
		bad("end_streams_after", "needs end_streams: true, and must be 0s or %s at least: the session service answers about every second", minEndStreamsAfter)
	}
	if r.Service.Authority == "" {
		bad("engine.service.authority", "must not be empty")
	}
	if r.Expiry.Policy.Age <= 0 {
		bad("expiry.age", "must be more than 0")
	}
	if r.Expiry.Idle > 0 && r.Expiry.RefreshEvery >= r.Expiry.Idle {
		bad("expiry.refresh_every", "must be less than expiry.idle, or sessions in use end")
	}
	if r.Expiry.Idle > 0 && r.Signed.InUse() && !r.Expiry.SaveEveryRequest {
		bad("expiry.idle", "needs save_every_request: true with engine.signed_cookies, whose cookies say when they were last signed and nothing else")
	}
	if r.Expiry.CycleEvery > 0 && r.Expiry.CycleEvery <= r.Expiry.CycleGrace {
		bad("expiry.cycle_every", "must be more than expiry.cycle_grace")
	}
	if r.Expiry.CycleGrace > api.MaxGrace {
		bad("expiry.cycle_grace", "must be %s at most", api.MaxGrace)
	}
	if r.Expiry.CycleEvery > 0 && r.Signed.InUse() {
		bad("expiry.cycle_every", "is not for engine.signed_cookies, whose cookies are new each time they are signed")
	}
	if r.Responses == ResponsesSkip && (r.AcceptUpdates || r.Expiry.SaveEveryRequest || r.Expiry.Limited() || r.Signed.Revocable) {
		bad("responses", "skip is not for accept_updates, save_every_request, idle, absolute, cycle_every and revocable, which all set the session cookie")
	}
	if !isLocation(r.Login.URL) {
		bad("login.url", "must begin with one slash, or with http:// or https://")
	}
	if !isLocation(r.Logout.Redirect) {
		bad("logout.redirect", "must begin with one slash, or with http:// or https://")
	}
	if r.Login.NextParam == "" {
		bad("login.next_param", "must not be empty")
	}
	if r.Logout.Path != "" && (r.Logout.Path[0] != '/' || strings.ContainsAny(r.Logout.Path, "?#")) {
		bad("logout.path", "must be a path, without a query")
	}
	for _, origin := range r.Logout.TrustedOrigins {
		if !isOriginPattern(origin) {
			bad("logout.trusted_origins", `%q is no origin: want a scheme and a host, such as "https://www.example.com", "https://*.example.com" or "http://localhost:8000", without a path; or "null"`, origin)
		}
	}
	if len(r.Require) > 0 && r.Mode != Required {
		bad("require", "holds with mode: required only; set require: {} where the mode is another")
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
