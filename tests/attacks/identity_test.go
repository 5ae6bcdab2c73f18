package attacks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
)

// TestIdentityOfAnotherRoute sends, on one route, the identity header that only the metadata of
// another route names: it reaches no upstream, or nothing is admitted under such a configuration.
func TestIdentityOfAnotherRoute(t *testing.T) {
	envoys(t, func(t *testing.T, version string) {
		names := map[string]any{"identity": map[string]any{"headers": map[string]any{"x-uid": "_auth_user_id"}}}
		for _, declared := range []bool{false, true} {
			more := map[string]any{"mode": "optional", "route_metadata": map[string]any{"allow": []string{"identity"}}}
			if declared {
				more["strip_headers"] = []string{"x-uid"}
			}
			s := newSite(t, version, options{
				FilterConfig: filterConfig(serviceConfig(more),
					testenv.FilterRoute{Name: "billing", Prefix: "/billing/", Metadata: map[string]any{"cloakroom": names}},
					testenv.FilterRoute{Name: "rest", Prefix: "/"}),
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprintf(w, "%q", r.Header["X-Uid"])
				}),
			})
			key := s.create(`{"_auth_user_id":"7"}`)
			for _, when := range []string{"before the route was seen", "after it was seen"} {
				status, body := s.get("/", "X-Uid: 1", "x_uid: 1")
				if declared && (status != 200 || body != "[]") {
					t.Errorf("%s, declared %v: the upstream gets %d %s", when, declared, status, body)
				}
				status, body = s.get("/billing/", "X-Uid: 1", "Cookie: sessionid="+key)
				if declared && body != `["7"]` || !declared && status == 200 {
					t.Errorf("%s, declared %v: on its own route %d %s", when, declared, status, body)
				}
			}
		}
	})
}

// TestTrailers sends identity headers as trailers of a request, and instructions as those of a
// response.
func TestTrailers(t *testing.T) {
	envoys(t, func(t *testing.T, version string) {
		seen := make(chan http.Header, 1)
		c := filterConfig(serviceConfig(map[string]any{"accept_updates": true}))
		c.UpstreamHTTP2 = true
		s := newSite(t, version, options{FilterConfig: c, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			seen <- r.Trailer.Clone()
			w.Header().Set("Trailer", "X-Session-Set, X-Session-Login, X-Session-Flush, X-Checksum")
			fmt.Fprint(w, "ok")
			for name, value := range map[string]string{"X-Session-Set": `{"secret":1}`, "X-Session-Login": "1", "X-Session-Flush": "1", "X-Checksum": "5"} {
				w.Header().Set(name, value)
			}
		})})
		key := s.create(`{"_auth_user_id":"7"}`)
		protocols := &http.Protocols{}
		protocols.SetUnencryptedHTTP2(true)
		client := &http.Client{Timeout: patience, Transport: &http.Transport{Protocols: protocols}}
		defer client.CloseIdleConnections()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/", io.NopCloser(strings.NewReader("a body")))
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = -1
		request.Header.Set("Cookie", "sessionid="+key)
		request.Trailer = http.Header{"X-User-Id": {"1"}, "X-Session": {`{"admin":true}`}, "X-Checksum": {"5"}}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body := readAll(t, response)
		got := <-seen
		if response.StatusCode != 200 || body != "ok" || got.Get("X-User-Id") != "" || got.Get("X-Session") != "" || got.Get("X-Checksum") != "5" {
			t.Errorf("the upstream gets the trailers %v; it answers %d %s; want the checksum alone", got, response.StatusCode, body)
		}
		for name := range response.Trailer {
			if strings.HasPrefix(name, "X-Session") && response.Trailer.Get(name) != "" {
				t.Errorf("the client gets the trailers %v", response.Trailer)
			}
		}
		if response.Trailer.Get("X-Checksum") != "5" {
			t.Errorf("the client gets the trailers %v, want the checksum", response.Trailer)
		}
		if v, err := s.store.Load(t.Context(), key); err != nil || string(v.Data) != `{"_auth_user_id":"7"}` {
			t.Errorf("the session is %s, %v", v.Data, err)
		}
	})
}

