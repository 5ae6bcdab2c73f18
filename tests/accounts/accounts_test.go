// Package accounts tests that a change in Django's accounts is seen by the upstreams of every Envoy,
// by the receivers of signals in docs/identity.md, long before the cache's ttl.
package accounts

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

const (
	secretKey = "the accounts' SECRET_KEY, long enough for Django"
	token     = "the accounts' token"
	// ttl is longer than the test, so that what is seen is seen by the feed.
	ttl = "2h"
	// patience is the deadline of polling.
	patience = 30 * time.Second
	rounds   = 5
)

// driver is a Django process that runs statements.
type driver struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

// run runs a statement, and returns when it is done.
func (d *driver) run(statement string) {
	d.t.Helper()
	if _, err := fmt.Fprintln(d.in, statement); err != nil {
		d.t.Fatal(err)
	}
	if !d.out.Scan() || d.out.Text() != "done" {
		d.t.Fatalf("%s: %q, %v", statement, d.out.Text(), d.out.Err())
	}
}

const loop = `
import sys
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
def alice(): return User.objects.get(username="alice")
def editors(): return Group.objects.get(pk=1)
def polls(): return Permission.objects.get(codename="change_session")
print("done", flush=True)
for line in sys.stdin:
    try:
        exec(line)
        print("done", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
`

// project copies the demonstration's project, and adds the receivers of docs/identity.md to it.
func project(t *testing.T, dir string, env ...string) testenv.Project {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "demo", "django"))); err != nil {
		t.Fatal(err)
	}
	apps := "from django.apps import AppConfig\n\nclass Demo(AppConfig):\n    name = 'demo'\n\n    def ready(self):\n        from demo import logins, signals  # noqa: F401\n"
	files := map[string]string{"apps.py": apps, "signals.py": snippet(t, root, "identity.md", "signals"), "logins.py": snippet(t, root, "operations.md", "logins")}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "demo", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return testenv.Project{Dir: dir, Env: env, WSGI: "demo.wsgi"}
}

// snippet returns the Python between the comments of a name in a page of docs.
func snippet(t *testing.T, root, page, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- "+name+": tests/accounts -->\n```python\n")
	code, _, ok := strings.Cut(rest, "```\n<!-- /"+name+" -->")
	if !ok {
		t.Fatalf("docs/%s has no %s", page, name)
	}
	return code
}

// drive starts a driver of a project.
func drive(t *testing.T, p testenv.Project) *driver {
	t.Helper()
	python, err := testenv.Python()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "manage.py", "shell", "--no-startup", "-c", loop)
	cmd.Dir, cmd.Stderr = p.Dir, os.Stderr
	cmd.Env = append(append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1"), p.Env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	d := &driver{t, in, bufio.NewScanner(out)}
	for d.out.Scan() && d.out.Text() != "done" { // what shell prints first
	}
	return d
}

// identity is what an upstream gets.
type identity struct{ User, Email, Groups, Permissions string }

var upstream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if user := r.URL.Query().Get("login"); user != "" {
		w.Header().Set("X-Session-Login", user)
	}
	h := r.Header
	_ = json.NewEncoder(w).Encode(identity{h.Get("X-User-Id"), h.Get("X-User-Email"), h.Get("X-User-Groups"), h.Get("X-User-Permissions")})
})

// get returns what the upstream of an Envoy gets of a session, and the session's cookie.
func get(t *testing.T, address, key string) (got identity, cookie string) {
	t.Helper()
	v := testenv.NewVisitor(t)
	v.Client.Jar = nil
	r := v.Do(address, nil, "Sec-Fetch-Mode", "cors", "Cookie", "sessionid="+key)
	if err := json.Unmarshal([]byte(r.Body), &got); err != nil || r.Status != http.StatusOK {
		t.Fatalf("%d, %v in %.200q", r.Status, err, r.Body)
	}
	for _, c := range (&http.Response{Header: r.Header}).Cookies() {
		cookie = c.Value
	}
	return got, cookie
}

