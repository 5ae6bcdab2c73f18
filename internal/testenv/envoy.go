package testenv

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// EnvoyConfig configures an Envoy.
type EnvoyConfig struct {
	Version   string
	Bootstrap string // YAML; must name AdminPort as its admin port
	AdminPort int
	Workers   int // 0: one
	Env       []string
	Args      []string // more arguments
	Tee       io.Writer
}

// Envoy is a running Envoy.
type Envoy struct {
	*Process
	admin string
}

// StartEnvoy starts Envoy in the repository's folder and waits until it is
// live.
func StartEnvoy(ctx context.Context, c EnvoyConfig) (*Envoy, error) {
	path, err := EnvoyPath(c.Version)
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cloakroom-envoy-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // Envoy has read it by then
	bootstrap := filepath.Join(dir, "bootstrap.yaml")
	if err := os.WriteFile(bootstrap, []byte(c.Bootstrap), 0o600); err != nil {
		return nil, err
	}
	e := &Envoy{admin: "http://127.0.0.1:" + strconv.Itoa(c.AdminPort)}
	e.Process, err = Start(ctx, Command{
		Name: "envoy " + c.Version,
		Path: path,
		Args: append([]string{
			"-c", bootstrap, "--concurrency", strconv.Itoa(max(1, c.Workers)),
			// Several Envoys on one host share memory by base id; this one must share none.
			"--use-dynamic-base-id", "--disable-hot-restart", "--drain-time-s", "1",
		}, c.Args...),
		Env:   c.Env,
		Dir:   root,
		Noise: "][info][",
		Tee:   c.Tee,
		Ready: Answers(e.admin+"/ready", "LIVE"),
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Admin returns the response to a path of the admin interface.
func (e *Envoy) Admin(ctx context.Context, path string) (string, error) {
	_, body, err := get(ctx, e.admin+path)
	return body, err
}

// Stat returns one counter or gauge, or 0 if there is none of the name.
func (e *Envoy) Stat(ctx context.Context, name string) (uint64, error) {
	text, err := e.Admin(ctx, "/stats?filter=^"+strings.ReplaceAll(name, ".", "\\.")+"$")
	if err != nil {
		return 0, err
	}
	_, number, found := strings.Cut(strings.TrimSpace(text), ": ")
	if !found {
		return 0, nil
	}
	return strconv.ParseUint(number, 10, 64)
}

// Answers returns a Command.Ready: the URL must return 200 with a text in its body.
func Answers(url, text string) func(context.Context) error {
	return func(ctx context.Context) error {
		status, body, err := get(ctx, url)
		if err != nil {
			return err
		}
		if status != http.StatusOK || !strings.Contains(body, text) {
			return fmt.Errorf("%s returned %d %.80q", url, status, body)
		}
		return nil
	}
}

func get(ctx context.Context, url string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}
