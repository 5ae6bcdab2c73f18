package stack

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
)

// DjangoConfig says how to run the demonstration's Django project.
type DjangoConfig struct {
	Port      int
	Database  string // an SQLite file; made if it is not there
	SecretKey string
	Tee       io.Writer
}

// StartDjango prepares the database, with the user demo, and runs the project
// under gunicorn.
func StartDjango(ctx context.Context, c DjangoConfig) (*Process, error) {
	python, err := Python()
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, "demo", "django")
	env := []string{
		"CLOAKROOM_DEMO_DATABASE=" + c.Database,
		"CLOAKROOM_SECRET_KEY=" + c.SecretKey,
		"PYTHONDONTWRITEBYTECODE=1",
	}
	for _, args := range [][]string{{"migrate", "--verbosity", "0"}, {"demo_user"}} {
		cmd := exec.CommandContext(ctx, python, append([]string{"manage.py"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("manage.py %s: %w\n%s", args[0], err, out)
		}
	}
	address := "127.0.0.1:" + strconv.Itoa(c.Port)
	return Start(ctx, Command{
		Name:  "django",
		Path:  python,
		Args:  []string{"-m", "gunicorn", "--bind", address, "--workers", "1", "--threads", "4", "--access-logfile", "-", "demo.wsgi"},
		Env:   env,
		Dir:   dir,
		Tee:   c.Tee,
		Ready: Answers("http://"+address+"/login/", ""),
	})
}