// TestIdentifiers has ids that databases and headers take for others.
func TestIdentifiers(t *testing.T) {
	p := djangoWith(t, "db")
	engine := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}}
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(engine, nil)})
		user := freshUser()
		status, header, _ := s.ask("/instruct?x-session-login=0" + user)
		login := cookieIn(header)
		if status != 200 || login == "" {
			t.Fatalf("x-session-login: 0%s: %d, cookie %q", user, status, login)
		}
		s.admits(t, login, user)
		if _, body := p.at(t, "read", login); !strings.Contains(body, `"user`+user+`"`) {
			t.Errorf("Django says %s", body)
		}
		if status, body := p.call(t, "/v1/flush", `{"user":"`+user+`"}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		s.refuses(t, login)

		alone := newSite(t, version, options{FilterConfig: filterConfig(serviceConfig(nil))})
		for _, id := range []string{" 7", "7 ", "\t7", "7\u00a0", "\u20037", " ", "\u3000", "7\n", "", "7\x00"} {
			data, err := json.Marshal(map[string]string{"_auth_user_id": id})
			if err != nil {
				t.Fatal(err)
			}
			key := alone.create(string(data))
			if status, body := alone.get("/", "Cookie: sessionid="+key); status == 200 && body != "" {
				t.Errorf("the id %q is handed on as %q", id, body)
			} else if status == 200 && id != "" {
				t.Errorf("the id %q passes as nobody's", id)
			}
		}
	})
}

// TestReservedKeys has an upstream write keys of Cloakroom's own and of Django's login.
func TestReservedKeys(t *testing.T) {
	p := djangoWith(t, "db")
	engine := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}}
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(engine, nil)})
		key, _ := p.at(t, "login?user=2", "")
		other, _ := p.at(t, "login?user=1", "")
		before, err := p.store.Load(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		for _, patch := range []string{
			`{"_cloakroom_next":{"key":"` + other + `","grace":60}}`, `{"_cloakroom_created":4102444800}`, `{"_cloakroom_seen":null}`, `{"_cloakroom_signed":"x"}`,
			`{"_auth_user_id":"1"}`, `{"_auth_user_backend":"x"}`, `{"_auth_user_hash":"x"}`, `{"_clo\u0061kroom_next":null}`, `{"n":2,"_cloakroom_new":1}`,
		} {
			_, header, _ := s.ask("/instruct?x-session-set="+escape(patch), "Cookie: sessionid="+key)
			if v, err := p.store.Load(t.Context(), key); err != nil || !bytes.Equal(v.Data, before.Data) {
				t.Errorf("%s: the session has become %s, %v; the cookie %q", patch, v.Data, err, cookieIn(header))
			}
			if status, _ := p.call(t, "/v1/update", `{"key":"`+key+`","age":60,"patch":`+patch+`}`); status != 400 {
				t.Errorf("the service takes %s: %d", patch, status)
			}
		}
	})
}

// TestBackends has a session whose backend has left AUTHENTICATION_BACKENDS: to Django it is
// nobody's.
func TestBackends(t *testing.T) {
	p := djangoWith(t, "db")
	engine := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}}
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(engine, nil)})
		login, _ := p.at(t, "login?user=1", "")
		s.admits(t, login, "1")
		_, err := p.store.Update(t.Context(), login, func(v session.Session) (session.Session, error) {
			v.Data = bytes.Replace(v.Data, []byte("django.contrib.auth.backends.ModelBackend"), []byte("left.the.Settings"), 1)
			return v, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, body := p.at(t, "read", login); djangosUser(t, body) != "" {
			t.Fatalf("Django says %s, want nobody", body)
		}
		s.refuses(t, login)
	})
}

// TestSecretsStay has a session with data that no service was meant to get.
func TestSecretsStay(t *testing.T) {
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{FilterConfig: filterConfig(serviceConfig(nil))})
		key := s.create(`{"_auth_user_id":"7","mfa.totp.secret":"JBSWY3DPEHPK3PXP","cart":[1]}`)
		status, header, body := s.ask("/", "Cookie: sessionid="+key)
		if status != 200 || body != "7" || header.Get("Seen-Session") != "" {
			t.Errorf("got %d %s; the upstream gets the data %q, want none", status, body, header.Get("Seen-Session"))
		}
	})
}

// TestRowsThatGo deletes the row of a session with an open stream, and makes its user inactive,
// while no request comes: the stream ends.
func TestRowsThatGo(t *testing.T) {
	p := djangoWith(t, "db")
	engine := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "cache": map[string]any{"ttl": "1s"}}}
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(engine, map[string]any{"end_streams": true})})
		user := freshUser()
		deleted, _ := p.at(t, "login?user=1", "")
		inactive, _ := p.at(t, "login?user="+user, "")
		streams := []*socketStream{openSocket(t, s.address, deleted), openSocket(t, s.address, inactive)}
		p.at(t, "active?value=no&user="+user, "")
		if err := p.store.Delete(t.Context(), deleted); err != nil {
			t.Fatal(err)
		}
		for _, stream := range streams {
			stream.ends(t)
		}
	})
}

// TestOldKeyOutlivesNothing plays a view of Django's that loaded a session under its old key and
// saves it after the filter has given it a new one: the logout with the new key ends both.
func TestOldKeyOutlivesNothing(t *testing.T) {
	envoys(t, func(t *testing.T, version string) {
		for name, logout := range map[string]struct{ method, path string }{
			"by the filter": {"POST", "/logout/"}, "by Django": {"GET", "/deletes"}, "by a service": {"GET", "/instruct?x-session-flush=1"},
		} {
			s := newSite(t, version, options{
				FilterConfig: filterConfig(serviceConfig(map[string]any{
					"accept_updates": true, "logout": map[string]any{"path": "/logout/"},
					"expiry": map[string]any{"cycle_every": "2s", "cycle_grace": "1s"},
				})),
				Handler: deleting((*project)(nil).front(t)),
			})
			key := sessiontest.Key(t)
			v := session.Session{Key: key, Data: []byte(fmt.Sprintf(`{"_auth_user_id":"7","_cloakroom_created":%d}`, time.Now().Add(-time.Minute).Unix())), Expires: time.Now().Add(time.Hour)}
			if err := s.store.Create(t.Context(), v); err != nil {
				t.Fatal(err)
			}
			var fresh string
			eventually(t, "the session gets a new key", func() bool {
				_, header, _ := s.ask("/", "Cookie: sessionid="+key)
				fresh = cookieIn(header)
				return fresh != "" && fresh != "-" && fresh != key
			})
			// The view saves what it had loaded.
			if _, err := s.store.Update(t.Context(), key, func(now session.Session) (session.Session, error) { return v, nil }); err != nil {
				t.Fatal(err)
			}
			if status, _, _, err := raw(s.address, logout.method+" "+logout.path+" HTTP/1.1\r\nHost: site.test\r\nOrigin: http://site.test\r\nConnection: close\r\nContent-Length: 0\r\nCookie: sessionid="+fresh+"\r\n\r\n"); err != nil || status >= 400 {
				t.Fatalf("the logout %s: %d, %v", name, status, err)
			}
			for _, k := range []string{key, fresh} {
				eventually(t, "a logout "+name+" ends the session under each of its keys", func() bool {
					_, err := s.store.Load(context.Background(), k)
					return err != nil
				})
			}
		}
	})
}

// deleting is an upstream that deletes the session's cookie at /deletes, and the session itself
// as Django would.
func deleting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/deletes" {
			w.Header().Set("Set-Cookie", `sessionid=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/`)
			return
		}
		next.ServeHTTP(w, r)
	})
}
