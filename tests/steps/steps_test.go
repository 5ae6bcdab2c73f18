package steps

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

// visitor is a minimal browser with one session cookie.
type visitor struct {
	t      *testing.T
	site   *site
	cookie string
}

// get sends a request and stores the cookie of the response.
func (v *visitor) get(path string, want int) *answer {
	v.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(v.site.Port)+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Mode", "cors")
	if v.cookie != "" {
		request.AddCookie(&http.Cookie{Name: "sessionid", Value: v.cookie})
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if response.StatusCode != want {
		v.t.Fatalf("%s: %d, want %d: %.300s", path, response.StatusCode, want, body)
	}
	a := &answer{body: string(body)}
	for _, c := range response.Cookies() {
		if c.Name == "sessionid" {
			a.set = c
			v.cookie = c.Value
		}
	}
	return a
}

type answer struct {
	body string
	set  *http.Cookie // nil: the response set no cookie
}

// sees checks what both upstreams get of the visitor's session.
func (v *visitor) sees(want view) {
	v.t.Helper()
	for _, upstream := range []string{"django", "go"} {
		v.seenBy(upstream, want)
	}
}

func (v *visitor) seenBy(upstream string, want view) {
	v.t.Helper()
	var got view
	if err := json.Unmarshal([]byte(v.get("/"+upstream+"/read", 200).body), &got); err != nil {
		v.t.Fatal(err)
	}
	if got != want {
		v.t.Errorf("the %s upstream sees %+v, want %+v", upstream, got, want)
	}
}

var (
	nothing = view{"", "default_value"}
	name    = view{"", "example_user"}
	demo    = view{"demo", "default_value"}
)

// step is one of the seven steps; upstream is the one that acts.
type step struct {
	name string
	walk func(t *testing.T, s *site, upstream string)
}

var steps = []step{
	{"1 enabled", enabled},
	{"2 the engine's own place", place},
	{"3 data stored", stored},
	{"4 data read, with a default", stored},
	{"5 data cleared", cleared},
	{"6 expiry", expiry},
	{"7 login, logout, clean-up", ended},
}

func TestSteps(t *testing.T) {
	for _, s := range sites {
		t.Run(s.Name, func(t *testing.T) {
			for _, upstream := range []string{"django", "go"} {
				for _, step := range steps {
					t.Run(upstream+" "+step.name, func(t *testing.T) { step.walk(t, s, upstream) })
				}
			}
		})
	}
}

// enabled checks that a visitor without a session is rejected where one is required, and served
// elsewhere.
func enabled(t *testing.T, s *site, upstream string) {
	v := &visitor{t: t, site: s}
	v.get("/"+upstream+"/private/home", 401)
	if a := v.get("/"+upstream+"/home", 200); a.set != nil {
		t.Error("a visitor got a session without need")
	}
}

// place checks that what was written is where the engine keeps it, and nowhere else.
func place(t *testing.T, s *site, upstream string) {
	v := &visitor{t: t, site: s}
	v.get("/"+upstream+"/store", 200)
	if s.Store == "" {
		if strings.Count(v.cookie, ":") != 2 {
			t.Error("the cookie is not signed")
		}
		return
	}
	sessions := s.open(t)
	loaded, err := sessions.Load(t.Context(), v.cookie)
	if err != nil || !strings.Contains(string(loaded.Data), `"username":"example_user"`) {
		t.Errorf("the store holds %s, %v", loaded.Data, err)
	}
}

// open opens the store that Django and the service use.
func (s *site) open(t *testing.T) session.Store {
	t.Helper()
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := store.Open(t.Context(), s.Store, store.Options{Codec: codec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sessions.Close() })
	return sessions
}

func stored(t *testing.T, s *site, upstream string) {
	v := &visitor{t: t, site: s}
	v.sees(nothing)
	v.get("/"+upstream+"/store", 200)
	v.sees(name)
}

func cleared(t *testing.T, s *site, upstream string) {
	v := &visitor{t: t, site: s}
	v.get("/"+upstream+"/store", 200)
	v.get("/"+upstream+"/clear", 200)
	v.sees(nothing)
}

func expiry(t *testing.T, s *site, upstream string) {
	v := &visitor{t: t, site: s}
	set := func(value string) *http.Cookie {
		t.Helper()
		a := v.get("/"+upstream+"/expiry?value="+url.QueryEscape(value), 200)
		if a.set == nil {
			t.Fatalf("expiry %q: no cookie", value)
		}
		return a.set
	}
	v.get("/"+upstream+"/login", 200)
	v.get("/"+upstream+"/store", 200)
	if c := set("600"); c.MaxAge != 600 {
		t.Errorf("seconds: Max-Age %d, want 600", c.MaxAge)
	}
	if c := set("0"); c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("until the browser closes: %v, %d", c.Expires, c.MaxAge)
	}
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	if c := set(at.Format("2006-01-02T15:04:05+00:00")); c.Expires.Sub(at).Abs() > 2*time.Second {
		t.Errorf("a date: %v, want %v", c.Expires, at)
	}
	if c := set(""); c.MaxAge != 14*24*60*60 {
		t.Errorf("the policy: Max-Age %d, want two weeks", c.MaxAge)
	}
	live := v.cookie
	v.get("/"+upstream+"/private/home", 200)
	ended := set(time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05+00:00"))
	if ended.MaxAge >= 0 && ended.Expires.After(time.Now()) {
		t.Errorf("a date in the past: %v", ended)
	}
	if s.Store != "" {
		v.cookie = live // the same key
	}
	for _, u := range []string{"django", "go"} {
		v.get("/"+u+"/private/home", 401)
	}
}

func ended(t *testing.T, s *site, upstream string) {
	v := &visitor{t: t, site: s}
	v.get("/"+upstream+"/clear", 200)
	v.get("/"+upstream+"/store", 200)
	before := v.cookie
	v.get("/"+upstream+"/login", 200)
	if v.cookie == before {
		t.Error("the login kept the key")
	}
	v.seenBy("go", view{"demo", "example_user"})
	if upstream == "django" || s.Store != "" {
		v.seenBy("django", view{"demo", "example_user"})
	}
	if s.Store != "" {
		(&visitor{t, s, before}).sees(nothing)
	}
	during := v.cookie
	v.get("/"+upstream+"/logout", 200)
	if v.cookie != "" {
		t.Error("the logout kept the cookie")
	}
	if s.Store == "" {
		return // a copy of a signed cookie is valid until it expires, as in Django
	}
	for _, u := range []string{"django", "go"} {
		(&visitor{t, s, during}).get("/"+u+"/private/home", 401)
	}
	// The session that expired in the step before is still stored, unless the engine expires it by
	// itself; it can be cleared, and no live session is.
	(&visitor{t: t, site: s}).get("/"+upstream+"/expiry?value=2020-01-01T00:00:00%2B00:00", 200)
	keeper := &visitor{t: t, site: s}
	keeper.get("/"+upstream+"/store", 200)
	sessions := s.open(t)
	if _, err := sessions.ClearExpired(t.Context(), 1000); err != nil {
		t.Error(err)
	}
	if n, err := sessions.ClearExpired(t.Context(), 1000); n != 0 || err != nil {
		t.Errorf("%d dead sessions are left, %v", n, err)
	}
	keeper.sees(name)
}

// TestAccounts checks that a changed password ends the user's other sessions, and that an inactive
// user is rejected, whichever upstream logged them in.
func TestAccounts(t *testing.T) {
	for _, s := range sites {
		if s.Store == "" {
			continue // the filter alone cannot read accounts
		}
		for _, upstream := range []string{"django", "go"} {
			t.Run(s.Name+" "+upstream, func(t *testing.T) {
				v := &visitor{t: t, site: s}
				v.get("/"+upstream+"/login", 200)
				v.sees(demo)
				operator := &visitor{t: t, site: s}
				operator.get("/django/active?value=no", 200)
				v.get("/go/private/home", 401)
				(&visitor{t: t, site: s}).get("/go/login", 403)
				operator.get("/django/active?value=yes", 200)
				v.get("/go/private/home", 200)
				operator.get("/django/password?value=another", 200)
				old := *v
				v.get("/go/private/home", 401)
				old.sees(nothing)
				v.cookie = ""
				v.get("/"+upstream+"/login", 200)
				v.sees(demo)
			})
		}
	}
}

// TestNothingInTheLog searches Envoy's output for session keys.
func TestNothingInTheLog(t *testing.T) {
	v := &visitor{t: t, site: sites[0]}
	v.get("/go/login", 200)
	if strings.Contains(envoy.Log(), v.cookie) || strings.Contains(envoy.Log(), secretKey) {
		t.Error("Envoy's log holds a secret")
	}
}
