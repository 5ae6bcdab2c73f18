package audit

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service/audit"
	"cloakroom/session"
	"cloakroom/session/django"
)

const (
	requestID   = "5f9c2f0e-6a9c-4b1e-9a66-0e9a8f66c6a1"
	traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

// TestAudit goes through all that ends, begins or refuses a session, and reads the audit log of the
// service and of the command line. No line holds a key, a cookie, the token or the secret.
func TestAudit(t *testing.T) {
	s := newSite(t)
	for _, step := range []struct {
		name string
		do   func(t *testing.T, s *site)
	}{
		{"login and logout", loginLogout},
		{"by Django", byDjango},
		{"by an upstream", byUpstream},
		{"revocations", revocations},
		{"refusals by the account", refusals},
		{"a key's rotation and its reuse", rotation},
		{"limits", limits},
		{"signed cookies", signedCookies},
		{"headers of clients", hostileHeaders},
	} {
		t.Run(step.name, func(t *testing.T) {
			s.t = t
			step.do(t, s)
		})
	}
	s.t = t
	for _, e := range audit.Events() {
		if len(s.events(fields{"event": e})) == 0 {
			t.Errorf("the steps caused no %s", e)
		}
	}
	s.holdsNoSecret()
}

// holdsNoSecret searches the logs for every cookie that a browser had.
func (s *site) holdsNoSecret() {
	s.t.Helper()
	if len(s.secrets) < 12 {
		s.t.Errorf("the browsers had %d cookies only", len(s.secrets))
	}
	logs := map[string]string{"audit": s.text(), "service": s.service.Log(), "Envoy 1.40": s.envoys[0].Log(), "Envoy 1.36": s.envoys[1].Log()}
	for name, text := range logs {
		for secret := range s.secrets {
			if strings.Contains(text, secret) {
				s.t.Errorf("the log %s holds the cookie %s", name, secret)
			}
		}
		for _, secret := range []string{token, secretKey} {
			if strings.Contains(text, secret) {
				s.t.Errorf("the log %s holds %q", name, secret)
			}
		}
	}
}

func loginLogout(_ *testing.T, s *site) {
	b := s.browser(0).login(1, "X-Request-Id", requestID, "Traceparent", traceparent)
	first := b.cookie
	s.wrote(1, fields{"event": audit.LoginSuccess, "user": 1, "session": session.ID(first), "request_id": requestID, "traceparent": traceparent, "level": "INFO"})
	b.login(1)
	s.wrote(1, fields{"event": audit.LoginSuccess, "user": 1, "session": session.ID(b.cookie), "previous": session.ID(first)})
	last := b.cookie
	b.send(http.MethodPost, "/logout", 204, "Sec-Fetch-Site", "same-origin", "X-Request-Id", requestID, "Traceparent", traceparent)
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "logout", "user": 1, "session": session.ID(last), "request_id": requestID, "traceparent": traceparent})
	// A logout without a session is none.
	lines := strings.Count(s.text(), "\n")
	for range 20 {
		b.cookie = last
		b.send(http.MethodPost, "/logout", 204, "Sec-Fetch-Site", "same-origin")
	}
	if more := strings.Count(s.text(), "\n") - lines; more != 0 {
		s.t.Errorf("%d more lines by logouts without a session", more)
	}
}

// byDjango holds what is seen of a login and a logout by Django: that the previous key has ended,
// on a route with a cache or rotation, and nothing of the login itself.
func byDjango(_ *testing.T, s *site) {
	b := s.browser(0)
	b.get("/django/login", 200)
	key := b.cookie
	if n := len(s.events(fields{"session": session.ID(key)})); n != 0 {
		s.t.Errorf("%d lines about a login that the service did not make", n)
	}
	// Its session ends with that of an operator's call, as any other.
	s.post("/v1/flush", map[string]any{"key": key})
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "revoked", "user": 1, "session": session.ID(key)})
	// Of a logout by Django the filter reports that the key has ended.
	b.get("/django/login", 200)
	key = b.cookie
	b.get("/django/private/logout", 200, "X-Request-Id", requestID)
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "application", "session": session.ID(key), "request_id": requestID})
}

func byUpstream(_ *testing.T, s *site) {
	b := s.browser(0)
	b.get("/plain/?x-session-set={%22a%22:1}", 200, "X-Request-Id", requestID)
	s.wrote(1, fields{"event": audit.SessionCreated, "session": session.ID(b.cookie), "request_id": requestID})
	key := b.login(2).cookie
	b.get("/plain/?x-session-flush=1", 200)
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "upstream", "user": 2, "session": session.ID(key)})
	key = b.login(2).cookie
	b.get("/plain/?x-session-expiry=2020-01-01T00:00:00Z", 200)
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "expiry", "user": 2, "session": session.ID(key)})
}

func revocations(_ *testing.T, s *site) {
	key := s.browser(0).login(3).cookie
	s.command(key+"\n", "sessions", "revoke", "-")
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "revoked", "user": 3, "session": session.ID(key), "actor": "*"})
	for range 3 {
		s.browser(0).login(3)
	}
	s.command("", "sessions", "revoke", "--user", "3", "--signed-age", "1h")
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "revoked", "user": 3, "all": true, "ended": 3, "actor": "*"})
	s.command("", "sessions", "revoke", "--user", "3", "--signed-age", "1h", "--before", "2026-01-02T03:04:05Z")
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "revoked", "user": 3, "before": "2026-01-02T03:04:05Z", "actor": "*"})
	s.browser(0).login(4)
	s.post("/v1/flush", map[string]any{"user": "4"})
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "revoked", "user": 4, "all": true, "ended": 1})
	s.post("/v1/changed", map[string]any{"user": "4"})
	s.wrote(1, fields{"event": audit.AccountsChanged, "user": 4})
}

