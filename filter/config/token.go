package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// Token is a signed token of the session's user, which upstreams verify: see docs/reference.md.
type Token struct {
	// Header carries it; empty: there is none.
	Header   string
	Audience string
	TTL      time.Duration
	// Claims are keys of attributes that it has besides.
	Claims []string

	wanted string // see Wanted
}

// Authorization is the header that carries a token behind "Bearer ". It is not among
// Identity.HeaderNames: where no token is set in it, clients log in by it.
const Authorization = "authorization"

// InUse reports whether upstreams get a token.
func (t *Token) InUse() bool { return t.Header != "" }

// Wanted returns the member of a look-up or a verification that asks for the token, with a comma
// before it; "" where there is none. Two routes with the same have the same tokens.
func (t *Token) Wanted() string { return t.wanted }

func (t *Token) fields() object {
	return object{
		{"header", text(&t.Header), "the request header with a token of the user, signed by the session service: `authorization`, as `Bearer TOKEN`, or another with the token alone; empty: none"},
		{"audience", text(&t.Audience), "its `aud`, by which upstreams refuse tokens for others"},
		{"ttl", duration(&t.TTL), "its lifetime, from 10s to 1h; it ends no later than the session"},
		{"claims", texts(&t.Claims), "attributes of the user in it, such as `user.email` and `user.groups`"},
	}
}

// maxTokens bounds the different tokens that routes of one session service want: a worker caches
// each with the session.
const maxTokens = 8

// ownClaims are those that the session service sets itself, see service's.
var ownClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "auth_time", "omitted"}

// prepareToken derives Wanted.
func (r *Route) prepareToken() {
	t := &r.Identity.Token
	t.Header, t.wanted = strings.ToLower(t.Header), ""
	if !t.InUse() {
		return
	}
	object := append(rawjson.AppendString([]byte(`,"token":{"audience":`), t.Audience), `,"ttl":`...)
	object = strconv.AppendInt(object, int64(t.TTL/time.Second), 10)
	if claims := attributeNames(t.Claims); len(claims) > 0 {
		object = append(append(object, `,"claims":`...), names(claims)...)
	}
	if r.Expiry.Absolute > 0 {
		object = strconv.AppendInt(append(object, `,"absolute":`...), int64(r.Expiry.Absolute/time.Second), 10)
	}
	t.wanted = string(append(object, '}'))
}

// attributeNames returns the names of attributes by their keys, sorted.
func attributeNames(keys []string) []string {
	var all []string
	for _, key := range keys {
		all = append(all, strings.TrimPrefix(key, AttributePrefix))
	}
	slices.Sort(all)
	return all
}

// checkToken checks what the route says of its token.
func (r *Route) checkToken(bad func(field, format string, args ...any)) {
	t := &r.Identity.Token
	if !t.InUse() {
		return
	}
	const at = "identity.token"
	if t.Header != Authorization && !isIdentityName(t.Header) {
		bad(at+".header", "%q cannot carry a token: want authorization, or a header of lower-case letters, digits and '-' that HTTP and Envoy do not use themselves", t.Header)
	}
	if others := r.Identity; slices.Contains(others.withoutToken().HeaderNames(), t.Header) {
		bad(at+".header", "%q is another identity header already", t.Header)
	}
	if t.Audience == "" || len(t.Audience) > api.MaxAudience {
		bad(at+".audience", "must have 1 to %d bytes: upstreams must refuse tokens for others", api.MaxAudience)
	}
	if t.TTL < api.MinTokenTTL || t.TTL > api.MaxTokenTTL {
		bad(at+".ttl", "must be from %s to %s", api.MinTokenTTL, api.MaxTokenTTL)
	}
	if r.Identity.UserKey != session.UserKey {
		bad(at, "needs identity.user_key: %s, which is its sub", session.UserKey)
	}
	if r.Signed.InUse() && !r.Signed.Revocable {
		bad("engine.signed_cookies", "identity.token is signed by the session service: set revocable: true, with engine.service, or no token")
	}
	if idle := r.Expiry.Idle; idle > 0 && t.TTL > idle-r.Expiry.RefreshEvery {
		bad(at+".ttl", "must be %s at most, expiry.idle less expiry.refresh_every: a token must not outlive its session", idle-r.Expiry.RefreshEvery)
	}
	r.checkClaims(bad)
}

func (r *Route) checkClaims(bad func(field, format string, args ...any)) {
	const at = "identity.token.claims"
	seen := map[string]bool{}
	for _, key := range r.Identity.Token.Claims {
		name := strings.TrimPrefix(key, AttributePrefix)
		if !IsAttribute(key) || !isAttributeName(name) {
			bad(at, "%q names no attribute of a user: want user. and groups, permissions, or a column of the accounts' table, such as user.email; the password's hash is none", key)
		}
		if name == "username" {
			name = "preferred_username"
		}
		if slices.Contains(ownClaims, name) || seen[name] {
			bad(at, "%q would set the claim %s a second time", key, name)
		}
		seen[name] = true
	}
}

// withoutToken returns the identity without its token.
func (id Identity) withoutToken() *Identity {
	id.Token = Token{}
	return &id
}

// headerNames returns the header to be removed on every route, if there is one.
func (t *Token) headerNames() []string {
	if t.Header == "" || t.Header == Authorization {
		return nil
	}
	return []string{t.Header}
}

// StripsAuthorization reports whether clients' Authorization headers are removed on the route: it
// sets that header, or would if there were a session.
func (r *Route) StripsAuthorization() bool { return r.Identity.Token.Header == Authorization }

// checkTokens checks the tokens of all routes of each session service.
func (c *Config) checkTokens() error {
	wanted := map[string][]string{}
	for _, r := range append(sortedRoutes(c.routes), &c.base) {
		if err := c.tokenFits(r); err != nil {
			return err
		}
		t, cluster := &r.Identity.Token, r.Service.Cluster
		if t.InUse() && !slices.Contains(wanted[cluster], t.wanted) {
			wanted[cluster] = append(wanted[cluster], t.wanted)
		}
		if len(wanted[cluster]) > maxTokens {
			return fmt.Errorf("identity.token: routes of the cluster %q want more than %d different tokens", cluster, maxTokens)
		}
	}
	return nil
}

// Tokens returns the tokens that the configuration's routes want.
func (c *Config) Tokens() (all []*Token) {
	for _, r := range append(sortedRoutes(c.routes), &c.base) {
		if r.Identity.Token.InUse() {
			all = append(all, &r.Identity.Token)
		}
	}
	return all
}

// tokenFits returns an error where a route's look-ups would name too many attributes.
func (c *Config) tokenFits(r *Route) error {
	all := append(slices.Clone(c.attributes[r.Service.Cluster]), r.Identity.Token.Claims...)
	slices.Sort(all)
	if n := len(slices.Compact(all)); r.Identity.Token.InUse() && n > api.MaxAttributes {
		return fmt.Errorf("identity.token.claims: with what look-ups name besides, %d attributes of users are named, %d at most can be", n, api.MaxAttributes)
	}
	return nil
}
