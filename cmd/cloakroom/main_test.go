package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/session/sessiontest"
	"cloakroom/store"
)

// result is the outcome of a command.
type result struct {
	status         int
	stdout, stderr string
}

// secrets returns a complete environment.
func secrets() map[string]string {
	return map[string]string{"CLOAKROOM_SECRET_KEY": "secret", "CLOAKROOM_TOKEN": "token"}
}

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func run(t *testing.T, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{strings.NewReader(stdin), &stdout, &stderr, lookupIn(env)}
	status := a.run(t.Context(), args)
	return result{status, stdout.String(), stderr.String()}
}

// djangos creates a database with the table of Django's sessions only.
func djangos(t *testing.T) (url string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "db.sqlite3")
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE django_session (session_key varchar(40) PRIMARY KEY, session_data text NOT NULL, expire_date datetime NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	return "sqlite://" + file
}

// database creates a database with sessions and returns its URL.
func database(t *testing.T, sessions ...session.Session) string {
	t.Helper()
	url := "sqlite://" + filepath.Join(t.TempDir(), "db")
	s := reopen(t, url)
	for _, v := range sessions {
		if err := s.Create(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	return url
}

func reopen(t *testing.T, url string) session.Store {
	t.Helper()
	codec, err := django.NewCodec("secret")
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), url, store.Options{Codec: codec, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"--version", "version"} {
		if got := run(t, nil, "", arg); got.status != 0 || !strings.HasPrefix(got.stdout, "cloakroom ") || !strings.Contains(got.stdout, runtime.Version()) {
			t.Errorf("%s: got %+v", arg, got)
		}
	}
}

// TestWithoutAHome runs as in a container whose environment has no HOME.
func TestWithoutAHome(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	if got := run(t, nil, "", "version"); got.status != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestUsage(t *testing.T) {
	url := database(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unmigrated := djangos(t)
	without := func(name string) map[string]string {
		env := secrets()
		delete(env, name)
		return env
	}
	both := secrets()
	both["CLOAKROOM_TOKEN_FILE"] = "file"
	noFile := without("CLOAKROOM_TOKEN")
	noFile["CLOAKROOM_TOKEN_FILE"] = filepath.Join(t.TempDir(), "missing")
	for name, c := range map[string]struct {
		env    map[string]string
		args   []string
		status int
		stderr string
	}{
		"no command":     {secrets(), nil, 2, "expected one of"},
		"unknown flag":   {secrets(), []string{"serve", "--store", url, "--frobnicate"}, 2, "--frobnicate"},
		"no store":       {secrets(), []string{"serve"}, 2, "--store"},
		"unknown store":  {secrets(), []string{"serve", "--store", "mongo://x"}, 1, "sqlite:"},
		"a table alone":  {secrets(), []string{"serve", "--store", url, "--user-groups", "auth_user_groups"}, 2, "--user-groups"},
		"a column too":   {secrets(), []string{"serve", "--store", url, "--user-permissions", "a,b,c,d"}, 2, "--user-permissions"},
		"no secret key":  {without("CLOAKROOM_SECRET_KEY"), []string{"serve", "--store", url}, 2, "CLOAKROOM_SECRET_KEY"},
		"no token":       {without("CLOAKROOM_TOKEN"), []string{"serve", "--store", url}, 2, "CLOAKROOM_TOKEN"},
		"token twice":    {both, []string{"serve", "--store", url}, 2, "not both"},
		"no token file":  {noFile, []string{"serve", "--store", url}, 1, "CLOAKROOM_TOKEN_FILE"},
		"bad address":    {secrets(), []string{"serve", "--store", url, "--accounts", "off", "--listen", "nowhere"}, 1, "--listen"},
		"list, no key":   {nil, []string{"sessions", "list", "--store", url}, 2, "CLOAKROOM_SECRET_KEY"},
		"show, no ID":    {secrets(), []string{"sessions", "show", "--store", url}, 2, "<id>"},
		"show, a key":    {secrets(), []string{"sessions", "show", "--store", url, sessiontest.Key(t)}, 2, "sessions list"},
		"show, unknown":  {secrets(), []string{"sessions", "show", "--store", url, "0123456789abcdef"}, 1, "0123456789abcdef"},
		"batch of zero":  {nil, []string{"clearsessions", "--store", url, "--batch", "0"}, 2, "--batch"},
		"no such file":   {nil, []string{"config", "check", filepath.Join(t.TempDir(), "x.yaml")}, 1, "x.yaml"},
		"bad database":   {secrets(), []string{"serve", "--store", "sqlite://" + t.TempDir()}, 1, "must be the database"},
		"no table":       {secrets(), []string{"serve", "--store", "sqlite://" + empty}, 1, "no table django_session"},
		"no such folder": {secrets(), []string{"serve", "--store", "file://" + t.TempDir() + "/none"}, 1, "SESSION_FILE_PATH"},
		"no such file 2": {secrets(), []string{"serve", "--store", "sqlite://" + t.TempDir() + "/none"}, 1, "unable to open"},
		"not migrated":   {secrets(), []string{"serve", "--store", unmigrated}, 1, "cloakroom migrate --store " + unmigrated},
		"no accounts":    {secrets(), []string{"serve", "--store", url}, 1, "--accounts off"},
		"no such users":  {secrets(), []string{"serve", "--store", url, "--accounts", "sqlite://" + empty}, 1, "table auth_user"},
		"redis accounts": {secrets(), []string{"serve", "--store", url, "--accounts", "redis://127.0.0.1/0"}, 1, "accounts can be in"},
		"keys alone":     {secrets(), []string{"serve", "--store", url, "--accounts", "off", "--token-keys", t.TempDir()}, 2, "--token-issuer"},
		"issuer alone":   {secrets(), []string{"serve", "--store", url, "--accounts", "off", "--token-issuer", "a"}, 2, "--token-keys"},
		"a long issuer":  {secrets(), []string{"serve", "--store", url, "--accounts", "off", "--token-keys", "a", "--token-issuer", strings.Repeat("a", 256)}, 2, "255 bytes"},
		"no keys":        {secrets(), []string{"serve", "--store", url, "--accounts", "off", "--token-keys", t.TempDir(), "--token-issuer", "a"}, 1, "cloakroom keys new"},
		"no key folder":  {secrets(), []string{"serve", "--store", url, "--accounts", "off", "--token-keys", "/none", "--token-issuer", "a"}, 1, "--token-keys: open /none"},
		"four slashes":   {secrets(), []string{"serve", "--store", "sqlite:////srv/db"}, 1, "sqlite:///absolute/file"},
		"no database":    {nil, []string{"clearsessions", "--store", "sqlite:absent"}, 1, "unable to open"},
		"service no URL": {secrets(), []string{"sessions", "revoke", "--store", url, "--user", "7", "--service", "127.0.0.1:8081"}, 2, "want one such as http://127.0.0.1:8081"},
		"service, token": {without("CLOAKROOM_TOKEN"), []string{"sessions", "revoke", "--store", url, "--user", "7", "--service", "http://127.0.0.1:8081"}, 2, "CLOAKROOM_TOKEN"},
		"sim, no plugin": {nil, []string{"sim"}, 2, "--wasm"},
	} {
		got := run(t, c.env, "", c.args...)
		if got.status != c.status || !strings.Contains(got.stderr, c.stderr) || !strings.HasPrefix(got.stderr, "cloakroom: ") {
			t.Errorf("%s: got status %d, %q, want status %d and %q", name, got.status, got.stderr, c.status, c.stderr)
		}
		if got.stdout != "" {
			t.Errorf("%s: got %q on standard output", name, got.stdout)
		}
	}
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	v := session.Session{Key: sessiontest.Key(t), Data: []byte(`{"a":1}`), Expires: time.Now().Add(time.Hour)}
	url := database(t, v)
	env := map[string]string{
		"CLOAKROOM_SECRET_KEY_FILE":           write("key", "new\r\n"),
		"CLOAKROOM_SECRET_KEY_FALLBACKS_FILE": write("fallbacks", "older\nsecret\n"),
	}
	got := run(t, env, "", "sessions", "show", "--store", url, session.ID(v.Key))
	if got.status != 0 || !strings.Contains(got.stdout, `"readable": true`) || strings.Contains(got.stdout, "withheld") {
		t.Errorf("got %+v, want the session", got)
	}
}

// TestShowWithheld checks that the values of a session that JSON cannot show are named.
func TestShowWithheld(t *testing.T) {
	deep := strings.Repeat("[", 150) + strings.Repeat("]", 150)
	v := session.Session{Key: sessiontest.Key(t), Data: []byte(`{"a":1}`), Origin: &session.Origin{Text: `{"deep":` + deep + `}`}, Expires: time.Now().Add(time.Hour)}
	got := run(t, secrets(), "", "sessions", "show", "--store", database(t, v), session.ID(v.Key))
	if got.status != 0 || !strings.Contains(got.stdout, `"deep": "nested too deep"`) {
		t.Errorf("got %+v, want the key that is withheld", got)
	}
}

func TestSessions(t *testing.T) {
	expires := time.Now().Add(time.Hour)
	mine := session.Session{Key: sessiontest.Key(t), Data: []byte(`{"_auth_user_id":"\u001b[31m7"}`), Expires: expires}
	other := session.Session{Key: sessiontest.Key(t), Data: []byte(`{"x":1}`), Expires: expires}
	url := database(t, mine, other)
	sessions := reopen(t, url)

	table := run(t, secrets(), "", "sessions", "list", "--store", url)
	if table.status != 0 || strings.Count(table.stdout, "\n") != 3 || !strings.Contains(table.stdout, session.ID(mine.Key)) || strings.Contains(table.stdout, "\x1b") {
		t.Errorf("list: got %+v", table)
	}
	var listing []listed
	asJSON := run(t, secrets(), "", "sessions", "list", "--store", url, "--json")
	if err := json.Unmarshal([]byte(asJSON.stdout), &listing); err != nil || len(listing) != 2 {
		t.Errorf("list --json: got %+v, %v", asJSON, err)
	}
	foreign := run(t, map[string]string{"CLOAKROOM_SECRET_KEY": "foreign"}, "", "sessions", "list", "--store", url)
	if foreign.status != 1 || strings.Count(foreign.stdout, "(unreadable)") != 2 || !strings.Contains(foreign.stderr, "2 of 2 sessions cannot be read: is CLOAKROOM_SECRET_KEY") {
		t.Errorf("list with a foreign key: got %+v", foreign)
	}
	shown := run(t, secrets(), mine.Key+"\n", "sessions", "show", "--store", url, "-")
	if shown.status != 0 || !strings.Contains(shown.stdout, `"_auth_user_id": "\u001b[31m7"`) {
		t.Errorf("show: got %+v", shown)
	}
	if byID := run(t, secrets(), "", "sessions", "show", "--store", url, session.ID(mine.Key)); byID.status != 0 || byID.stdout != shown.stdout {
		t.Errorf("show by the ID: got %+v", byID)
	}
	revoked := run(t, secrets(), "", "sessions", "revoke", "--store", url, session.ID(mine.Key))
	if revoked.status != 0 || revoked.stdout != "revoked "+session.ID(mine.Key)+"\n" {
		t.Errorf("revoke: got %+v", revoked)
	}
	for _, r := range []result{table, asJSON, shown, revoked} {
		if strings.Contains(r.stdout+r.stderr, mine.Key) {
			t.Errorf("a key is printed without --show-keys")
		}
	}
	if _, err := sessions.Load(t.Context(), mine.Key); err == nil {
		t.Errorf("the revoked session is still there")
	}
	if keys := run(t, secrets(), "", "sessions", "list", "--store", url, "--show-keys"); !strings.Contains(keys.stdout, other.Key) {
		t.Errorf("list --show-keys: got %+v", keys)
	}
}

func TestClearsessions(t *testing.T) {
	var all []session.Session
	for i := range 10 {
		age := time.Hour
		if i < 7 {
			age = -time.Hour
		}
		all = append(all, session.Session{Key: sessiontest.Key(t), Data: []byte(`{}`), Expires: time.Now().Add(age)})
	}
	url := database(t, all...)
	got := run(t, nil, "", "clearsessions", "--store", url, "--batch", "3")
	if got.status != 0 || got.stdout != "cleared 7 expired sessions\n" {
		t.Errorf("got %+v", got)
	}
	if got := run(t, nil, "", "clearsessions", "--store", url, "--json"); got.status != 0 || !strings.Contains(got.stdout, `"cleared": 0`) {
		t.Errorf("again: got %+v", got)
	}
	if _, err := reopen(t, url).Load(t.Context(), all[9].Key); err != nil {
		t.Errorf("a live session: got %v, want none", err)
	}
}

func TestConfigCheck(t *testing.T) {
	good := "mode: optional\nengine:\n  service: {cluster: sessions, token: '${TOKEN}'}\n"
	env := map[string]string{"TOKEN": "t"}
	if got := run(t, nil, good, "config", "check", "-"); got.status != 0 || !strings.Contains(got.stderr, "note: TOKEN is not set here") {
		t.Errorf("without the secret: status %d, %q; want 0 and a note", got.status, got.stderr)
	}
	if got := run(t, env, good, "config", "check", "-"); got.status != 0 || got.stdout != "-: ok\n" {
		t.Errorf("good: got %+v", got)
	}
	for name, text := range map[string]string{
		"misspelt":   strings.Replace(good, "mode", "mood", 1),
		"no YAML":    "a: [",
		"name twice": good + "mode: off\n",
		"empty":      "",
	} {
		if got := run(t, env, text, "config", "check", "-"); got.status != 1 || !strings.HasPrefix(got.stderr, "cloakroom: -: ") {
			t.Errorf("%s: got %+v, want status 1", name, got)
		}
	}
}

// TestConfigCheckInside checks configurations inside other documents: the samples as they are, and
// with errors in them.
func TestConfigCheckInside(t *testing.T) {
	sample := func(name string) string {
		text, err := os.ReadFile(filepath.Join("..", "..", "envoy", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	bootstrap, istio := sample("bootstrap.yaml"), sample("istio.yaml")
	const plugin = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config.config.configuration.value"
	const gateway = "kind: EnvoyExtensionPolicy\nspec: {wasm: [{name: cloakroom, config: {engine: {service: {cluster: s}}, mode: %s}}]}\n"
	env := map[string]string{"CLOAKROOM_TOKEN": "t"}
	for name, tt := range map[string]struct{ text, stdout, stderr string }{
		"the bootstrap":            {bootstrap, plugin + ": ok", ""},
		"off without quotes":       {strings.ReplaceAll(bootstrap, `"off"`, "off"), plugin + ": ok", ""},
		"a field misspelt":         {strings.Replace(bootstrap, "mode: required", "mood: required", 1), "", plugin + ": mood: unknown field"},
		"a word that is another":   {strings.Replace(bootstrap, "mode: required", "mode: on", 1), "", plugin + ": mode: must be one of"},
		"metadata misspelt":        {strings.Replace(bootstrap, `{mode: "off"}`, `{mood: "off"}`, 1), "", "routes[0].metadata.filter_metadata.cloakroom.mood: unknown field"},
		"Istio":                    {istio, "spec.pluginConfig: ok", ""},
		"Istio, a field misspelt":  {strings.Replace(istio, "mode: required", "mood: required", 1), "", "spec.pluginConfig: mood: unknown field"},
		"Istio, metadata misspelt": {strings.Replace(istio, `{filter_metadata: {cloakroom: {mode: "off"}}}`, `{filter_metadata: {cloakroom: {mood: "off"}}}`, 1), "", "value.metadata.filter_metadata.cloakroom.mood: unknown field"},
		"Envoy Gateway":            {fmt.Sprintf(gateway, "optional"), "spec.wasm[0].config: ok", ""},
		"Envoy Gateway, a mode":    {fmt.Sprintf(gateway, "of"), "", "spec.wasm[0].config: mode: must be one of"},
		"as text":                  {`{"static_resources":{"configuration":{"@type":"x","value":"{\"engine\":{\"service\":{\"cluster\":\"s\"}},\"mood\":1}"}}}`, "", "static_resources.configuration.value: mood: unknown field"},
		"another's":                {"static_resources: {listeners: []}\n", "", "no configuration of the filter"},
		"others'":                  {"kind: Gateway\n---\nkind: Service\n", "", "no configuration of the filter"},
	} {
		got := run(t, env, tt.text, "config", "check", "-")
		if (got.status == 0) != (tt.stderr == "") || !strings.Contains(got.stdout, tt.stdout) || !strings.Contains(got.stderr, tt.stderr) {
			t.Errorf("%s: got %+v, want %q, %q", name, got, tt.stdout, tt.stderr)
		}
	}
}

// TestConfigCheckNamesOfRoutes checks configurations with names of routes that do not exist in the
// file.
func TestConfigCheckNamesOfRoutes(t *testing.T) {
	sample := func(name, old, new string) string {
		text, err := os.ReadFile(filepath.Join("..", "..", "envoy", name))
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(text), old, new, 1)
		if changed == string(text) && old != new {
			t.Fatalf("%s lacks %q", name, old)
		}
		return changed
	}
	const config = "kind: EnvoyExtensionPolicy\nspec: {wasm: [{name: cloakroom, config: {engine: {service: {cluster: s}}, routes: {%q: {mode: optional}}}}]}\n"
	const httpRoute = "---\nkind: HTTPRoute\nmetadata: {name: shop, namespace: prod}\nspec: {rules: [{name: front}, {}]}\n"
	gateway := func(name string) string { return fmt.Sprintf(config, name) + httpRoute }
	namespaced := func(name string) string {
		return strings.Replace(gateway(name), "config: {", "config: {route_names: namespaced, ", 1)
	}
	accepting := func(allow string) string {
		return "kind: EnvoyExtensionPolicy\nspec: {wasm: [{name: cloakroom, config: {engine: {service: {cluster: s}}, route_metadata: {annotations: true, allow: " + allow + "}}}]}\n"
	}
	namespacedIstio := func(name string) string {
		text := sample("istio.yaml", "", "")
		before, rest, _ := strings.Cut(text, "    routes:\n")
		_, after, _ := strings.Cut(rest, "---\n")
		return before + "    routes: {" + name + ": {mode: optional}}\n---\n" + after
	}
	const annotated = "---\nkind: HTTPRoute\nmetadata: {name: open, namespace: prod, annotations: {gateway.envoyproxy.io/cloakroom: '{\"mode\": \"optional\"}'}}\nspec: {rules: [{}]}\n"
	const warning = "warning: -: spec.wasm[0].config.routes."
	for name, tt := range map[string]struct {
		text, stderr string
		status       int
	}{
		"a bootstrap":                   {sample("bootstrap.yaml", "login: {mode: optional}", "logni: {mode: optional}"), `configuration.value.routes.logni: no route of Envoy has the name "logni", so this never holds; is it "login"?`, 1},
		"a bootstrap, like nothing":     {sample("bootstrap.yaml", "login: {mode: optional}", "checkout: {mode: optional}"), `"checkout", so this never holds` + "\n", 1},
		"a bootstrap, routes elsewhere": {sample("bootstrap.yaml", "login: {mode: optional}", "logni: {mode: optional}") + "  secondary: {rds: {route_config_name: other}}\n", `warning: -: `, 0},
		"Istio":                         {sample("istio.yaml", "login: {mode: optional}", "logni: {mode: optional}"), `warning: -: spec.pluginConfig.routes.istio-ingress/site/logni: no route of Envoy has the name "istio-ingress/site/logni"`, 0},
		"Istio, a patch":                {sample("istio.yaml", "route: {name: health}", "route: {name: heath}"), `spec.configPatches[0].match.routeConfiguration.vhost.route.name: no route of Envoy has the name "heath", so this never holds; is it "health"?`, 0},
		"Istio, a match":                {strings.Replace(sample("istio.yaml", "login: {mode: optional}", "login.form: {mode: optional}"), "match: [{uri: {prefix: /login/}}]", "match: [{name: form, uri: {prefix: /login/}}]", 1), "", 0},
		"Gateway API, Istio's name":     {gateway("prod.shop.1"), "", 0},
		"Gateway API, a rule's name":    {gateway("front"), "", 0},
		"Envoy Gateway's name":          {gateway("httproute/prod/shop/rule/1/match/0/*"), "", 0},
		"Envoy Gateway, no such rule":   {gateway("httproute/prod/shop/rule/2/match/0/*"), warning + "httproute/prod/shop/rule/2/match/0/*", 0},
		"no routes in the file":         {fmt.Sprintf(config, "any"), "", 0},
		"a pattern":                     {gateway("httproute/prod/*"), "", 0},
		"a pattern of a name":           {gateway("fro*"), "", 0},
		"a pattern of no name":          {gateway("httproute/test/*"), warning + `httproute/test/*: no route of Envoy has a name that "httproute/test/*" matches, so this never holds`, 0},
		"a pattern of no rule":          {gateway("httproute/*/shop/rule/2/*"), warning + "httproute/*/shop/rule/2/*", 0},
		"a name of two namespaces":      {gateway("front") + strings.Replace(httpRoute, "namespace: prod", "namespace: evil", 1), warning + "front holds for routes of several namespaces (evil, prod)", 0},
		"with the namespace":            {namespaced("HTTPRoute/prod/shop/front"), "", 0},
		"with the namespace, no name":   {namespaced("HTTPRoute/prod/shop/"), "", 0},
		"with another namespace":        {namespaced("HTTPRoute/test/shop/front"), warning + `HTTPRoute/test/shop/front: no route of Envoy has the name "HTTPRoute/test/shop/front", so this never holds; is it "HTTPRoute/prod/shop/front"?`, 0},
		"with a namespace's pattern":    {namespaced("HTTPRoute/prod/*"), "", 0},
		"without the namespace":         {namespaced("front"), "routes.front: with route_names: namespaced", 1},
		"Istio, with the namespace":     {namespacedIstio("istio-ingress/site/login"), "", 0},
		"Istio, without it":             {namespacedIstio("site/logni"), "routes.site/logni: with route_names: namespaced", 1},
		"Istio, another VirtualService": {namespacedIstio("istio-ingress/sight/login"), `has the name "istio-ingress/sight/login", so this never holds; is it "istio-ingress/site/login"?`, 0},
		"an annotation":                 {gateway("front") + annotated, "annotation gateway.envoyproxy.io/cloakroom: it is not accepted", 1},
		"an annotation that is right":   {accepting(`[mode]`) + annotated, "", 0},
		"an annotation of what is not":  {accepting(`[login]`) + annotated, "-: open: annotation gateway.envoyproxy.io/cloakroom.mode: a route's metadata may not set it", 1},
	} {
		got := run(t, map[string]string{"CLOAKROOM_TOKEN": "t"}, tt.text, "config", "check", "-")
		if got.status != tt.status || !strings.Contains(got.stderr, tt.stderr) || (tt.stderr == "") != (got.stderr == "") {
			t.Errorf("%s: got %+v, want %d, %q", name, got, tt.status, tt.stderr)
		}
	}
}

func TestConfigSchema(t *testing.T) {
	got := run(t, nil, "", "config", "schema")
	var schema struct {
		Schema string `json:"$schema"`
	}
	if err := json.Unmarshal([]byte(got.stdout), &schema); err != nil || schema.Schema == "" || got.status != 0 {
		t.Errorf("got status %d, %v, %.200s", got.status, err, got.stdout)
	}
}

func TestSessionsOfAUser(t *testing.T) {
	var all []session.Session
	for _, user := range []string{"7", "7", "8"} {
		all = append(all, session.Session{Key: sessiontest.Key(t), Data: []byte(`{"_auth_user_id":"` + user + `"}`), Expires: time.Now().Add(time.Hour)})
	}
	url := database(t, all...)
	list := run(t, secrets(), "", "sessions", "list", "--store", url, "--user", "7")
	if list.status != 0 || strings.Count(list.stdout, "\n") != 3 || strings.Contains(list.stdout, session.ID(all[2].Key)) {
		t.Errorf("list: got %+v", list)
	}
	for _, arguments := range [][]string{{}, {"--user", "7", session.ID(all[2].Key)}} {
		if got := run(t, secrets(), "", append([]string{"sessions", "revoke", "--store", url}, arguments...)...); got.status != 2 {
			t.Errorf("revoke %v: got %+v, want status 2", arguments, got)
		}
	}
	revoked := run(t, secrets(), "", "sessions", "revoke", "--store", url, "--user", "7")
	if revoked.status != 0 || revoked.stdout != "revoked 2 sessions\n" {
		t.Errorf("revoke: got %+v", revoked)
	}
	left := run(t, secrets(), "", "sessions", "list", "--store", url)
	if strings.Count(left.stdout, "\n") != 2 || !strings.Contains(left.stdout, session.ID(all[2].Key)) {
		t.Errorf("left: got %+v", left)
	}
}

// TestClearsessionsInFiles checks that clearsessions reads files, and therefore needs the key.
func TestClearsessionsInFiles(t *testing.T) {
	url := "file://" + filepath.Join(t.TempDir(), "sessions")
	sessions := reopen(t, url)
	for range 3 {
		if err := sessions.Create(t.Context(), session.Session{Key: sessiontest.Key(t), Data: []byte("{}"), Expires: time.Now().Add(-time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := run(t, nil, "", "clearsessions", "--store", url); got.status == 0 || !strings.Contains(got.stderr, "CLOAKROOM_SECRET_KEY") {
		t.Errorf("without the key: got %+v", got)
	}
	if got := run(t, secrets(), "", "clearsessions", "--store", url, "--batch", "2"); got.status != 0 || got.stdout != "cleared 3 expired sessions\n" || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
}
