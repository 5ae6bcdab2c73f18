package attacks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session/django"
)

// disguises are the ways in which a cookie can be written so that some parser reads it as the
// session's, and another does not.
func disguises(value string) map[string]string {
	octal := ""
	for i := range len(value) {
		octal += fmt.Sprintf(`\%03o`, value[i])
	}
	all := map[string]string{
		"quoted, octal":       `sessionid="` + octal + `"`,
		"quoted, one octal":   `sessionid="` + fmt.Sprintf(`\%03o`, value[0]) + value[1:] + `"`,
		"quoted, backslash":   `sessionid="\` + value + `"`,
		"quoted":              `sessionid="` + value + `"`,
		"a quoted name":       `"sessionid"=` + value,
		"a name in percent":   `%73essionid=` + value,
		"a value in percent":  `sessionid=` + fmt.Sprintf("%%%02x", value[0]) + value[1:],
		"after a comma":       `a=1, sessionid=` + value,
		"$Version":            `$Version=1; sessionid=` + value,
		"a space at the name": `sessionid =` + value,
		"after a bracket":     `a=[sessionid=` + value,
		"after quotes":        `a="1"sessionid=` + value,
		"after a date":        `a=Wed, 01-Jan-2031 00:00:00 GMTsessionid=` + value,
		"PHP's array":         `sessionid[a]=` + value,
		"cut at a separator":  `sessionid=` + value + `?1`,
		"in a second field":   "a=1\r\nCookie: sessionid=" + value,
		"in a first field":    "sessionid=" + value + "\r\nCookie: a=1",
	}
	for _, space := range []rune{0x09, 0x1c, 0x1d, 0x1e, 0x1f, 0x85, 0xa0, 0x1680, 0x2000, 0x2003, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff, 0x200b} {
		s := string(space)
		if space < 0x20 && space != 0x09 {
			continue // Envoy refuses them
		}
		name := fmt.Sprintf("U+%04X", space)
		all[name+" before"] = s + "sessionid=" + value
		all[name+" after the name"] = "sessionid" + s + "=" + value
		all[name+" before the value"] = "sessionid=" + s + value
		all[name+" behind"] = "sessionid=" + value + s
	}
	for _, raw := range []string{"\x85", "\xa0"} { // as Latin-1, which is how WSGI has headers
		all[fmt.Sprintf("byte %x before", raw)] = raw + "sessionid=" + value
		all[fmt.Sprintf("byte %x behind", raw)] = "sessionid=" + value + raw
	}
	return all
}

// djangosUser returns the id of the user whom Django's page shows.
func djangosUser(t *testing.T, body string) string {
	t.Helper()
	var page struct{ User string }
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	id, ok := map[string]string{"": "", "demo": "1", "other": "2"}[page.User]
	if !ok {
		t.Fatalf("Django shows %q", body)
	}
	return id
}

// cookieRoutes are a route that requires a session, one that has the cookie kept from the
// upstream, and others, on which it is optional.
func cookieRoutes(engine map[string]any, more map[string]any) testenv.FilterConfig {
	config := map[string]any{
		"mode": "optional", "cookie": map[string]any{"secure": false}, "engine": engine,
		"routes": map[string]any{
			"private": map[string]any{"mode": "required"},
			"kept":    map[string]any{"forward_cookie": false},
			"off":     map[string]any{"mode": "off"},
			"login":   map[string]any{"accept_updates": true},
		},
	}
	for name, value := range more {
		config[name] = value
	}
	return filterConfig(config,
		testenv.FilterRoute{Name: "private", Prefix: "/django/private/"}, testenv.FilterRoute{Name: "kept", Prefix: "/kept/"},
		testenv.FilterRoute{Name: "off", Prefix: "/django/store"}, testenv.FilterRoute{Name: "login", Prefix: "/instruct"},
		testenv.FilterRoute{Name: "open", Prefix: "/"})
}

