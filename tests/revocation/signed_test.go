package revocation

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"cloakroom/filter/worker"
	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
)

const signedAge = 14 * 24 * 3600 // seconds

// signedEngine is the filter's configuration for sessions in cookies that can be
// revoked.
func signedEngine() map[string]any {
	return map[string]any{
		"signed_cookies": map[string]any{"secret_key": secretKey, "revocable": true},
		"service":        map[string]any{"cluster": "sessions", "token": token, "timeout": "2s", "cache": map[string]any{"ttl": "1h"}},
	}
}

// signedCookies returns cookies of the users 0, 1 and so on.
func signedCookies(t *testing.T, n int) []string {
	t.Helper()
	codec, err := django.NewCookieCodec(1<<16, secretKey)
	if err != nil {
		t.Fatal(err)
	}
	cookies := make([]string, n)
	for i := range cookies {
		if cookies[i], err = codec.Encode(fmt.Appendf(nil, `{"_auth_user_id":"%d"}`, i), time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	return cookies
}

// TestRevocationOfSignedCookies revokes sessions that no store holds, by their ids and by their
// users.
func TestRevocationOfSignedCookies(t *testing.T) {
	postgres, err := testenv.StartPostgres(t.Context(), testenv.PostgresConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { postgres.Stop() })
	s := newSite(t, shape{envoys: 2, workers: 2, services: 2, url: postgres.URL("postgres"), config: map[string]any{"engine": signedEngine()}})
	s.create(0) // creates the table
	const sessions, ended = 2000, 40
	cookies := signedCookies(t, sessions)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	s.warm(client, cookies)
	s.warm(client, cookies)
	var lags []time.Duration
	for i, cookie := range cookies[:ended] {
		what := map[string]any{"user": strconv.Itoa(i), "age": signedAge}
		if i%2 == 0 {
			what = map[string]any{"key": session.SignedID(cookie), "age": signedAge}
		}
		lags = append(lags, s.lag(cookie, func() error { return s.flush(what) }))
	}
	for i := range ended { // and no other user's
		if status, err := get(t.Context(), client, s.Bases[i%2], cookies[ended+i]); err != nil || status != http.StatusOK {
			t.Errorf("a session that was not revoked: %d, %v", status, err)
		}
	}
	slices.Sort(lags)
	if worst := lags[len(lags)-1]; worst > worker.MaxFeedSilence {
		t.Errorf("a revoked session was admitted for %s, want no more than %s", worst, worker.MaxFeedSilence)
	}
	note(t, "signed", fmt.Sprintf("revocation of signed cookies: %d cached, 2 Envoys of 2 workers, 2 replicas on PostgreSQL; %d revoked by id or user, last request admitted after the acknowledgement: p50 %s, worst %s",
		sessions, ended, lags[len(lags)/2].Round(time.Millisecond), lags[len(lags)-1].Round(time.Millisecond)))
}

// TestDjangosSignedCookies uses cookies that Django itself writes: Django keeps the filter's
// handle, so that a revocation covers all that a login's cookie became.
func TestDjangosSignedCookies(t *testing.T) {
	dir := t.TempDir()
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	app, err := testenv.StartDjangoSite(context.WithoutCancel(t.Context()), testenv.Engine{Name: "signed_cookies", Settings: map[string]any{
		"SECRET_KEY": secretKey, "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
		"DATABASES": map[string]any{"default": map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": filepath.Join(dir, "app.sqlite3")}},
	}}, ports[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Stop() })
	u, err := url.Parse("http://127.0.0.1:" + strconv.Itoa(ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, shape{
		envoys: 2, workers: 1, services: 1, url: "sqlite://" + filepath.Join(dir, "revocations.sqlite3"),
		config:   map[string]any{"mode": "optional", "engine": signedEngine()},
		upstream: httputil.NewSingleHostReverseProxy(u),
	})
	s.create(0)

	// visit returns a page, and the session cookie that it sets, or "".
	visit := func(base, page, cookie string) (body, set string, deleted bool) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/django/"+page, nil)
		if err != nil {
			t.Fatal(err)
		}
		if cookie != "" {
			request.Header.Set("Cookie", "sessionid="+cookie)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", page, response.Status, err)
		}
		for _, c := range response.Cookies() {
			if c.Name == "sessionid" {
				return string(text), c.Value, c.Value == ""
			}
		}
		return string(text), "", false
	}
	// awaitUser waits until all Envoys admit a cookie as user ("": reject it).
	awaitUser := func(when, cookie, user string) {
		t.Helper()
		for _, base := range s.Bases {
			for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
				body, set, deleted := visit(base, "read", cookie)
				if user == "" && body == `{"user": "", "username": "default_value"}` && deleted || user != "" && body == `{"user": "demo", "username": "`+user+`"}` {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("%s: Django returns %s, the cookie is set to %q; want %q", when, body, set, user)
				}
			}
		}
	}

	_, first, _ := visit(u.String(), "login", "") // not through the filter, which adds its handle
	_, second, _ := visit(s.Bases[0], "read", first)
	_, third, _ := visit(s.Bases[1], "store", second)
	if second == "" || third == "" || second == first || third == second {
		t.Fatalf("the cookies after a login, a page and a change are %q, %q, %q; want three", first, second, third)
	}
	awaitUser("the login's", first, "default_value")
	awaitUser("the filter's", second, "default_value")
	awaitUser("Django's next", third, "example_user")
	if err := s.flush(map[string]any{"key": session.SignedID(first), "age": signedAge}); err != nil {
		t.Fatal(err)
	}
	for _, cookie := range []string{first, second, third} {
		awaitUser("revoked by its id", cookie, "")
	}

	nextSecond := func() { time.Sleep(1100 * time.Millisecond) } // Django's timestamps are in seconds
	nextSecond()
	_, login, _ := visit(s.Bases[1], "login", "")
	awaitUser("a new login", login, "default_value")
	if err := s.flush(map[string]any{"user": "1", "age": signedAge}); err != nil {
		t.Fatal(err)
	}
	awaitUser("revoked by its user", login, "")
	nextSecond()
	_, login, _ = visit(s.Bases[1], "login", "")
	awaitUser("a login after that", login, "default_value")

	if _, _, deleted := visit(s.Bases[0], "logout", login); !deleted {
		t.Error("Django's logout left the cookie")
	}
	awaitUser("after Django's logout", login, "")
}
