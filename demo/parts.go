package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"cloakroom/internal/testenv"
)

// The ports in envoy/bootstrap.yaml.
const (
	listenPort  = 10000
	adminPort   = 9901
	djangoPort  = 8000
	whoamiPort  = 8002
	servicePort = 8081
)

// demo is the demonstration's processes and their shared state.
type demo struct {
	root, dir        string // the repository, and build/demo in it
	secretKey, token string
	ports            map[int]int // those of the bootstrap, and the free ones that replace them
	processes        []*testenv.Process
	cleanup          []func() error
}

// newDemo prepares a demonstration with its files in dir, a path relative to the repository's
// folder.
func newDemo(dir string) (*demo, error) {
	root, err := testenv.Root()
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root, dir)
	}
	d := &demo{root: root, dir: dir, token: rand.Text(), ports: map[int]int{}}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	if d.secretKey, err = keptSecret(filepath.Join(d.dir, "secret-key")); err != nil {
		return nil, err
	}
	free, err := testenv.FreePorts(3)
	if err != nil {
		return nil, err
	}
	for i, port := range []int{djangoPort, whoamiPort, servicePort} {
		d.ports[port] = free[i]
	}
	return d, nil
}

// keptSecret returns the secret in a file, which it creates if there is none, so that sessions
// survive a restart.
func keptSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		return string(text), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret := rand.Text() + rand.Text()
	return secret, os.WriteFile(path, []byte(secret), 0o600)
}

func (d *demo) database() string { return filepath.Join(d.dir, "db.sqlite3") }

func (d *demo) django(ctx context.Context) error {
	log, err := d.log("django")
	if err != nil {
		return err
	}
	return d.keep(testenv.StartDjango(ctx, testenv.DjangoConfig{
		Port: d.ports[djangoPort], Database: d.database(), SecretKey: d.secretKey, Tee: log,
	}))
}

func (d *demo) service(ctx context.Context) error {
	log, err := d.log("service")
	if err != nil {
		return err
	}
	return d.keep(testenv.StartService(ctx, testenv.ServiceConfig{
		Port: d.ports[servicePort], Store: "sqlite://" + d.database(), SecretKey: d.secretKey, Token: d.token, Tee: log,
	}))
}

func (d *demo) whoami(ctx context.Context) error {
	log, err := d.log("whoami")
	if err != nil {
		return err
	}
	binary := filepath.Join(d.dir, "whoami")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./demo/whoami")
	build.Dir = d.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("demo/whoami: %w\n%s", err, out)
	}
	return d.keep(testenv.StartWhoami(ctx, binary, d.ports[whoamiPort], log))
}

func (d *demo) envoy(ctx context.Context, c *cli) error {
	log, err := d.log("envoy")
	if err != nil {
		return err
	}
	bootstrap, err := os.ReadFile(filepath.Join(d.root, "envoy", "bootstrap.yaml"))
	if err != nil {
		return err
	}
	d.ports[listenPort], d.ports[adminPort] = c.Port, c.AdminPort
	envoy, err := testenv.StartEnvoy(ctx, testenv.EnvoyConfig{
		Version:   testenv.Envoy140,
		Bootstrap: testenv.ReplacePorts(string(bootstrap), d.ports),
		AdminPort: c.AdminPort,
		Workers:   2,
		Env:       []string{"CLOAKROOM_TOKEN=" + d.token},
		Tee:       log,
	})
	if err != nil {
		return err
	}
	d.cleanup = append(d.cleanup, envoy.Stop)
	d.processes = append(d.processes, envoy.Process)
	return nil
}

func (d *demo) log(name string) (*os.File, error) {
	file, err := os.Create(filepath.Join(d.dir, name+".log"))
	if err == nil {
		d.cleanup = append(d.cleanup, file.Close)
	}
	return file, err
}

func (d *demo) keep(p *testenv.Process, err error) error {
	if err != nil {
		return err
	}
	d.processes = append(d.processes, p)
	d.cleanup = append(d.cleanup, p.Stop)
	return nil
}

// stop ends all processes, the last started first.
func (d *demo) stop() {
	for i := len(d.cleanup) - 1; i >= 0; i-- {
		if err := d.cleanup[i](); err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
	}
}

// url returns the URL of a part of the demonstration.
func (d *demo) url(port int) string { return "http://127.0.0.1:" + strconv.Itoa(d.ports[port]) }

func (d *demo) sim(ctx context.Context, c *cli) error {
	log, err := d.log("sim")
	if err != nil {
		return err
	}
	cloakroom, err := testenv.Cloakroom()
	if err != nil {
		return err
	}
	wasm, err := testenv.Wasm()
	if err != nil {
		return err
	}
	config, routes, err := simFiles(d.root, d.dir)
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + strconv.Itoa(c.Port)
	return d.keep(testenv.Start(ctx, testenv.Command{
		Name: "cloakroom sim",
		Path: cloakroom,
		Args: []string{
			"sim", "--cache", filepath.Join(d.root, "build", "wazero"), "--wasm", wasm, "--config", config, "--routes", routes, "--listen", address,
			"--upstream", d.url(djangoPort), "--cluster", "go=" + d.url(whoamiPort),
			"--cluster", "app=" + d.url(djangoPort), "--cluster", "sessions=" + d.url(servicePort),
			"--env", "CLOAKROOM_TOKEN",
		},
		Env:   []string{"CLOAKROOM_TOKEN=" + d.token},
		Tee:   log,
		Ready: testenv.Answers("http://"+address+"/login/", ""),
	}))
}
