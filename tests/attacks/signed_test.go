package attacks

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
)

// revocable is the engine of sessions in cookies that can be revoked.
func revocable() map[string]any {
	return map[string]any{
		"signed_cookies": map[string]any{"secret_key": secretKey, "revocable": true},
		"service":        map[string]any{"cluster": "sessions", "token": token, "cache": map[string]any{"ttl": "1s"}},
	}
}

// revoke revokes the session of a cookie that Django has signed and the filter has not seen.
func (p *project) revoke(t testing.TB, cookie string) {
	t.Helper()
	if status, body := p.call(t, "/v1/flush", `{"key":"`+session.SignedID(cookie)+`","age":1209600}`); status != 200 {
		t.Fatalf("the revocation: %d %s", status, body)
	}
}

// admits waits until the private route admits a cookie as a user's.
func (s *site) admits(t testing.TB, cookie, user string) {
	t.Helper()
	eventually(t, "the session is admitted", func() bool {
		status, header, _ := s.ask("/django/private/home", "Cookie: sessionid="+cookie)
		return status == 200 && header.Get("Seen-User") == user
	})
}

// refuses waits until the private route refuses a cookie, and then sees that it goes on to.
func (s *site) refuses(t testing.TB, cookie string) {
	t.Helper()
	eventually(t, "the session is refused", func() bool { return s.private(cookie) == 401 })
	for range 3 {
		if status := s.private(cookie); status != 401 {
			t.Errorf("a session that has ended is answered with %d", status)
		}
	}
}

// private returns the status that the private route answers with; 0 where there is no response:
// with end_streams, a request that is under way as its session ends is reset.
func (s *site) private(cookie string) int {
	status, _, _, err := raw(s.address, "GET /django/private/home HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\nSec-Fetch-Mode: cors\r\nCookie: sessionid="+cookie+"\r\n\r\n")
	if err != nil {
		return 0
	}
	return status
}

// refusesOr sees that a cookie is refused, or that of the given user.
func (s *site) refusesOr(t testing.TB, cookie, user string) {
	t.Helper()
	status, header, body := s.ask("/django/private/read", "Cookie: sessionid="+cookie)
	if status == 200 && (header.Get("Seen-User") != user || !strings.Contains(body, `"user": "`+user+`"`)) {
		t.Errorf("a cookie that Django made of one that had ended is admitted as user %q; Django says %s", header.Get("Seen-User"), body)
	}
}

