package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// whoami is the Go service's response.
type whoami struct {
	User, Name, Email   string
	Groups, Permissions []string
	Session             map[string]any
}

// djangoView is Django's response at /session/.
type djangoView struct {
	User    string
	Data    map[string]any
	Expires time.Time
}

func TestWithoutSession(t *testing.T) {
	v := newVisitor(t)
	page := v.Do(theSite.url("/cart/?a=1&b=2"), nil, "Sec-Fetch-Mode", "navigate")
	if got, want := page.Header.Get("Location"), "/login/?next=/cart/%3Fa%3D1%26b%3D2"; page.Status != http.StatusFound || got != want {
		t.Errorf("a page load: %d to %q, want 302 to %q", page.Status, got, want)
	}
	script := v.Do(theSite.url("/go/whoami"), nil, "Sec-Fetch-Mode", "cors")
	if script.Status != http.StatusUnauthorized || script.Header.Get("Location") != "" {
		t.Errorf("a fetch: %d to %q, want 401", script.Status, script.Header.Get("Location"))
	}
	if health := v.Do(theSite.url("/healthz"), nil); health.Status != http.StatusOK {
		t.Errorf("a route with mode off: %d, want 200", health.Status)
	}
}

// TestGoServiceLearnsWhoItIs checks that the Go service gets the user, and the session's data that
// Django wrote, and that a client cannot forge them.
func TestGoServiceLearnsWhoItIs(t *testing.T) {
	v := newVisitor(t)
	v.login()
	form := url.Values{"csrfmiddlewaretoken": {v.CSRF(theSite.url("/"))}, "item": {"a green coat, süß 🧥"}}
	if kept := v.Do(theSite.url("/cart/"), form, "Origin", theSite.url("")); kept.Status != http.StatusFound {
		t.Fatalf("POST /cart/: %d, want 302", kept.Status)
	}
	answer := v.Do(theSite.url("/go/whoami"), nil, "X-User-Id", "2", "x_user_id", "2", "X-Session", `{"admin":true}`)
	got := decode[whoami](t, answer)
	if got.User != "1" {
		t.Errorf("user %q, want 1", got.User)
	}
	if cart, ok := got.Session["cart"].([]any); !ok || len(cart) != 1 || cart[0] != "a green coat, süß 🧥" {
		t.Errorf("session %v, want the cart that Django wrote", got.Session)
	}
	for key := range got.Session {
		if strings.HasPrefix(key, "_") || key == "admin" {
			t.Errorf("the Go service got %q", key)
		}
	}
}

// TestAccounts checks that the Go service gets what is in Django's accounts, and that the routes of
// the staff and of a group admit only those, whatever headers a client sends.
func TestAccounts(t *testing.T) {
	for _, tt := range []struct {
		want   whoami
		status int // of the two routes
	}{
		{whoami{User: "1", Name: "demo", Email: "demo@example.com", Groups: []string{"editors"}, Permissions: []string{"auth.view_group", "auth.view_user"}}, http.StatusOK},
		{whoami{User: "2", Name: "guest", Email: "guest@example.com", Groups: []string{}, Permissions: []string{}}, http.StatusForbidden},
	} {
		v := newVisitor(t)
		v.loginAs(tt.want.Name)
		forged := []string{"X-User-Name", "root", "X-User-Groups", "editors", "x_user_groups", "editors", "X-User-Permissions", "auth.add_user"}
		got := decode[whoami](t, v.Do(theSite.url("/go/whoami"), nil, forged...))
		if got.Session = nil; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("the Go service gets %+v, want %+v", got, tt.want)
		}
		for _, path := range []string{"/go/staff", "/go/editors"} {
			if got := v.Do(theSite.url(path), nil, forged...); got.Status != tt.status {
				t.Errorf("%s: %s gets %d, want %d", tt.want.Name, path, got.Status, tt.status)
			}
		}
	}
}

// TestLogouts logs out once by Django and once by the filter; either way the same cookie is
// rejected everywhere.
func TestLogouts(t *testing.T) {
	logouts := []struct {
		name   string
		logout func(v *visitor) testenv.Response
		status int
	}{
		{"Django's", func(v *visitor) testenv.Response {
			form := url.Values{"csrfmiddlewaretoken": {v.CSRF(theSite.url("/"))}}
			return v.Do(theSite.url("/django-logout/"), form, "Origin", theSite.url(""))
		}, http.StatusFound},
		{"the filter's", func(v *visitor) testenv.Response {
			return v.Do(theSite.url("/logout/"), url.Values{}, "Origin", theSite.url(""), "Sec-Fetch-Mode", "navigate")
		}, http.StatusSeeOther},
	}
	for _, tt := range logouts {
		t.Run(tt.name, func(t *testing.T) {
			v := newVisitor(t)
			key := v.login()
			old := with(t, key)
			if before := old("/go/whoami"); before.Status != http.StatusOK {
				t.Fatalf("before: %d, want 200", before.Status)
			}
			if got := tt.logout(v); got.Status != tt.status {
				t.Fatalf("logout: %d, want %d: %s", got.Status, tt.status, got.Body)
			}
			if got := v.key(); got != "" {
				t.Error("the browser still has the cookie")
			}
			if after := old("/go/whoami", "Sec-Fetch-Mode", "cors"); after.Status != http.StatusUnauthorized {
				t.Errorf("the Go service with the old cookie: %d, want 401", after.Status)
			}
			if after := old("/", "Sec-Fetch-Mode", "navigate"); after.Status != http.StatusFound {
				t.Errorf("Django with the old cookie: %d, want 302", after.Status)
			}
			// Django itself, without the filter, agrees.
			direct := newVisitor(t).Do(theSite.direct(8000, "/session/"), nil, "Cookie", "sessionid="+key)
			if direct.Status == http.StatusOK && decode[djangoView](t, direct).User == "demo" {
				t.Error("Django itself still accepts the old cookie")
			}
		})
	}
}

