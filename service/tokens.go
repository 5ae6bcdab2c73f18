package service

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cloakroom/api"
	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// Tokens are the tokens by which services verify who a session's user is (JSON Web Tokens,
// RFC 7519). The filter asks for them in look-ups and verifications, and hands them on.
type Tokens struct {
	// Issuer is their iss.
	Issuer string
	// Keys sign them: a token.Folder.
	Keys TokenKeys
}

// TokenKeys are the keys of tokens. They are safe for concurrent use.
type TokenKeys interface {
	// Sign returns a token with these claims, in compact form.
	Sign(claims []byte) (string, error)
	// JWKS returns the public keys, and for how long they may be cached.
	JWKS() (jose.JSONWebKeySet, time.Duration, error)
	// Warnings returns what an operator has to do about the keys.
	Warnings() []string
}

// tokenRequest asks for a token of the session's user.
type tokenRequest struct {
	Audience string `json:"audience"`
	// TTL is the lifetime in seconds. A token ends with its session, if that is earlier.
	TTL int64 `json:"ttl"`
	// Claims are attributes of the user.
	Claims []string `json:"claims"`
	// Absolute is how many seconds after its beginning the session ends; 0: no limit.
	Absolute int64 `json:"absolute"`
}

// claimNames are the claims of attributes that are not called as the attributes are (OpenID
// Connect Core section 5.1).
var claimNames = map[string]string{"username": "preferred_username"}

// ownClaims are those that no attribute sets.
var ownClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "auth_time", "omitted"}

func claimName(attribute string) string {
	return cmp.Or(claimNames[attribute], attribute)
}

// checkToken returns an error unless a token can be asked for so, and why this service mints none.
func (s *service) checkToken(in *tokenRequest) (missing string, err error) {
	if in != nil && s.Tokens == nil {
		missing = noKeys
		s.asked.Store(true)
	}
	return missing, in.check()
}

// check returns an error unless a token can be asked for so.
func (in *tokenRequest) check() error {
	switch {
	case in == nil:
		return nil
	case in.Audience == "" || len(in.Audience) > api.MaxAudience:
		return fmt.Errorf("%w: token: audience must have 1 to %d bytes", errRequest, api.MaxAudience)
	case in.TTL < int64(api.MinTokenTTL/time.Second) || in.TTL > int64(api.MaxTokenTTL/time.Second):
		return fmt.Errorf("%w: token: ttl must be from %s to %s, in seconds", errRequest, api.MinTokenTTL, api.MaxTokenTTL)
	case in.Absolute < 0 || in.Absolute > maxAge:
		return fmt.Errorf("%w: token: absolute must be from 0 to %d seconds", errRequest, maxAge)
	}
	var names []string
	for _, attribute := range in.Claims {
		name := claimName(attribute)
		if slices.Contains(names, name) || slices.Contains(ownClaims, name) {
			return fmt.Errorf("%w: token: claims: %q is there twice, or the service's own", errRequest, name)
		}
		names = append(names, name)
	}
	return nil
}

// attributes returns the names of the attributes that a call needs: those of its response, and
// those of its token.
func (in *tokenRequest) attributes(names []string) []string {
	if in == nil {
		return names
	}
	all := slices.Clip(names)
	for _, name := range in.Claims {
		if !slices.Contains(names, name) {
			all = append(all, name)
		}
	}
	return all
}

// tokenOf is whose token is minted.
type tokenOf struct {
	sid        string // the session's, by session.ID
	user       string
	end        time.Time // of the session
	data       json.RawMessage
	attributes []session.Attribute
}

// noKeys is why a service without Tokens mints none.
const noKeys = "it has no keys: start cloakroom serve with --token-keys"