// TestRevocationsAreNoSessions names what Cloakroom has stored as if it were a session: nothing
// of it is reached.
func TestRevocationsAreNoSessions(t *testing.T) {
	p := djangoWith(t, "signed_cookies")
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(revocable(), map[string]any{"logout": map[string]any{"path": "/logout/"}})})
		byService := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}},
			map[string]any{"logout": map[string]any{"path": "/logout/"}})})
		user := freshUser()
		login, _ := p.at(t, "login?user="+user, "")
		s.admits(t, login, user)
		if status, body := p.call(t, "/v1/flush", `{"user":"`+user+`","age":1209600}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		s.refuses(t, login)
		sum := sha256.Sum256([]byte("revoked user " + user))
		key := hex.EncodeToString(sum[:])[:session.KeyLength]
		// A logout through the filter whose sessions the service keeps, a login, and all calls.
		for _, path := range []string{"/logout/", "/instruct?x-session-login=1", "/instruct?x-session-flush=1", `/instruct?x-session-set={"a":1}`} {
			method := "GET"
			if path == "/logout/" {
				method = "POST"
			}
			_, _, _, err := raw(byService.address, method+" "+path+" HTTP/1.1\r\nHost: site.test\r\nOrigin: http://site.test\r\nConnection: close\r\nContent-Length: 0\r\nCookie: sessionid="+key+"\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, call := range []string{"lookup", "flush", "rotate", "update", "login"} {
			body := map[string]string{"lookup": `}`, "flush": `}`, "rotate": `,"age":60}`, "update": `,"age":60,"patch":{"a":1}}`, "login": `,"user":"1","age":60}`}[call]
			p.call(t, "/v1/"+call, `{"key":"`+key+`"`+body)
		}
		time.Sleep(1100 * time.Millisecond) // past cache.ttl
		s.refuses(t, login)
	})
}

// TestSignedAccounts has accounts change under sessions that are in their cookies.
func TestSignedAccounts(t *testing.T) {
	p := djangoWith(t, "signed_cookies")
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(revocable(), map[string]any{"end_streams": true})})
		user := freshUser()
		_, header, _ := s.ask("/django/login?user=" + user)
		cookie := cookieIn(header)
		s.admits(t, cookie, user)
		stream := openSocket(t, s.address, cookie)
		p.at(t, "active?value=no&user="+user, "")
		s.refuses(t, cookie)
		stream.ends(t)
		p.at(t, "active?value=yes&user="+user, "")
		s.admits(t, cookie, user)
		p.at(t, fmt.Sprintf("password?user=%s&value=new", user), "")
		s.refuses(t, cookie)
	})
}

// socketStream is a WebSocket that a client has open.
type socketStream struct{ conn net.Conn }

func openSocket(t testing.TB, address, cookie string) *socketStream {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: site.test\r\nCookie: sessionid=%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", cookie)
	line, err := bufio.NewReader(io.LimitReader(conn, 12)).ReadString(' ')
	if err != nil || line != "HTTP/1.1 " {
		t.Fatalf("a WebSocket: %q, %v", line, err)
	}
	return &socketStream{conn}
}

// ends waits until the other side ends the stream.
func (s *socketStream) ends(t testing.TB) {
	t.Helper()
	if _, err := io.Copy(io.Discard, s.conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the stream of a session that has ended: %v", err)
	}
}

// TestClocksAhead revokes all sessions of a user until now, while the host that signs cookies is
// half a minute ahead.
func TestClocksAhead(t *testing.T) {
	p := djangoWith(t, "signed_cookies")
	codec, err := django.NewCookieCodec(1<<16, secretKey)
	if err != nil {
		t.Fatal(err)
	}
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(revocable(), nil)})
		user := freshUser()
		login, _ := p.at(t, "login?user="+user, "")
		data, _, err := codec.Decode(login, time.Hour, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ahead, err := codec.Encode(data, time.Now().Add(30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		s.admits(t, ahead, user)
		if status, body := p.call(t, "/v1/flush", `{"user":"`+user+`","age":1209600}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		time.Sleep(1100 * time.Millisecond)
		s.refuses(t, ahead)
	})
}

// TestIDsAreNoKeys sends the ID of a signed session, which logs and the command line show, as a
// session key to a route of the same service whose sessions are in the store: it opens nothing,
// and ends nothing.
func TestIDsAreNoKeys(t *testing.T) {
	p := djangoWith(t, "signed_cookies")
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: filterConfig(map[string]any{
			"cookie": map[string]any{"secure": false}, "end_streams": true,
			"engine": map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "cache": map[string]any{"ttl": "300s", "negative_ttl": "300s"}}},
			"routes": map[string]any{"signed": map[string]any{"engine": map[string]any{"signed_cookies": map[string]any{"secret_key": secretKey, "revocable": true}}}},
		}, testenv.FilterRoute{Name: "stored", Prefix: "/stored"}, testenv.FilterRoute{Name: "signed", Prefix: "/"})})
		user := freshUser()
		for _, first := range []string{"the key", "the cookie"} {
			login, _ := p.at(t, "login?user="+user, "")
			id := session.SignedID(login)
			stored := func() {
				if status, _ := s.get("/stored", "Cookie: sessionid="+id); status != 401 {
					t.Errorf("%s first: the ID of a signed session as a key: %d, want 401", first, status)
				}
			}
			if first == "the key" {
				stored()
			}
			s.admits(t, login, user)
			stream := openSocket(t, s.address, login)
			for range 3 {
				stored()
			}
			s.admits(t, login, user)
			if status, body := p.call(t, "/v1/flush", `{"key":"`+id+`","age":1209600}`); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			s.refuses(t, login)
			stream.ends(t)
		}
	})
}
