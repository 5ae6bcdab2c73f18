package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cloakroom/filter"
)

// tokenTTL is the life of tokens.
const tokenTTL = 10 * time.Second

// tokenConfig is the part of a plan's configuration that asks for tokens: pages and visits want
// different ones.
func (p *plan) tokenConfig() (base, visit string) {
	if !p.tokens {
		return "", ""
	}
	const format = `"token":{"header":"authorization","audience":%q,"ttl":%q}`
	return "," + fmt.Sprintf(format, "page", tokenTTL), `,"identity":{` + fmt.Sprintf(format, "visit", tokenTTL) + "}"
}

// mint signs nothing: its tokens say when they were made, by the world's clock.
type mint struct{ w *world }

type mintedClaims struct {
	Sub, Aud string
	Iat, Exp int64
}

func (m mint) Sign(claims []byte) (string, error) {
	return fmt.Sprintf("a%d.%s.s", int64(m.w.now), base64.RawURLEncoding.EncodeToString(claims)), nil
}

func (mint) JWKS() (jose.JSONWebKeySet, time.Duration, error) {
	return jose.JSONWebKeySet{}, 0, errors.New("nobody verifies")
}

func (mint) Warnings() []string { return nil }

// token checks the token of a request that passes: it is the user's, for this route, and has not
// ended.
func (o *oracle) token(r *request, headers filter.Headers) {
	w, text := o.w, headers.Get("authorization")
	if !w.plan.tokens || r.as == "" {
		if text != "" {
			w.fail(2, "%s as %q has the token %s", r, r.as, text)
		}
		return
	}
	parts := strings.Split(strings.TrimPrefix(text, "Bearer a"), ".")
	var made int64
	var of mintedClaims
	if len(parts) == 3 {
		raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(raw, &of)
		_, _ = fmt.Sscan(parts[0], &made)
	}
	want := "page"
	if routes[r.kind] == "visit" {
		want = "visit"
	}
	life := min(tokenTTL, time.Duration(of.Exp-of.Iat)*time.Second)
	switch age := w.now - time.Duration(made); {
	case of.Sub != r.as || of.Aud != want:
		w.fail(2, "%s as %q has a token of %q for %q", r, r.as, of.Sub, of.Aud)
	case age > life:
		w.fail(1, "%s as %q has a token that was made %s ago, and lasts %s", r, r.as, age, life)
	}
}