func TestLogoutIsRefusedToOtherSites(t *testing.T) {
	v := newVisitor(t)
	key := v.login()
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		if got := v.Do(theSite.url("/logout/"), url.Values{}, header...); got.Status != http.StatusForbidden {
			t.Errorf("%v: %d, want 403", header, got.Status)
		}
	}
	if got := with(t, key)("/go/whoami"); got.Status != http.StatusOK {
		t.Errorf("afterwards: %d, want 200", got.Status)
	}
}

// TestRefreshedSessionIsStillDjangos checks that the filter extends a session that is due, and
// that Django continues to use it.
func TestRefreshedSessionIsStillDjangos(t *testing.T) {
	v := newVisitor(t)
	key := v.login()
	callService(t, "/v1/touch", map[string]any{"key": key, "age": 3600})
	answer := v.Do(theSite.url("/go/whoami"), nil)
	if cookie := answer.Header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "sessionid="+key+";") || !strings.Contains(cookie, "Max-Age=1209600") {
		t.Errorf("Set-Cookie %q, want the same key for 14 days", strings.ReplaceAll(cookie, key, "KEY"))
	}
	// The touch is asynchronous: the request does not wait for it, but this test must.
	want := time.Now().Add(14*24*time.Hour - time.Minute)
	var got djangoView
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && got.Expires.Before(want); {
		direct := newVisitor(t).Do(theSite.direct(8000, "/session/"), nil, "Cookie", "sessionid="+key)
		got = decode[djangoView](t, direct)
	}
	if got.Expires.Before(want) {
		t.Errorf("Django reads the end %v, want one after %v", got.Expires, want)
	}
	if got.User != "demo" {
		t.Errorf("Django sees user %q, want demo", got.User)
	}
	if page := v.Do(theSite.url("/"), nil); page.Status != http.StatusOK || !strings.Contains(page.Body, "You are demo") {
		t.Errorf("Django's page afterwards: %d", page.Status)
	}
}

// TestOutageIsNoLogout makes the session service hang, stops it, and starts it again: requests get
// 503 in between, and the session is unchanged.
func TestOutageIsNoLogout(t *testing.T) {
	guest, leaver := newVisitor(t), newVisitor(t)
	guest.login()
	leaver.login()
	refused := func(when string) {
		t.Helper()
		for _, got := range []testenv.Response{
			guest.Do(theSite.url("/go/whoami"), nil),
			leaver.Do(theSite.url("/logout/"), url.Values{}),
		} {
			if got.Status != http.StatusServiceUnavailable || got.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s: %d, Set-Cookie %q; want 503 and the cookie untouched", when, got.Status, got.Header.Get("Set-Cookie"))
			}
		}
	}
	if err := theSite.service.Hang(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused("while it hangs")
	theSite.service.Kill()
	refused("while it is gone")
	if err := theSite.startService(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, v := range []*visitor{guest, leaver} {
		if got := v.Do(theSite.url("/go/whoami"), nil); got.Status != http.StatusOK {
			t.Errorf("afterwards: %d, want 200", got.Status)
		}
	}
}

// TestSecretsStayOutOfLogs searches the output of Envoy, with its wasm, and of the service for
// keys and the token.
func TestSecretsStayOutOfLogs(t *testing.T) {
	v := newVisitor(t)
	key := v.login()
	v.Do(theSite.url("/go/whoami"), nil)
	for name, text := range map[string]string{"envoy": theSite.envoy.Log(), "service": theSite.service.Log()} {
		if strings.Contains(text, key) || strings.Contains(text, token) {
			t.Errorf("%s's log holds a key or the token", name)
		}
	}
	stats, err := theSite.envoy.Admin(t.Context(), "/stats")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stats, key) {
		t.Error("Envoy's stats hold a key")
	}
}

func callService(t *testing.T, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, theSite.direct(8081, path), bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, answer.Status)
	}
}
