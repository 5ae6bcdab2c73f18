package attacks

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
)

// TestUnreadableRows plants rows that cannot be read here and that Django may serve. A revocation
// of all sessions of a user ends those that it can read, fails, and names the others; each ends
// when it is named itself.
func TestUnreadableRows(t *testing.T) {
	// Revocations fail while such rows are there: this site is not shared with other tests.
	p, err := startProject("db", "unreadable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	for name, data := range map[string]string{
		"1.2 MB":          `{"_auth_user_id":"7","filler":"` + strings.Repeat("x", 1_200_000) + `"}`,
		"nested 150 deep": `{"_auth_user_id":"7","deep":` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + `}`,
		"nested 900 deep": `{"_auth_user_id":"7","deep":` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `}`,
		"NaN":             `{"_auth_user_id":"7","n":NaN}`,
		"a control byte":  `{"_auth_user_id":"7","n":"` + "\x01" + `"}`,
		"the id twice":    `{"_auth_user_id":"8","_auth_user_id":"7"}`,
		"an escaped name": `{"_auth_\u0075ser_id":"7"}`,
		"the id a number": `{"_auth_user_id":7}`,
	} {
		t.Run(name, func(t *testing.T) {
			readable, _ := p.at(t, "login?user=7", "")
			key := sessiontest.Key(t)
			p.plant(t, map[string]string{key: data})
			status, body := p.call(t, "/v1/flush", `{"user":"7"}`)
			if _, err := p.store.Load(t.Context(), readable); err == nil {
				t.Errorf("the session that can be read has not ended: %d %s", status, body)
			}
			switch left := slices.Contains(p.keys(t), key); {
			case status == 200 && left:
				t.Errorf("the call succeeds, and the row is there: %s", body)
			case status == 200:
				return
			case !left || !strings.Contains(body, session.ID(key)):
				t.Errorf("the row is there: %v; %d %s does not name it", left, status, body)
			}
			p.revokeByID(t, "sqlite://"+p.file, session.ID(key))
			if slices.Contains(p.keys(t), key) {
				t.Error("named itself it does not end")
			}
			if status, body := p.call(t, "/v1/flush", `{"user":"7"}`); status != 200 {
				t.Errorf("afterwards: %d %s", status, body)
			}
		})
	}
}

// TestUnreadableValues does the same with what Django has pickled into a cache.
func TestUnreadableValues(t *testing.T) {
	redis, err := testenv.StartRedis(t.Context(), testenv.RedisConfig{Server: testenv.Valkey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Stop() })
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	p := &project{service: ports[0]}
	service, err := testenv.StartService(t.Context(), testenv.ServiceConfig{
		Port: p.service, Store: "redis://" + redis.Address() + "/0", SecretKey: secretKey, Token: token, Bare: true, Binary: os.Getenv("CLOAKROOM_SERVICE"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Stop() })
	key := sessiontest.Key(t)
	python(t, `
import sys
from django.conf import settings
settings.configure(CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": sys.argv[1]}}, SESSION_ENGINE="django.contrib.sessions.backends.cache")
import django
django.setup()
from django.core.cache import cache
class Cart:
    pass
cache.set("django.contrib.sessions.cache" + sys.argv[2], {"_auth_user_id": "7", "cart": Cart()}, 600)
`, "redis://"+redis.Address()+"/0", key)
	exists := func() bool {
		return python(t, `
import sys
from redis import Redis
print(Redis.from_url(sys.argv[1]).exists(":1:django.contrib.sessions.cache" + sys.argv[2]))
`, "redis://"+redis.Address()+"/0", key) == "1"
	}
	if !exists() {
		t.Fatal("Django did not store it")
	}
	status, body := p.call(t, "/v1/flush", `{"user":"7"}`)
	if status == 200 {
		if exists() {
			t.Errorf("the call succeeds, and the session is there: %s", body)
		}
		return
	}
	if !exists() || !strings.Contains(body, session.ID(key)) {
		t.Errorf("%d %s does not name the session", status, body)
	}
	p.revokeByID(t, "redis://"+redis.Address()+"/0", session.ID(key))
	if exists() {
		t.Error("named itself it does not end")
	}
}

// revokeByID ends a session as an operator does who was given its ID.
func (p *project) revokeByID(t testing.TB, store, id string) {
	t.Helper()
	path, err := testenv.Cloakroom()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), path, "sessions", "revoke", id, "--store", store, "--service", fmt.Sprintf("http://127.0.0.1:%d", p.service))
	c.Env = append(os.Environ(), "CLOAKROOM_SECRET_KEY="+secretKey, "CLOAKROOM_TOKEN="+token)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestNestedNotes has sessions whose notes on their next key are of nobody's making: each names
// itself, another in a circle, or one of a long chain.
func TestNestedNotes(t *testing.T) {
	p := djangoWith(t, "db")
	envoys(t, func(t *testing.T, version string) {
		s := newSite(t, version, options{Project: p, FilterConfig: cookieRoutes(map[string]any{"service": map[string]any{"cluster": "sessions", "token": token}}, map[string]any{
			"expiry": map[string]any{"cycle_every": "1h"},
		})})
		mine, _ := p.at(t, "login?user=2", "")
		s.admits(t, mine, "2")
		next := func(key string) string {
			return fmt.Sprintf(`{"_auth_user_id":"1","_cloakroom_next":{"key":%q,"grace":3600}}`, key)
		}
		keys := make([]string, 500)
		for i := range keys {
			keys[i] = sessiontest.Key(t)
		}
		p.plant(t, map[string]string{keys[0]: next(keys[0]), keys[1]: next(keys[2]), keys[2]: next(keys[1])})
		chain := map[string]string{}
		for i := 3; i < len(keys); i++ {
			chain[keys[i]] = next(keys[min(i+1, len(keys)-1)])
		}
		p.plant(t, chain)
		beside := s.bystand("/django/private/home", mine, "ok")
		before := cpu(t, p.serviceStarts.PID())
		const requests = 120
		each(requests, 6, func(i int) {
			key := keys[[]int{0, 1, 3}[i%3]]
			status, header, body := s.ask("/django/private/home", "Cookie: sessionid="+key)
			if status == 200 {
				t.Errorf("a session without an end is admitted as %q: %d %s", header.Get("Seen-User"), status, body)
			}
		})
		spent := cpu(t, p.serviceStarts.PID()) - before
		n, p99, worst := beside.end(t)
		note(t, t.Name(), fmt.Sprintf("Envoy %s, %d requests with sessions whose next keys have no end: %s of the service's CPU; a client beside them: %d requests, p99 %s, worst %s",
			version, requests, spent, n, p99.Round(100*time.Microsecond), worst.Round(100*time.Microsecond)))
	})
}

// python runs a program in Django's Python and returns what it prints.
func python(t testing.TB, program string, args ...string) string {
	t.Helper()
	path, err := testenv.Python()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, append([]string{"-c", program}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// cpu returns how much processor time a process has used.
func cpu(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ticks := 0
	for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
