package testenv

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Project is a Django project in a folder.
type Project struct {
	// Dir is the folder with manage.py.
	Dir string
	// Python is the interpreter; "" means that of build/venv.
	Python string
	// Env is added to the environment of this process for its processes.
	Env []string
	// WSGI is the module with its application, such as "demo.wsgi".
	WSGI string
}

func (p Project) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	python := p.Python
	if python == "" {
		var err error
		if python, err = Python(); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Dir = p.Dir
	cmd.Env = append(append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1"), p.Env...)
	return cmd, nil
}

// Manage runs manage.py and returns its output.
func (p Project) Manage(ctx context.Context, args ...string) (string, error) {
	cmd, err := p.command(ctx, append([]string{"manage.py"}, args...)...)
	if err != nil {
		return "", err
	}
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("manage.py %s: %w\n%s%s", args[0], err, out, &errors)
	}
	return string(out), err
}

// Serve runs the project under gunicorn and waits until it responds to a path.
func (p Project) Serve(ctx context.Context, port int, path string, tee io.Writer) (*Process, error) {
	address := "127.0.0.1:" + strconv.Itoa(port)
	cmd, err := p.command(ctx, "-m", "gunicorn", "--bind", address, "--workers", "1", "--threads", "4", "--access-logfile", "-", p.WSGI)
	if err != nil {
		return nil, err
	}
	return Start(ctx, Command{
		Name:  "django",
		Path:  cmd.Path,
		Args:  cmd.Args[1:],
		Env:   cmd.Env,
		Dir:   p.Dir,
		Tee:   tee,
		Ready: Answers("http://"+address+path, ""),
	})
}
