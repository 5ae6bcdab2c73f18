package stack

import (
	"context"
	"io"
	"strconv"
	"strings"
)

// ServiceConfig says how to start the session service.
type ServiceConfig struct {
	Port             int
	Store            string // a URL, as cloakroom serve takes it
	SecretKey, Token string
	Args             []string // more arguments
	Tee              io.Writer
}

// StartService starts `cloakroom serve` and waits until its store answers.
func StartService(ctx context.Context, c ServiceConfig) (*Process, error) {
	path, err := Cloakroom()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(c.Port)
	return Start(ctx, Command{
		Name:  "session service",
		Path:  path,
		Args:  append([]string{"serve", "--listen", address, "--store", c.Store}, c.Args...),
		Env:   []string{"CLOAKROOM_SECRET_KEY=" + c.SecretKey, "CLOAKROOM_TOKEN=" + c.Token},
		Tee:   c.Tee,
		Ready: Answers("http://"+address+"/readyz", ""),
	})
}

// Metric gives one sample of a session service's metrics by its full name,
// labels included; 0 if there is none of the name.
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
