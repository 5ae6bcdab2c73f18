package sites

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// TestAllauth has django-allauth with second factors and with lists of sessions.
func TestAllauth(t *testing.T) {
	t.Parallel()
	python, err := testenv.VenvPython("venv-sites")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, config{settings: "allauths", python: python, login: "/accounts/login/"})
	s.strangers(t, "/", s.login)
	for _, path := range []string{"/accounts/email/", "/accounts/password/change/", "/accounts/2fa/", "/accounts/sessions/"} {
		s.refuses(t, path, s.login, "")
	}
	v := s.visitor(t)
	for path, status := range map[string]int{"/accounts/login/": 200, "/accounts/signup/": 200, "/accounts/password/reset/": 200, "/accounts/inactive/": 200,
		"/accounts/password/reset/key/1-set-password/": 200, "/accounts/confirm-email/x/": 200, "/accounts/2fa/authenticate/": 302} {
		if got := v.page(path); got.Status != status || got.Header.Get("X-Envoy-Upstream-Service-Time") == "" {
			t.Errorf("%s: got %d to %q, want %d by allauth", path, got.Status, got.Header.Get("Location"), status)
		}
	}

	v.found(v.post("/accounts/signup/", "username", "ann", "password1", password, "password2", password), "/")
	if got := v.user(); got != "1" {
		t.Errorf("after signing up: got user %q, want 1", got)
	}
	const activate = "/accounts/2fa/totp/activate/"
	v.found(v.page(activate), "/accounts/reauthenticate/?next="+url.QueryEscape(activate))
	v.found(v.post("/accounts/reauthenticate/?next="+activate, "password", password, "next", activate), activate)
	secret := regexp.MustCompile(`[A-Z2-7]{32}`).FindString(v.page(activate).Body)
	v.found(v.send("/accounts/email/", activate, "code", totp(t, secret, -1)), "/accounts/2fa/recovery-codes/")

	other := s.visitor(t)
	other.found(other.post(s.login, "login", "ann", "password", password), "/accounts/2fa/authenticate/")
	half := other.key()
	s.refuses(t, "/", s.login, half) // the second factor is not there yet
	if got := other.page("/accounts/2fa/authenticate/"); got.Status != http.StatusOK {
		t.Errorf("the page of the second factor: got %d to %q, want 200", got.Status, got.Header.Get("Location"))
	}
	other.found(other.post("/accounts/2fa/authenticate/", "code", totp(t, secret, 0)), "/")
	s.refuses(t, "/", s.login, half)
	if got := other.user(); got != "1" {
		t.Errorf("after the second factor: got user %q, want 1", got)
	}

	other.page("/") // which notes its session
	if list := v.page("/accounts/sessions/"); strings.Count(list.Body, "127.0.0.1") != 2 {
		t.Errorf("the list of sessions: got %d %.3000q, want two", list.Status, list.Body)
	}
	v.found(v.post("/accounts/sessions/"), "/accounts/sessions/")
	s.refuses(t, "/", s.login, other.key())

	old := v.key()
	v.found(v.post("/accounts/password/change/", "oldpassword", password, "password1", password+"2", "password2", password+"2"), "/accounts/password/change/")
	if got := v.user(); got != "1" || v.key() == old {
		t.Errorf("after the change of the password: got user %q, a new key: %v; want 1, true", got, v.key() != old)
	}
	s.refuses(t, "/", s.login, old)
	last := v.key()
	v.found(v.post("/accounts/logout/"), "/")
	s.refuses(t, "/", s.login, last)
}

// found checks that a response leads to a path.
func (v *visitor) found(got testenv.Response, path string) {
	v.T.Helper()
	if got.Status != http.StatusFound || got.Header.Get("Location") != path {
		v.T.Fatalf("got %d to %q, want 302 to %q\n%.3000s", got.Status, got.Header.Get("Location"), path, got.Body)
	}
}

// totp returns the code of a period that is so many after the current one (RFC 6238).
func totp(t *testing.T, secret string, after int64) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	if err != nil || len(key) == 0 {
		t.Fatalf("the secret %q: %v", secret, err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+after)
	sum := mac.Sum(nil)
	code := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", code%1000000)
}
