package attacks

import (
	"encoding/json"
	"maps"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"

	"cloakroom/internal/testenv"
)

// startRemoteSite starts a Django whose users are those of Remote-User, and returns its URL.
func startRemoteSite(t *testing.T) string {
	t.Helper()
	python, err := testenv.Python()
	if err != nil {
		t.Fatal(err)
	}
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	address := "http://127.0.0.1:" + strconv.Itoa(ports[0])
	site, err := testenv.Start(t.Context(), testenv.Command{
		Name: "django with Remote-User", Path: python, Args: []string{"remotesite.py", strconv.Itoa(ports[0]), filepath.Join(t.TempDir(), "remote.sqlite3")},
		Env: []string{"PYTHONDONTWRITEBYTECODE=1"}, Dir: filepath.Join(root, "internal", "testenv", "djangosite"),
		Ready: testenv.Answers(address+"/", ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = site.Stop() })
	return address
}

// whoami is the answer of that site.
type whoami struct {
	User string
	Meta map[string]string
}

func (w *whoami) read(t *testing.T, status int, body string) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), w); err != nil || status != 200 {
		t.Fatalf("%d %s", status, body)
	}
}

// TestRemoteUser has Django's RemoteUserMiddleware log users in by the preset remote-user, behind a
// WSGI server that takes remote_user for Remote-User: it has the session's user, or none, whatever
// the client sends.
func TestRemoteUser(t *testing.T) {
	django := startRemoteSite(t)
	p := djangoWith(t, "db")
	target, err := url.Parse(django)
	if err != nil {
		t.Fatal(err)
	}
	var direct whoami
	status, _, body := request(t, django, "/", "remote_user: admin")
	if direct.read(t, status, body); direct.User != "admin" {
		t.Fatalf("past Envoy remote_user: admin is %+v: the site does not show the attack", direct)
	}
	named := freshUser()
	db := p.open(t)
	_, err = db.ExecContext(t.Context(), "UPDATE auth_user SET username = 'zoë', first_name = 'Zoë', last_name = 'de Wit', email = 'zoe@example.com' WHERE id = ?", named)
	if db.Close(); err != nil {
		t.Fatal(err)
	}
	zoe, _ := p.at(t, "login?user="+named, "")
	plain := freshUser()
	other, _ := p.at(t, "login?user="+plain, "")
	userOf := whoami{"user" + plain, map[string]string{"HTTP_REMOTE_USER": "user" + plain}}
	engine := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}}
	forged := []string{"remote_user: admin", "Remote-User: admin", "Remote_User: admin", "REMOTE.USER: admin", "remote_groups: admins", "Remote-Name: Root", "remote_email: root@example.com"}
	envoys(t, func(t *testing.T, version string) {
		c := filterConfig(map[string]any{
			"mode": "optional", "cookie": map[string]any{"secure": false}, "engine": engine, "identity": map[string]any{"preset": "remote-user"},
			"routes": map[string]any{"off": map[string]any{"mode": "off"}, "private": map[string]any{"mode": "required"}},
		}, testenv.FilterRoute{Name: "off", Prefix: "/static/"}, testenv.FilterRoute{Name: "private", Prefix: "/private/"}, testenv.FilterRoute{Name: "open", Prefix: "/"})
		s := newSite(t, version, options{Project: p, FilterConfig: c, Handler: httputil.NewSingleHostReverseProxy(target)})
		for _, tt := range []struct {
			path, cookie string
			want         whoami
		}{
			{"/private/", zoe, whoami{"zoë", map[string]string{"HTTP_REMOTE_USER": "zo%C3%AB", "HTTP_REMOTE_NAME": "Zo%C3%AB de Wit", "HTTP_REMOTE_EMAIL": "zoe@example.com"}}},
			{"/private/", other, userOf},
			{"/", other, userOf},
			{"/", "", whoami{}},
			{"/static/", other, whoami{}},
		} {
			for _, headers := range [][]string{nil, forged} {
				var got whoami
				status, body := s.get(tt.path, append(headers, "Cookie: sessionid="+tt.cookie)...)
				got.read(t, status, body)
				if got.User != tt.want.User || !maps.Equal(got.Meta, tt.want.Meta) {
					t.Errorf("%s with %q: Django has %+v, want %+v", tt.path, headers, got, tt.want)
				}
			}
		}
	})
}