func refusals(_ *testing.T, s *site) {
	b, other := s.browser(0).login(5), s.browser(0)
	key := b.cookie
	other.get("/django/active?user=5&value=no", 200)
	for range 30 {
		if user := b.get("/plain/", 200, "X-Request-Id", requestID); user != "" {
			s.t.Fatalf("an inactive user is %q", user)
		}
		b.cookie = key
	}
	s.wrote(1, fields{"event": audit.AuthzFail, "reason": "inactive", "user": 5, "session": session.ID(key), "request_id": requestID})
	other.get("/plain/?x-session-login=5", 403)
	s.wrote(1, fields{"event": audit.LoginFail, "reason": "account", "user": 5, "level": "WARN"})
	other.get("/django/active?user=5&value=yes", 200)
	other.get("/django/password?user=5&value=another", 200)
	for range 30 {
		if user := b.get("/plain/", 200); user != "" {
			s.t.Fatalf("after a change of the password the user is %q", user)
		}
		b.cookie = key
	}
	s.wrote(1, fields{"event": audit.AuthzFail, "reason": "password", "user": 5, "session": session.ID(key)})
}

// until sends requests until the browser's cookie is another.
func (b *browser) until(path, cookie string) {
	b.s.t.Helper()
	for deadline := time.Now().Add(patience); b.cookie == cookie; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.s.t.Fatalf("%s: the cookie stays", path)
		}
		b.get(path, 200)
	}
}

func rotation(_ *testing.T, s *site) {
	b := s.browser(0)
	b.get("/plain/cycle?x-session-login=6", 200)
	first := b.cookie
	s.age(first)
	b.until("/plain/cycle", first)
	s.wrote(1, fields{"event": audit.SessionRenewed, "user": 6, "session": session.ID(b.cookie), "previous": session.ID(first)})
	b.get("/plain/cycle", 200) // from now on the previous key is past its grace period
	thief := s.browser(0)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		thief.cookie = first
		if thief.get("/plain/", 200, "X-Request-Id", requestID) == "" {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the previous key is admitted")
		}
	}
	s.wrote(1, fields{"event": audit.TokenReuse, "user": 6, "session": session.ID(first), "request_id": requestID, "level": "WARN"})
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "reuse", "user": 6, "session": session.ID(first)})
}

func limits(_ *testing.T, s *site) {
	for _, limit := range []string{"idle", "absolute"} {
		b := s.browser(0)
		b.get("/plain/"+limit+"?x-session-login=7", 200)
		key := b.cookie
		s.age(key)
		if user := b.get("/plain/"+limit, 200); user != "" {
			s.t.Errorf("%s: the session continues", limit)
		}
		s.wrote(1, fields{"event": audit.SessionExpired, "reason": limit, "user": 7, "session": session.ID(key)})
	}
}

// signedCookies holds the same of sessions in cookies, by the ID of their revocation.
func signedCookies(t *testing.T, s *site) {
	b := s.browser(1)
	b.get("/plain/?x-session-login=8", 200)
	cookie := b.cookie
	codec, err := django.NewCookieCodec(1<<20, secretKey)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := codec.Decode(cookie, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), `"`+session.SignedKey+`":"`)
	of, ok := session.ParseSigned(strings.SplitN(rest, `"`, 2)[0])
	if !ok {
		t.Fatalf("no handle in %s", data)
	}
	s.wrote(0, fields{"event": audit.LoginSuccess, "user": 8}) // the filter itself has signed it
	b.send(http.MethodPost, "/logout", 204, "Sec-Fetch-Site", "same-origin", "X-Request-Id", requestID)
	s.wrote(1, fields{"event": audit.SessionExpired, "reason": "logout", "user": 8, "session": session.ID(of.ID), "request_id": requestID})
	for range 10 {
		b.cookie = cookie
		if user := b.get("/plain/", 200); user != "" {
			t.Fatalf("a revoked cookie is the user %q", user)
		}
	}
	s.wrote(1, fields{"event": audit.UseAfterExpire, "reason": "revoked", "user": 8, "session": session.ID(of.ID)})
}

// hostileHeaders holds that what clients send as IDs is left out where it is too long or malformed,
// and never ends a line.
func hostileHeaders(_ *testing.T, s *site) {
	for i, header := range []string{strings.Repeat("a", 129), `a"b`, `a\nb`, "a b", "é"} {
		b := s.browser(0).login(9+i, "X-Request-Id", header, "Traceparent", header)
		got := s.events(fields{"event": audit.LoginSuccess, "user": 9 + i, "session": session.ID(b.cookie)})
		if len(got) != 1 || got[0]["request_id"] != nil || got[0]["traceparent"] != nil {
			s.t.Errorf("%q: %v", header, got)
		}
	}
}

// TestUnwritable holds that an audit log that cannot be written stops nothing, and is seen.
func TestUnwritable(t *testing.T) {
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, port: ports[0]}
	s.service = keep(t)(testenv.StartService(t.Context(), testenv.ServiceConfig{
		Port: s.port, Store: "sqlite://" + t.TempDir() + "/db.sqlite3", SecretKey: secretKey, Token: token, Bare: true, Args: []string{"--audit", "/dev/full"},
	}))
	for range 3 {
		s.post("/v1/login", map[string]any{"user": "1", "age": 60})
	}
	if n, err := testenv.Metric(t.Context(), s.port, "cloakroom_audit_errors_total"); err != nil || n != 3 {
		t.Errorf("%d errors are counted, %v; want 3", n, err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(s.service.Log(), "the audit log cannot be written"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say so: %s", s.service.LogTail(20))
		}
	}
}
