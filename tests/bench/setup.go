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
	"path/filepath"
	"strconv"
	"text/template"

	"cloakroom/tests/stack"
)

//go:embed bootstrap.yaml.tmpl
var bootstrapText string

var bootstrap = template.Must(template.New("bootstrap").Parse(bootstrapText))

// bench is a running session service with one session in it.
type bench struct {
	root, dir, wasm, token string
	servicePort            int
	service                *stack.Process
	key                    string
}

func newBench(ctx context.Context) (*bench, error) {
	root, err := stack.Root()
	if err != nil {
		return nil, err
	}
	wasm, err := stack.Wasm()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cloakroom-bench-")
	if err != nil {
		return nil, err
	}
	ports, err := stack.FreePorts(1)
	if err != nil {
		return nil, err
	}
	b := &bench{root: root, dir: dir, wasm: wasm, token: rand.Text(), servicePort: ports[0]}
	b.service, err = stack.StartService(ctx, stack.ServiceConfig{
		Port: b.servicePort, Store: "sqlite://" + filepath.Join(dir, "db.sqlite3"), SecretKey: rand.Text(), Token: b.token,
	})
	if err != nil {
		return nil, err
	}
	if b.key, err = b.createSession(ctx); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func (b *bench) stop() {
	_ = b.service.Stop()
	_ = os.RemoveAll(b.dir)
}

// createSession makes a session as Django leaves one after a login.
func (b *bench) createSession(ctx context.Context) (string, error) {
	body := `{"age":86400,"data":{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
		`"_auth_user_hash":"6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f6","cart":[1,2,3],"theme":"dark"}}`
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
		return "", fmt.Errorf("/v1/create answers %s, state %q: %v", response.Status, live.State, err)
	}
	return live.Key, nil
}

// running is an Envoy with a listener for each side.
type running struct {
	*stack.Envoy
	sides []side
}

func (b *bench) envoy(ctx context.Context, of []side, workers int) (*running, error) {
	ports, err := stack.FreePorts(len(of) + 1)
	if err != nil {
		return nil, err
	}
	r := &running{sides: append([]side(nil), of...)}
	for i := range r.sides {
		r.sides[i].Port = ports[i+1]
	}
	var text bytes.Buffer
	err = bootstrap.Execute(&text, map[string]any{
		"AdminPort": ports[0], "ServicePort": b.servicePort, "Sides": r.sides, "Wasm": b.wasm,
	})
	if err != nil {
		return nil, err
	}
	r.Envoy, err = stack.StartEnvoy(ctx, stack.EnvoyConfig{
		Version: stack.Envoy140, Bootstrap: text.String(), AdminPort: ports[0], Workers: workers,
		Env: []string{"CLOAKROOM_TOKEN=" + b.token},
	})
	return r, err
}