// envoys starts the two Envoys and the session service, and returns their addresses.
func envoys(t *testing.T, ports []int, database string) (addresses []string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	service, err := testenv.StartService(ctx, testenv.ServiceConfig{Port: ports[0], Store: "sqlite://" + database, SecretKey: secretKey, Token: token, Args: []string{"--audit", "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Stop() })
	server := httptest.NewServer(upstream)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	for i, version := range []string{testenv.Envoy140, testenv.Envoy136} {
		envoy, err := testenv.StartFilter(ctx, testenv.FilterConfig{
			Version: version, Workers: 2, Port: ports[1+2*i], Admin: ports[2+2*i], Upstream: port, Clusters: map[string][]int{"sessions": ports[:1]},
			Config: map[string]any{
				"mode": "optional", "accept_updates": true, "cookie": map[string]any{"secure": false},
				"engine":   map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "timeout": "5s", "cache": map[string]any{"ttl": ttl}}},
				"identity": map[string]any{"headers": map[string]any{"x-user-id": "_auth_user_id", "x-user-email": "user.email", "x-user-groups": "user.groups", "x-user-permissions": "user.permissions"}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { envoy.Stop() })
		addresses = append(addresses, "http://127.0.0.1:"+strconv.Itoa(ports[1+2*i])+"/")
	}
	return addresses
}

// TestChanges changes an account in each way, and waits until the upstreams of both Envoys see it.
func TestChanges(t *testing.T) {
	ports, err := testenv.FreePorts(5)
	if err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(t.TempDir(), "db.sqlite3")
	p := project(t, t.TempDir(), "CLOAKROOM_DEMO_DATABASE="+database, "CLOAKROOM_SECRET_KEY="+secretKey,
		"CLOAKROOM_SERVICE=http://127.0.0.1:"+strconv.Itoa(ports[0]), "CLOAKROOM_TOKEN="+token)
	if _, err := p.Manage(t.Context(), "migrate", "--verbosity", "0"); err != nil {
		t.Fatal(err)
	}
	django := drive(t, p)
	addresses := envoys(t, ports, database)
	django.run(`User.objects.create_user("alice", "alice@example.com", "cloakroom"); Group.objects.create(name="editors"); editors().permissions.add(polls()); alice().groups.add(editors())`)
	_, key := get(t, addresses[0]+"?login=1", "")
	full := identity{"1", "alice@example.com", "editors", "sessions.change_session"}
	with := func(change func(*identity)) identity { i := full; change(&i); return i }
	ungrouped := with(func(i *identity) { i.Groups, i.Permissions = "", "" })
	unpermitted := with(func(i *identity) { i.Permissions = "" })
	renamed := with(func(i *identity) { i.Groups = "writers" })

	var took []time.Duration
	seen := func(what string, since time.Time, want identity) {
		t.Helper()
		for i, address := range addresses {
			deadline := time.Now().Add(patience)
			got, _ := get(t, address, key)
			for ; got != want && time.Now().Before(deadline); got, _ = get(t, address, key) {
				time.Sleep(time.Millisecond)
			}
			if got != want {
				t.Fatalf("%s: the upstream of Envoy %d gets %+v, want %+v", what, i, got, want)
			}
		}
		if !since.IsZero() {
			took = append(took, time.Since(since))
		}
	}
	seen("at first", time.Time{}, full)
	for _, change := range []struct {
		name, do string
		want     identity
		undo     string
	}{
		{"a group is taken away", `alice().groups.remove(editors())`, ungrouped, `alice().groups.add(editors())`},
		{"from the group's side", `editors().user_set.remove(alice())`, ungrouped, `editors().user_set.set([alice()])`},
		{"a group loses all users", `editors().user_set.clear()`, ungrouped, `alice().groups.set([editors()])`},
		{"a group loses a permission", `editors().permissions.remove(polls())`, unpermitted, `editors().permissions.add(polls())`},
		{"a permission loses its groups", `polls().group_set.clear()`, unpermitted, `polls().group_set.add(editors())`},
		{"a group is renamed", `g = editors(); g.name = "writers"; g.save()`, renamed, `g = editors(); g.name = "editors"; g.save()`},
		{"another e-mail address", `u = alice(); u.email = "a@example.com"; u.save(update_fields=["email"])`, with(func(i *identity) { i.Email = "a@example.com" }), `u = alice(); u.email = "alice@example.com"; u.save()`},
		{"a permission of the user's own", `alice().groups.clear(); alice().user_permissions.add(polls())`, with(func(i *identity) { i.Groups = "" }), `alice().user_permissions.clear(); alice().groups.add(editors())`},
		{"in a transaction", `exec("with transaction.atomic():\n  alice().groups.clear()\n  u = alice(); u.first_name = 'Alice'; u.save()")`, ungrouped, `alice().groups.add(editors())`},
		{"deactivated", `u = alice(); u.is_active = False; u.save()`, identity{}, `u = alice(); u.is_active = True; u.save()`},
	} {
		took = nil
		for range rounds {
			django.run(change.do)
			seen(change.name, time.Now(), change.want)
			django.run(change.undo)
			seen(change.name+", undone", time.Time{}, full)
		}
		slices.Sort(took)
		t.Logf("%-32s seen by both Envoys after p50 %v, worst of %d %v (cache.ttl %s)", change.name, took[len(took)/2].Round(time.Millisecond), rounds, took[len(took)-1].Round(time.Millisecond), ttl)
	}
	django.run(`u = alice(); u.set_password("another"); u.save()`)
	seen("another password", time.Time{}, identity{})
}
