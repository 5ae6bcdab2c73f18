package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"cloakroom/cmd/cloakroom/doctor"
)

type doctorCmd struct {
	Admin   string `default:"http://127.0.0.1:9901" placeholder:"URL" help:"Envoy's admin interface (default ${default})."`
	Service string `placeholder:"URL" help:"The session service's URL, if this machine reaches it at another address than Envoy does."`
	Cookie  string `placeholder:"-" help:"- reads the value of a session cookie from standard input, and looks it up."`
}

// Run checks each part in the order in which a request passes it. It fails if something is wrong.
func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	o := doctor.Options{Admin: c.Admin, Service: c.Service, Out: a.stdout}
	if !strings.Contains(o.Admin, "://") {
		o.Admin = "http://" + o.Admin
	}
	var err error
	if o.Token, err = a.secret("CLOAKROOM_TOKEN"); err != nil {
		return err
	}
	switch c.Cookie {
	case "":
	case "-":
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		if err != nil && err != io.EOF {
			return err
		}
		o.Cookie = strings.TrimSpace(line)
	default:
		return fmt.Errorf("%w: --cookie - reads the cookie from standard input: on the command line others could read it", errUsage)
	}
	if wrong := doctor.Run(ctx, o); wrong > 0 {
		return fmt.Errorf("%s wrong", countOf(wrong, "thing"))
	}
	return nil
}
