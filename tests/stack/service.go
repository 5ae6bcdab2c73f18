package stack

import (
	"context"
	"io"
	"strconv"
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