// TestDisguisedCookies sends the session cookies of two users, one of them disguised, and one
// disguised cookie alone: Django and the filter mean the same user, or the request is refused.
func TestDisguisedCookies(t *testing.T) {
	p := djangoWith(t, "db")
	alice, _ := p.at(t, "login?user=1", "")
	bob, _ := p.at(t, "login?user=2", "")
	service := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}}
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(service, nil)})
		for name, disguised := range disguises(bob) {
			for order, cookies := range map[string]string{
				"behind another": "sessionid=" + alice + "; " + disguised, "before another": disguised + "; sessionid=" + alice, "alone": disguised,
			} {
				for _, path := range []string{"/django/private/read", "/django/read"} {
					status, header, body := s.ask(path, "Cookie: "+cookies)
					switch {
					case status == 401, status == 400 && header.Get("Seen-Path") == "":
					case status != 200:
						t.Errorf("%s, %s, %s: %d %s", path, name, order, status, body)
					case djangosUser(t, body) != header.Get("Seen-User"):
						t.Errorf("%s, %s, %s: the filter says user %q, Django %q; it got the cookies %q",
							path, name, order, header.Get("Seen-User"), djangosUser(t, body), seenCookie(header))
					}
				}
				status, header, _ := s.ask("/kept/", "Cookie: theme=dark; "+cookies)
				if got := seenCookie(header); status == 200 && (strings.Contains(got, bob[1:]) || strings.Contains(got, alice) || strings.Contains(got, `\`)) {
					t.Errorf("kept from the upstream, %s, %s: it got %q", name, order, got)
				}
			}
		}
	})
}

// TestDisguisedCopies sends copies of a revoked cookie in disguise to a Django that signs the
// cookie anew for each request: nothing of it comes back as a session.
func TestDisguisedCopies(t *testing.T) {
	p := djangoWith(t, "signed_cookies")
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(revocable(), nil)})
		stolen, _ := p.at(t, "login?user=1", "")
		s.admits(t, stolen, "1")
		p.revoke(t, stolen)
		s.refuses(t, stolen)
		for name, disguised := range disguises(stolen) {
			for _, path := range []string{"/django/read", "/django/store"} {
				status, header, body := s.ask(path, "Cookie: "+disguised)
				if fresh := cookieIn(header); fresh != "" && fresh != "-" {
					s.refusesOr(t, fresh, "") // Django's new one, of nobody
				}
				if status == 200 && path == "/django/read" && djangosUser(t, body) != "" {
					t.Errorf("%s, %s: Django believes it; it got %q", path, name, seenCookie(header))
				}
			}
		}
	})
}

// TestLaundering has Django sign a revoked cookie anew on a route where the filter does nothing.
func TestLaundering(t *testing.T) {
	p := djangoWith(t, "signed_cookies")
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(revocable(), nil)})
		stolen, _ := p.at(t, "login?user=1", "")
		s.admits(t, stolen, "1")
		p.revoke(t, stolen)
		s.refuses(t, stolen)
		status, header, _ := s.ask("/django/store", "Cookie: sessionid="+stolen)
		fresh := cookieIn(header)
		if status != 200 || fresh == "" || fresh == "-" {
			t.Fatalf("the route with mode off: %d, cookie %q; want one that Django signed anew", status, fresh)
		}
		s.refuses(t, fresh)
	})
}

// TestLaunderingPastTheLimit does so with a cookie past the absolute limit.
func TestLaunderingPastTheLimit(t *testing.T) {
	p := djangoWith(t, "signed_cookies")
	codec, err := django.NewCookieCodec(1<<16, secretKey)
	if err != nil {
		t.Fatal(err)
	}
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(map[string]any{"signed_cookies": map[string]any{"secret_key": secretKey}},
			map[string]any{"expiry": map[string]any{"absolute": "1h"}})})
		login, _ := p.at(t, "login?user=1", "")
		data, _, err := codec.Decode(login, 14*24*time.Hour, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now().Add(-2 * time.Hour)
		over, err := codec.Encode([]byte(strings.TrimSuffix(string(data), "}")+fmt.Sprintf(`,"_cloakroom_created":%d}`, began.Unix())), time.Now().Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		s.refuses(t, over)
		for _, path := range []string{"/django/store", "/django/read"} {
			_, header, _ := s.ask(path, "Cookie: sessionid="+over)
			if fresh := cookieIn(header); fresh != "" && fresh != "-" {
				s.refusesOr(t, fresh, "")
			}
		}
		short := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(map[string]any{"signed_cookies": map[string]any{"secret_key": secretKey}},
			map[string]any{"expiry": map[string]any{"absolute": "3s"}})})
		for _, path := range []string{"/django/read", "/django/store"} {
			_, header, _ := short.ask("/django/login?user=1")
			cookie := cookieIn(header)
			eventually(t, "a session that Django signs anew all the time ends", func() bool {
				if short.private(cookie) == 401 {
					return true
				}
				_, header, _ := short.ask(path, "Cookie: sessionid="+cookie)
				cookie = cmp.Or(cookieIn(header), cookie)
				return false
			})
		}
	})
}
