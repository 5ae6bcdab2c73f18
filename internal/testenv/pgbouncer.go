package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// PgBouncerConfig configures a PgBouncer before a PostgreSQL.
type PgBouncerConfig struct {
	// Version is the name of one of PgBouncers.
	Version  string
	Database *Postgres
	// Mode is the pool_mode: session, transaction or statement.
	Mode string
	// Settings are further lines of its section [pgbouncer].
	Settings []string
	Tee      io.Writer
}

// PgBouncer is a running PgBouncer.
type PgBouncer struct {
	*Process
	Port int
	temp string
}

// URL returns the URL of a database of the server behind it, for its superuser.
func (p *PgBouncer) URL(database string) string { return (&Postgres{Port: p.Port}).URL(database) }

// PgBouncerVersion is an unpacked PgBouncer.
type PgBouncerVersion struct {
	Name string // its folder's
	// FollowsPrepared reports that it supports max_prepared_statements (since 1.21).
	FollowsPrepared bool
}

// PgBouncers returns the versions that tests/pgbouncer.sh has unpacked: none if the machine has no
// apt.
func PgBouncers() (versions []PgBouncerVersion, err error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	const program = "/usr/sbin/pgbouncer"
	found, err := filepath.Glob(filepath.Join(root, "build", "pgbouncer", "*") + program)
	if err != nil {
		return nil, err
	}
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		versions = append(versions, PgBouncerVersion{filepath.Base(strings.TrimSuffix(path, program)), bytes.Contains(text, []byte("max_prepared_statements"))})
	}
	return versions, nil
}

const pgbouncerINI = `[databases]
* = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = plain
auth_file = %s
pool_mode = %s
max_client_conn = 500
default_pool_size = 8
server_lifetime = 600
%s
`

// StartPgBouncer starts PgBouncer. It runs with the C library that it was unpacked with. On Stop
// it disconnects its clients.
func StartPgBouncer(ctx context.Context, c PgBouncerConfig) (*PgBouncer, error) {
	root, err := built("make setup", "build", "pgbouncer", c.Version)
	if err != nil {
		return nil, err
	}
	libraries, loader, err := libraries(root)
	if err != nil {
		return nil, err
	}
	ports, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	p := &PgBouncer{Port: ports[0]}
	if p.temp, err = os.MkdirTemp("", "cloakroom-pgbouncer-"); err != nil {
		return nil, err
	}
	config, users := filepath.Join(p.temp, "pgbouncer.ini"), filepath.Join(p.temp, "users.txt")
	text := fmt.Sprintf(pgbouncerINI, c.Database.Port, p.Port, users, c.Mode, strings.Join(c.Settings, "\n"))
	err = errors.Join(os.WriteFile(config, []byte(text), 0o600),
		os.WriteFile(users, []byte(strconv.Quote("postgres")+" "+strconv.Quote(postgresPassword)+"\n"), 0o600),
		own(p.temp), own(config), own(users))
	if err == nil {
		path, args := unprivileged(loader, "--library-path", libraries, filepath.Join(root, "usr", "sbin", "pgbouncer"), config)
		p.Process, err = Start(ctx, Command{Name: "PgBouncer " + c.Version, Path: path, Args: args, Dir: p.temp, Tee: c.Tee, Ready: p.ready})
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.temp))
	}
	return p, nil
}

// libraries returns the folders of unpacked libraries, separated by colons, and the loader among
// them.
func libraries(root string) (path, loader string, err error) {
	var dirs []string
	for _, dir := range []string{"lib", "usr/lib"} {
		found, err := filepath.Glob(filepath.Join(root, dir, "*-linux-gnu*"))
		if err != nil {
			return "", "", err
		}
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if found, err := filepath.Glob(filepath.Join(dir, "ld-linux*.so*")); err != nil || len(found) > 0 {
			return strings.Join(dirs, ":"), found[0], err
		}
	}
	return "", "", fmt.Errorf("%s has no C library: remove build/pgbouncer and run `make setup`", root)
}

// ready returns an error unless a connection succeeds.
func (p *PgBouncer) ready(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL("postgres")+"?default_query_exec_mode=exec")
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// Stop ends the process without waiting for its clients.
func (p *PgBouncer) Stop() error {
	p.Kill()
	return os.RemoveAll(p.temp)
}