// withToken returns the response with the token that was asked for. A session without a user has
// none.
func (s *service) withToken(a response, in *tokenRequest, of tokenOf) response {
	if in == nil || of.user == "" {
		return a
	}
	if s.Tokens == nil {
		a.TokenMissing = s.untokened(noKeys)
		return a
	}
	now := s.Now()
	end := earliest(now.Add(time.Duration(in.TTL)*time.Second), of.end)
	if in.Absolute > 0 {
		end = earliest(end, began(of.data, now).Add(time.Duration(in.Absolute)*time.Second))
	}
	end = end.Truncate(time.Second)
	ttl := int64(end.Sub(now) / time.Second) // rounded down: the filter hands no token on that has ended
	if ttl <= 0 {
		a.TokenMissing = "the session ends now"
		return a
	}
	text, err := s.Tokens.Keys.Sign(s.claims(in, of, now.Unix(), end.Unix()))
	switch {
	case err != nil:
		a.TokenMissing = s.untokened(err.Error())
	case len(text) > api.MaxTokenBytes:
		a.TokenMissing = s.untokened("it would be too large: the user's id, the audience and the issuer are long")
	default:
		a.Token, a.TokenTTL = text, ttl
	}
	return a
}

// untokened logs why no token is minted, and returns it.
func (s *service) untokened(why string) string {
	s.throttle.warn("a route wants a token of the user, and none is minted: its requests are refused with 503", "reason", why)
	return why
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// began returns when a session began, by its stamp; without one it begins now.
func began(data json.RawMessage, now time.Time) time.Time {
	seconds, err := strconv.ParseInt(string(members(data)[session.CreatedKey]), 10, 64)
	if err != nil {
		return now
	}
	return time.Unix(seconds, 0)
}

// notBefore is how much earlier than its minting a token is valid: to a verifier whose clock is
// late.
const notBefore = 60

// claims returns the claims of a token.
func (s *service) claims(in *tokenRequest, of tokenOf, now, end int64) []byte {
	object := []byte{'{'}
	text := func(name, value string) {
		object = append(rawjson.AppendString(append(rawjson.AppendString(object, name), ':'), value), ',')
	}
	number := func(name string, value int64) {
		object = append(strconv.AppendInt(append(rawjson.AppendString(object, name), ':'), value, 10), ',')
	}
	text("iss", s.Tokens.Issuer)
	text("sub", of.user)
	text("aud", in.Audience)
	number("iat", now)
	number("nbf", now-notBefore)
	number("exp", end)
	text("sid", of.sid)
	left := api.MaxClaimBytes
	var omitted []string
	for _, at := range bySize(of.attributes) {
		name := claimName(at.Name)
		switch size := len(name) + len(at.Value); {
		case at.Unknown || !slices.Contains(in.Claims, at.Name):
		case at.Omitted || size > left:
			omitted = append(omitted, name)
		case at.Value != "null":
			left -= size
			object = append(append(append(rawjson.AppendString(object, name), ':'), at.Value...), ',')
		}
	}
	if len(omitted) > 0 {
		list, _ := json.Marshal(omitted) // strings
		object = append(append(append(rawjson.AppendString(object, "omitted"), ':'), list...), ',')
	}
	object[len(object)-1] = '}'
	return object
}

// bySize returns attributes, the smallest first.
func bySize(attributes []session.Attribute) []session.Attribute {
	return slices.SortedStableFunc(slices.Values(attributes), func(a, b session.Attribute) int { return cmp.Compare(len(a.Value), len(b.Value)) })
}

// jwksPath is where verifiers get the tokens' public keys (RFC 8414 leaves the path to issuers;
// OpenID providers use this one).
const jwksPath = "/.well-known/jwks.json"

func (s *service) jwks(w http.ResponseWriter, r *http.Request) {
	if s.Tokens == nil {
		notFound(w, r)
		return
	}
	set, cache, err := s.Tokens.Keys.JWKS()
	if err != nil {
		s.fail(w, r.URL.Path, errors.Join(session.ErrUnavailable, err)) // an empty set would have verifiers drop their keys
		return
	}
	respondCached(w, set, cache)
}

func respondCached(w http.ResponseWriter, body any, cache time.Duration) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(cache/time.Second)))
	_ = json.NewEncoder(w).Encode(body)
}

// tokenWarnings returns what an operator has to do about the tokens.
func (s *service) tokenWarnings() []string {
	if s.Tokens == nil && s.asked.Load() {
		return []string{"the filter's configuration wants tokens (identity.token), and its requests are refused with 503: " + noKeys}
	}
	if s.Tokens == nil {
		return nil
	}
	return s.Tokens.Keys.Warnings()
}
