// Package doctor tests `cloakroom doctor` at real Envoys: with everything right, and with one thing
// wrong at a time.
package doctor

import (
	"cmp"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

const token = "the doctor's token"

func TestDoctor(t *testing.T) {
	sessions := memory.New(time.Now)
	server := serving(t, sessions)
	live, nobodys, zoneless := sessiontest.Key(t), sessiontest.Key(t), sessiontest.Key(t)
	for key, data := range map[string]string{live: `{"_auth_user_id":"7"}`, zoneless: `{"_session_expiry":"2099-01-01T00:00:00"}`, nobodys: `{"n":1}`} {
		if err := sessions.Create(t.Context(), session.Session{Key: key, Data: []byte(data), Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	optional := map[string]any{"mode": "optional"}
	tenants := []testenv.FilterRoute{istioRoute("shop", "login"), istioRoute("evil", "login"), istioRoute("shop", "shelf")}
	for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
		for name, tt := range map[string]struct {
			token, cookie, policy, cluster string
			dead, noEnvoy, alone           bool
			routes                         map[string]any
			names                          string                // route_names
			envoys                         []testenv.FilterRoute // Envoy's; nil: one of no name
			status                         int
			want, not                      []string
		}{
			"everything right": {token: token, cookie: live, policy: "FAIL_RELOAD", want: []string{
				"Envoy " + version + " is live", "paths are normalized", "has no error", "loaded anew (FAIL_RELOAD)",
				"of the cluster sessions 1 of 1 hosts can be used", "is ready", "accepts the token", "is live until", `user "7"`,
			}, not: []string{"WRONG"}},
			"no session of the cookie": {token: token, cookie: sessiontest.Key(t), status: 1, want: []string{"WRONG  there is no live session of this cookie"}},
			"nobody's session":         {token: token, cookie: nobodys, want: []string{"it is no user's"}},
			"a date without a zone":    {token: token, cookie: zoneless, status: 1, want: []string{"WRONG  the session ends at a date without a zone", "time_zone=TIME_ZONE"}},
			"a wrong token":            {token: "another token", cookie: live, status: 1, want: []string{"WRONG  the session service does not look up: it answers 401", "must be the same"}, not: []string{"live until"}},
			"no token":                 {want: []string{"the token was not tried"}},
			"FAIL_CLOSED":              {token: token, want: []string{"answers 503 until Envoy is started again"}},
			"FAIL_OPEN":                {token: token, policy: "FAIL_OPEN", status: 1, want: []string{"WRONG  with FAIL_OPEN"}},
			"a cluster mistyped":       {token: token, cluster: "sesions", status: 1, want: []string{`WRONG  Envoy has no cluster "sesions"`}},
			"no service":               {token: token, dead: true, status: 1, want: []string{"WRONG  the session service at http://127.0.0.1:", "is not ready"}},
			"a route mistyped":         {token: token, status: 1, routes: map[string]any{"logni": map[string]any{"mode": "optional"}}, want: []string{`WRONG  the configuration of the filter "cloakroom" has routes.logni, and Envoy has no route of that name`}},
			"a pattern of no route":    {token: token, status: 1, routes: map[string]any{"httproute/*": optional}, want: []string{"routes.httproute/*, and Envoy has no route of that name"}},
			"a pattern":                {token: token, routes: map[string]any{"sh*": optional}, envoys: tenants, not: []string{"WRONG", "several namespaces"}},
			"a name of two namespaces": {token: token, routes: map[string]any{"login": optional}, envoys: tenants, not: []string{"WRONG"}, want: []string{"routes.login holds for routes of several namespaces (evil, shop)"}},
			"names with namespaces":    {token: token, names: "namespaced", routes: map[string]any{"shop/web/login": optional, "evil/*": optional}, envoys: tenants, not: []string{"WRONG", "several"}},
			"no such namespace":        {token: token, status: 1, names: "namespaced", routes: map[string]any{"shop/wed/login": optional}, envoys: tenants, want: []string{`routes.shop/wed/login, and Envoy has no route of that name (it has "shop/web/login")`}},
			"metadata that may not be": {token: token, status: 1, envoys: []testenv.FilterRoute{{Name: "login", Prefix: "/", Metadata: map[string]any{"cloakroom": map[string]any{"accept_updates": true}}}}, want: []string{"accept_updates: a route's metadata may not set it"}},
			"an annotation":            {token: token, status: 1, envoys: []testenv.FilterRoute{gatewayRoute(`{"mode":"off"}`)}, want: []string{"annotation gateway.envoyproxy.io/cloakroom: it is not accepted"}},
			"attributes of no account": {token: token, alone: true, status: 1, routes: map[string]any{"": map[string]any{"require": map[string]any{"user.is_staff": true}}}, want: []string{
				"WRONG  the filter's configuration names attributes of users that the accounts do not have: user.is_staff; no header"}},
			"tokens without keys": {token: token, alone: true, status: 1, routes: map[string]any{"": map[string]any{"identity": map[string]any{"token": map[string]any{"header": "authorization", "audience": "a"}}}}, want: []string{
				"WRONG  routes want tokens of the user (identity.token) and answer 503", "cloakroom keys new"}},
			"no Envoy": {token: token, noEnvoy: true, status: 1, want: []string{"WRONG  Envoy's admin interface at http://127.0.0.1:", "--admin"}},
		} {
			t.Run(version+"/"+name, func(t *testing.T) {
				t.Parallel()
				ports, err := testenv.FreePorts(3)
				if err != nil {
					t.Fatal(err)
				}
				if !tt.dead {
					ports[2] = portOf(t, server)
				}
				if tt.alone { // its service warns of what it was asked
					ports[2] = portOf(t, serving(t, sessions))
				}
				cluster := cmp.Or(tt.cluster, "sessions")
				if !tt.noEnvoy {
					envoy, err := testenv.StartFilter(t.Context(), testenv.FilterConfig{
						Version: version, Workers: 1, Port: ports[0], Admin: ports[1], Upstream: ports[0], Clusters: map[string][]int{"sessions": ports[2:]}, Policy: tt.policy, Routes: tt.envoys,
						Config: map[string]any{"route_names": cmp.Or(tt.names, "envoy"), "routes": orEmpty(tt.routes), "engine": map[string]any{"service": map[string]any{"cluster": cluster, "token": "Envoy's"}}},
					})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { envoy.Stop() })
				}
				out, status := doctor(t, "http://127.0.0.1:"+strconv.Itoa(ports[1]), tt.token, tt.cookie)
				if status != tt.status {
					t.Errorf("it exits with %d, want %d", status, tt.status)
				}
				for _, want := range tt.want {
					if !strings.Contains(out, want) {
						t.Errorf("it does not say %q", want)
					}
				}
				for _, not := range tt.not {
					if strings.Contains(out, not) {
						t.Errorf("it says %q", not)
					}
				}
				for _, secret := range []string{tt.token, tt.cookie} {
					if secret != "" && strings.Contains(out, secret) {
						t.Errorf("it prints a secret")
					}
				}
				if t.Failed() {
					t.Log(out)
				}
			})
		}
	}
}

// istioRoute returns a route as Istio makes it of a namespace's VirtualService.
func istioRoute(namespace, name string) testenv.FilterRoute {
	metadata := map[string]any{"istio": map[string]any{"config": "/apis/networking.istio.io/v1/namespaces/" + namespace + "/virtual-service/web"}}
	return testenv.FilterRoute{Name: name, Prefix: "/" + namespace + "/" + name, Metadata: metadata}
}

// gatewayRoute returns a route as Envoy Gateway makes it of an HTTPRoute with an annotation.
func gatewayRoute(annotation string) testenv.FilterRoute {
	resource := map[string]any{"kind": "HTTPRoute", "namespace": "shop", "name": "web", "annotations": map[string]any{"cloakroom": annotation}}
	metadata := map[string]any{"envoy-gateway": map[string]any{"resources": []any{resource}}}
	return testenv.FilterRoute{Name: "httproute/shop/web/rule/0/match/0/a_test", Prefix: "/", Metadata: metadata}
}

// serving returns the server of a session service.
func serving(t *testing.T, sessions session.Store) *httptest.Server {
	t.Helper()
	handler, err := service.New(service.Config{Store: sessions, Feed: feed.New(), Token: token, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func orEmpty(routes map[string]any) map[string]any {
	if routes == nil {
		return map[string]any{}
	}
	return routes
}

// doctor runs the command, and returns what it prints and its status.
func doctor(t *testing.T, admin, token, cookie string) (out string, status int) {
	t.Helper()
	path, err := testenv.Cloakroom()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"doctor", "--admin", admin}
	if cookie != "" {
		args = append(args, "--cookie", "-")
	}
	c := exec.CommandContext(t.Context(), path, args...)
	c.Env = append(os.Environ(), "CLOAKROOM_TOKEN="+token)
	c.Stdin = strings.NewReader(cookie + "\n")
	text, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), c.ProcessState.ExitCode()
}

func portOf(t *testing.T, server *httptest.Server) int {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
