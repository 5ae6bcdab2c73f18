package service_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cloakroom/api"
	"cloakroom/service"
	keys "cloakroom/service/token"
	"cloakroom/session"
)

// withTokens serves with attributes and a key of tokens.
func withTokens(t *testing.T) (*fixture, *attributed, *keys.Folder) {
	f, a, _ := withAttributes(t)
	path := t.TempDir()
	if _, err := keys.New(path, keys.ES256, f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	folder, err := keys.Open(path, keys.DefaultOverlap, f.clock.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f.tokens(a, &service.Tokens{Issuer: "https://site.test", Keys: folder})
	return f, a, folder
}

func (f *fixture) tokens(a *attributed, tokens *service.Tokens) {
	f.Helper()
	_, _, hasher := withAccounts(f.T)
	handler, err := service.New(service.Config{Store: f.store, Token: token, Now: f.clock.Now, Random: f.random, Tokens: tokens,
		Accounts: &service.Accounts{Users: a, Hasher: hasher}, Log: slog.New(slog.NewTextHandler(&f.log, nil))})
	if err != nil {
		f.Fatal(err)
	}
	f.handler = handler
}

// minted is what a call answers about a token.
type minted struct {
	State        string
	Expires      int64
	User         json.RawMessage
	Token        string
	TokenTTL     int64  `json:"token_ttl"`
	TokenMissing string `json:"token_missing"`
	claims       map[string]any
}

func (f *fixture) mint(path, body string) (m minted) {
	f.Helper()
	status, text := f.do("POST", path, body)
	if err := json.Unmarshal([]byte(text), &m); err != nil || status != 200 {
		f.Fatalf("%s: %d %s, %v", body, status, text, err)
	}
	if m.Token == "" {
		return m
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(m.Token, ".")[1])
	if err = errors.Join(err, json.Unmarshal(payload, &m.claims)); err != nil {
		f.Fatal(err)
	}
	return m
}

func (m minted) has(t *testing.T, claims string) {
	t.Helper()
	got, err := json.Marshal(m.claims)
	if err != nil || string(got) != claims {
		t.Errorf("the claims are %s, want %s", got, claims)
	}
}

const wantsToken = `{"key":"` + k + `","attributes":["email"],"token":{"audience":"orders","ttl":60%s}}`

// TestMintedToken holds what a token holds, and that attributes for it alone are not in the response.
func TestMintedToken(t *testing.T) {
	f, a, _ := withTokens(t)
	a.values["username"] = session.Attribute{Value: `"ælfred"`}
	a.values["nothing"] = session.Attribute{Value: `null`}
	m := f.mint(api.Lookup, fmt.Sprintf(wantsToken, `,"claims":["username","email","nothing","groups","large","unknown"]`))
	m.has(t, `{"aud":"orders","email":"seven@example.com","exp":1800000060,"iat":1800000000,"iss":"https://site.test","nbf":1799999940,"omitted":["groups","large"],"preferred_username":"ælfred","sid":"`+session.ID(k)+`","sub":"7"}`)
	if m.TokenTTL != 60 || string(m.User) != `{"email":"seven@example.com"}` {
		t.Errorf("it lasts %d s, and the user is %s", m.TokenTTL, m.User)
	}
	if m := f.mint(api.Lookup, `{"key":"`+k+`"}`); m.Token != "" || m.TokenMissing != "" {
		t.Errorf("a look-up that asks for no token has %+v", m)
	}
	m = f.mint(api.Verify, `{"signed":"0123456789abcdefghijklmnopqrstuv 1 7","expires":1800000030,"token":{"audience":"a","ttl":60,"claims":["email"]}}`)
	m.has(t, `{"aud":"a","email":"seven@example.com","exp":1800000030,"iat":1800000000,"iss":"https://site.test","nbf":1799999940,"sid":"`+session.ID("0123456789abcdefghijklmnopqrstuv")+`","sub":"7"}`)
	if status, got := f.do("POST", api.Batch, api.Lookup+" "+fmt.Sprintf(wantsToken, "")+"\n"); status != 200 || !strings.Contains(got, `"token":"ey`) {
		t.Errorf("in a batch: %d %s", status, got)
	}
}

// TestTokenEnds holds that no token outlives its session.
func TestTokenEnds(t *testing.T) {
	f, _, _ := withTokens(t) // the session ends after an hour
	for _, tt := range []struct {
		after time.Duration
		more  string
		ttl   int64
	}{
		{0, "", 60},
		{300 * time.Millisecond, "", 59}, // the token's end is a whole second
		{time.Hour - time.Minute, "", 60},
		{time.Hour - 30*time.Second, "", 30},
		{time.Hour - 1500*time.Millisecond, "", 1},
		{0, `,"absolute":30`, 30},
	} {
		f.clock.Advance(tt.after)
		if m := f.mint(api.Lookup, fmt.Sprintf(wantsToken, tt.more)); m.TokenTTL != tt.ttl || int64(m.claims["exp"].(float64)) > m.Expires {
			t.Errorf("after %s: it lasts %d s, want %d, until %v of %d", tt.after, m.TokenTTL, tt.ttl, m.claims["exp"], m.Expires)
		}
		f.clock.Advance(-tt.after)
	}
	_, _, hasher := withAccounts(t)
	f.create(drawn(1), `{"_auth_user_id":"7","_auth_user_backend":"`+service.DefaultAuthBackend+`","_auth_user_hash":"`+hasher.Hash("pbkdf2$seven")+`","_cloakroom_created":1799999990}`)
	for absolute, ttl := range map[int]int64{30: 20, 3600: 60} {
		m := f.mint(api.Lookup, fmt.Sprintf(`{"key":"%s","token":{"audience":"a","ttl":60,"absolute":%d}}`, drawn(1), absolute))
		if m.TokenTTL != ttl {
			t.Errorf("of a session that began 10 s ago and may last %d s: it lasts %d s, want %d", absolute, m.TokenTTL, ttl)
		}
	}
}

// TestNoToken holds when there is none, and that the reason is logged where it is the service's.
func TestNoToken(t *testing.T) {
	f, a, _ := withTokens(t)
	f.create(drawn(2), `{"theme":"dark"}`)
	if m := f.mint(api.Lookup, `{"key":"`+drawn(2)+`","token":{"audience":"a","ttl":60}}`); m.State != "live" || m.Token+m.TokenMissing != "" {
		t.Errorf("a session without a user: %+v", m)
	}
	if m := f.mint(api.Lookup, `{"key":"`+drawn(3)+`","token":{"audience":"a","ttl":60}}`); m.State != "none" || m.Token+m.TokenMissing != "" {
		t.Errorf("no session: %+v", m)
	}
	for name, tokens := range map[string]*service.Tokens{
		"--token-keys": nil, "broken": {Issuer: "a", Keys: brokenKeys{}}, "too large": {Issuer: "a", Keys: brokenKeys{text: strings.Repeat("x", api.MaxTokenBytes+1)}},
	} {
		f.log.Reset()
		f.tokens(a, tokens)
		m := f.mint(api.Lookup, fmt.Sprintf(wantsToken, ""))
		if m.State != "live" || m.Token != "" || !strings.Contains(m.TokenMissing, name) || !strings.Contains(f.log.String(), name) {
			t.Errorf("%s: %+v, and the log is %s", name, m, f.log.String())
		}
		if m := f.mint(api.Verify, `{"signed":"0123456789abcdefghijklmnopqrstuv 1 7","expires":1800000030,"token":{"audience":"a","ttl":60}}`); m.Token != "" || m.TokenMissing == "" {
			t.Errorf("%s: verify: %+v", name, m)
		}
		if _, got := f.do("GET", "/readyz", ""); strings.Contains(got, "warnings") != (name != "too large") {
			t.Errorf("%s: /readyz is %s", name, got)
		}
	}
}

type brokenKeys struct{ text string }

func (b brokenKeys) Sign([]byte) (string, error) {
	if b.text != "" {
		return b.text, nil
	}
	return "", errors.New("broken")
}
func (b brokenKeys) JWKS() (jose.JSONWebKeySet, time.Duration, error) {
	return jose.JSONWebKeySet{}, 0, errors.New("broken")
}
func (b brokenKeys) Warnings() []string {
	if b.text != "" {
		return nil
	}
	return []string{"broken"}
}

// TestTokenRequests holds what cannot be asked for.
func TestTokenRequests(t *testing.T) {
	f, _, _ := withTokens(t)
	many := make([]string, api.MaxAttributes+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"c%d"`, i)
	}
	for _, of := range []string{
		`{}`, `{"audience":"","ttl":60}`, `{"audience":"a"}`, `{"audience":"a","ttl":9}`, `{"audience":"a","ttl":3601}`, `{"audience":"a","ttl":60,"absolute":-1}`,
		`{"audience":"` + strings.Repeat("a", api.MaxAudience+1) + `","ttl":60}`, `{"audience":["a"],"ttl":60}`, `{"audience":"a","ttl":60,"sub":"1"}`,
		`{"audience":"a","ttl":60,"claims":["sub"]}`, `{"audience":"a","ttl":60,"claims":["exp"]}`, `{"audience":"a","ttl":60,"claims":["auth_time"]}`,
		`{"audience":"a","ttl":60,"claims":["email","email"]}`, `{"audience":"a","ttl":60,"claims":["username","preferred_username"]}`,
		`{"audience":"a","ttl":60,"claims":[""]}`, `{"audience":"a","ttl":60,"claims":[` + strings.Join(many, ",") + `]}`,
	} {
		for _, call := range []struct{ path, body string }{
			{api.Lookup, `{"key":"` + k + `","token":` + of + `}`},
			{api.Verify, `{"signed":"0123456789abcdefghijklmnopqrstuv 1 7","expires":1800000030,"token":` + of + `}`},
		} {
			if status, got := f.do("POST", call.path, call.body); status != 400 {
				t.Errorf("%s %s: %d %.200s, want 400", call.path, of, status, got)
			}
		}
	}
}

// TestTokenBound holds the bound of the attributes in a token, and that one at the bound fits.
func TestTokenBound(t *testing.T) {
	f, a, _ := withTokens(t)
	room := api.MaxClaimBytes - len("email") - len(`"seven@example.com"`)
	for size, fits := range map[int]bool{room: true, room + 1: false} {
		a.values["wide"] = session.Attribute{Value: `"` + strings.Repeat("x", size-len("wide")-2) + `"`}
		m := f.mint(api.Lookup, fmt.Sprintf(wantsToken, `,"claims":["email","wide"]`))
		if _, has := m.claims["wide"]; has != fits || len(m.Token) > api.MaxTokenBytes || m.Token == "" || (m.claims["omitted"] != nil) == fits || m.claims["email"] == nil {
			t.Errorf("%d bytes: there %v, in a token of %d bytes; %s", size, has, len(m.Token), m.TokenMissing)
		}
	}
}

func (f *fixture) jwks(method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, httptest.NewRequest(method, "/.well-known/jwks.json", nil))
	return w
}

// TestJWKS holds that the public keys need no token, and are never an empty set.
func TestJWKS(t *testing.T) {
	f, a, folder := withTokens(t)
	w := f.jwks("GET")
	set, _, err := folder.JWKS()
	want, _ := json.Marshal(set)
	if err != nil || w.Code != 200 || strings.TrimSpace(w.Body.String()) != string(want) || w.Header().Get("Cache-Control") != "public, max-age=300" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := f.jwks("POST"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	f.tokens(a, &service.Tokens{Issuer: "a", Keys: brokenKeys{}})
	if w := f.jwks("GET"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("without a key: %d %v", w.Code, w.Header())
	}
	f.tokens(a, nil)
	if w := f.jwks("GET"); w.Code != http.StatusNotFound {
		t.Errorf("without tokens: %d", w.Code)
	}
}
