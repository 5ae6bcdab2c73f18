package testenv

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"cloakroom/session/django"
	"cloakroom/store"
)

// ServiceConfig configures a session service.
type ServiceConfig struct {
	Port             int
	Store            string // a URL, in the form of cloakroom serve
	SecretKey, Token string
	Args             []string // more arguments
	// Binary is the path of another build, which does not run migrate; "" means the built command.
	Binary string
	// Bare reports that no Django has created the store: Django's tables are created first, and
	// accounts are not checked.
	Bare bool
	Tee  io.Writer
}

// StartService migrates the store, starts `cloakroom serve` and waits until it is ready.
func StartService(ctx context.Context, c ServiceConfig) (*Process, error) {
	path := c.Binary
	if path == "" {
		var err error
		if path, err = Cloakroom(); err != nil {
			return nil, err
		}
	}
	args := c.Args
	if c.Bare {
		if err := createTables(ctx, c); err != nil {
			return nil, err
		}
		args = append([]string{"--accounts", "off"}, args...)
	}
	env := []string{"CLOAKROOM_SECRET_KEY=" + c.SecretKey, "CLOAKROOM_TOKEN=" + c.Token}
	if c.Binary == "" {
		migrate := exec.CommandContext(ctx, path, "migrate", "--store", c.Store)
		migrate.Env = append(os.Environ(), env...)
		if out, err := migrate.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("cloakroom migrate: %w\n%s", err, out)
		}
	}
	address := "127.0.0.1:" + strconv.Itoa(c.Port)
	return Start(ctx, Command{
		Name:  "session service",
		Path:  path,
		Args:  append([]string{"serve", "--listen", address, "--store", c.Store}, args...),
		Env:   env,
		Tee:   c.Tee,
		Ready: Answers("http://"+address+"/readyz", ""),
	})
}

func createTables(ctx context.Context, c ServiceConfig) error {
	codec, err := django.NewCodec(c.SecretKey)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, c.Store, store.Options{Codec: codec, Create: true})
	if err != nil {
		return err
	}
	return s.Close()
}

// Metric returns one sample of a session service's metrics by its full name, labels included, or 0
// if there is none of the name.
func Metric(ctx context.Context, port int, name string) (uint64, error) {
	_, text, err := get(ctx, "http://127.0.0.1:"+strconv.Itoa(port)+"/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return uint64(n), err
		}
	}
	return 0, nil
}
