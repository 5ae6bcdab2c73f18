package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session/django"
)

//go:embed bootstrap.yaml.tmpl
var bootstrapText string

var bootstrap = template.Must(template.New("bootstrap").Funcs(template.FuncMap{"json": func(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}}).Parse(bootstrapText))

// bench is a running session service with one session in it.
type bench struct {
	dir, wasm, token  string
	servicePort       int
	service           *testenv.Process
	django            *testenv.Process // nil: none
	djangoPort        int
	key               string           // of a session in the store
	noop, calls       string           // the modules noop and calls
	secretKey, signed string           // and a signed cookie
	check             *testenv.Process // nil: none
	checkPort         int
	stored            int      // sessions, by the growth of the store
	some              []string // keys of some of them
}

// newBench starts the session service, and, if requested, the servers of ext_authz: one in Go and
// a Django, on the same database.
func newBench(ctx context.Context, withRivals bool) (*bench, error) {
	wasm, err := testenv.Wasm()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cloakroom-bench-")
	if err != nil {
		return nil, err
	}
	ports, err := testenv.FreePorts(3)
	if err != nil {
		return nil, err
	}
	b := &bench{djangoPort: ports[1], checkPort: ports[2], dir: dir, wasm: wasm, token: rand.Text(), secretKey: rand.Text(), servicePort: ports[0]}
	if b.noop, err = buildPlugin(ctx, "noop", dir); err != nil {
		return nil, err
	}
	if b.calls, err = buildPlugin(ctx, "calls", dir, "-tags=upstreamgo.headersonly"); err != nil {
		return nil, err
	}
	if withRivals {
		site := testenv.Engine{Name: "db, SQLite", Settings: map[string]any{
			"SECRET_KEY": b.secretKey, "SESSION_ENGINE": "django.contrib.sessions.backends.db",
			"DATABASES": map[string]any{"default": map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": b.database(), "CONN_MAX_AGE": nil}},
		}}
		if b.django, err = testenv.StartDjangoSite(ctx, site, b.djangoPort, 2); err != nil {
			return nil, err
		}
	}
	b.service, err = testenv.StartService(ctx, testenv.ServiceConfig{
		Port: b.servicePort, Store: b.store(), SecretKey: b.secretKey, Token: b.token, Bare: true,
	})
	if err != nil {
		b.stop()
		return nil, err
	}
	if b.key, err = b.createSession(ctx, sessionData); err != nil {
		b.stop()
		return nil, err
	}
	if withRivals {
		if err := b.startCheck(ctx); err != nil {
			b.stop()
			return nil, err
		}
	}
	cookies, err := django.NewCookieCodec(1<<16, b.secretKey)
	if err == nil {
		b.signed, err = cookies.Encode([]byte(sessionData), time.Now())
	}
	return b, err
}

// buildPlugin compiles one of the bench's own plugins.
func buildPlugin(ctx context.Context, name, dir string, flags ...string) (string, error) {
	out := filepath.Join(dir, name+".wasm")
	pkg := "./" + name
	if name == "noop" {
		pkg = "cloakroom/hostsim/testdata/noop"
	}
	return out, goBuild(ctx, pkg, out, []string{"GOOS=wasip1", "GOARCH=wasm"}, append(flags, "-buildmode=c-shared", "-ldflags=-s -w")...)
}

// goBuild compiles a package, by its path from this module.
func goBuild(ctx context.Context, pkg, out string, env []string, flags ...string) error {
	root, err := testenv.Root()
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", out}, flags...), pkg)...)
	build.Dir, build.Env = filepath.Join(root, "tests", "bench"), append(os.Environ(), env...)
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", pkg, err, text)
	}
	return nil
}

func (b *bench) store() string { return "sqlite://" + b.database() }

func (b *bench) database() string { return filepath.Join(b.dir, "db.sqlite3") }

// startCheck starts the server of ext_authz.
func (b *bench) startCheck(ctx context.Context) error {
	binary, address := filepath.Join(b.dir, "check"), "127.0.0.1:"+strconv.Itoa(b.checkPort)
	err := goBuild(ctx, "./check", binary, nil)
	if err != nil {
		return err
	}
	b.check, err = testenv.Start(ctx, testenv.Command{
		Name: "check", Path: binary, Args: []string{"--listen", address, "--store", b.store()},
		Env: []string{"CHECK_SECRET_KEY=" + b.secretKey}, Ready: testenv.Answers("http://"+address+"/readyz", ""),
	})
	return err
}

func (b *bench) stop() {
	for _, p := range []*testenv.Process{b.service, b.django, b.check} {
		if p != nil {
			_ = p.Stop()
		}
	}
	_ = os.RemoveAll(b.dir)
}

const sessionData = `{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
	`"_auth_user_hash":"6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f6","cart":[1,2,3],"theme":"dark"}`

// createSession creates a session like that after a login in Django.
func (b *bench) createSession(ctx context.Context, data string) (string, error) {
	body := `{"age":86400,"data":` + data + `}`
	url := "http://127.0.0.1:" + strconv.Itoa(b.servicePort) + "/v1/create"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+b.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var live struct{ State, Key string }
	if err := json.NewDecoder(response.Body).Decode(&live); err != nil || live.State != "live" {
		return "", fmt.Errorf("/v1/create responded with %s, state %q: %v", response.Status, live.State, err) //nolint:errorlint // there may be none
	}
	return live.Key, nil
}

// running is an Envoy with a listener for each side.
type running struct {
	*testenv.Envoy
	sides []side
}

func (b *bench) envoy(ctx context.Context, of []side, workers int) (*running, error) {
	ports, err := testenv.FreePorts(len(of) + 1)
	if err != nil {
		return nil, err
	}
	r := &running{sides: append([]side(nil), of...)}
	for i := range r.sides {
		r.sides[i].Port = ports[i+1]
	}
	var text bytes.Buffer
	err = bootstrap.Execute(&text, map[string]any{
		"AdminPort": ports[0], "ServicePort": b.servicePort, "CheckPort": b.checkPort, "DjangoPort": b.djangoPort, "Sides": r.sides,
	})
	if err != nil {
		return nil, err
	}
	r.Envoy, err = testenv.StartEnvoy(ctx, testenv.EnvoyConfig{
		Version: testenv.Envoy140, Bootstrap: text.String(), AdminPort: ports[0], Workers: workers,
	})
	return r, err
}
