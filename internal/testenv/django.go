package testenv

import (
	"context"
	"io"
	"path/filepath"
)

// DjangoConfig configures the demonstration's Django project.
type DjangoConfig struct {
	Port      int
	Database  string // an SQLite file; created if it is missing
	SecretKey string
	Tee       io.Writer
}

// StartDjango prepares the database, with the user demo, and runs the project
// under gunicorn.
func StartDjango(ctx context.Context, c DjangoConfig) (*Process, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	p := Project{
		Dir:  filepath.Join(root, "demo", "django"),
		Env:  []string{"CLOAKROOM_DEMO_DATABASE=" + c.Database, "CLOAKROOM_SECRET_KEY=" + c.SecretKey},
		WSGI: "demo.wsgi",
	}
	if _, err := p.Manage(ctx, "migrate", "--verbosity", "0"); err != nil {
		return nil, err
	}
	if _, err := p.Manage(ctx, "demo_user"); err != nil {
		return nil, err
	}
	return p.Serve(ctx, c.Port, "/login/", c.Tee)
}
