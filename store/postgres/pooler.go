package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pooler detects a connection pooler, such as PgBouncer, between this process and PostgreSQL, and
// selects a form of statements that works through it.
//
// In transaction mode a pooler hands each transaction to another of its server connections. A
// statement that was prepared on one does not exist on the next (PgBouncer tracks prepared
// statements since 1.21, if max_prepared_statements is set). Connections through a pooler
// therefore describe a statement once and send it in full each time (cache_describe), in all pool
// modes: the pooler may be reloaded with another.
type pooler struct {
	// chosen reports that the URL sets default_query_exec_mode, which is then kept.
	chosen bool
	// met reports whether the latest connection leads through a pooler.
	met atomic.Bool
}

// unprepared is the mode of connections through a pooler.
const unprepared = pgx.QueryExecModeCacheDescribe

// unfit is the key in the CustomData of a connection that prepares statements but leads through a
// pooler.
const unfit = "cloakroom: unfit"

// watch checks each connection that a pool makes.
func (p *pooler) watch(config *pgxpool.Config) {
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if p.met.Load() && !p.chosen {
			c.DefaultQueryExecMode = unprepared
		}
		return nil
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		pooled, err := throughPooler(ctx, c)
		if err != nil {
			return err
		}
		p.met.Store(pooled)
		if pooled && !p.chosen && c.Config().DefaultQueryExecMode != unprepared {
			c.PgConn().CustomData()[unfit] = true
		}
		return nil
	}
	// An unfit connection is closed, and another one made.
	config.PrepareConn = func(_ context.Context, c *pgx.Conn) (bool, error) {
		return c.PgConn().CustomData()[unfit] == nil, nil
	}
}

// backend returns the process ID of the server process that currently serves a connection.
func backend(ctx context.Context, q querier) (pid uint32, err error) {
	err = q.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
	return pid, err
}

// throughPooler reports whether a connection leads through a pooler: the handshake returns the
// process ID of the server process, for which poolers substitute their own number.
func throughPooler(ctx context.Context, c *pgx.Conn) (bool, error) {
	pid, err := backend(ctx, c)
	return pid != c.PgConn().PID(), err
}

// Notices returns what works in a degraded way, and what to do about it.
func (s *Store) Notices() []string {
	if !s.pooler.met.Load() || s.pooler.chosen {
		return nil
	}
	return []string{"PostgreSQL is reached through a connection pooler such as PgBouncer: statements are not prepared, which takes the database more time. " +
		"Name the database itself in the store's URL; or, with pool_mode = session or max_prepared_statements (PgBouncer 1.21 and newer), add default_query_exec_mode=cache_statement to it"}
}

// hints are instructions for errors that a pooler causes, by a part of their text.
var hints = []struct{ text, hint string }{
	{"statement pooling mode", "sessions need transactions, Django's own too: PgBouncer's pool_mode must be transaction or session"},
	{"unsupported startup parameter", "PgBouncer accepts it if ignore_startup_parameters names it; it is then set for the role (ALTER ROLE … SET search_path = …), as for Django"},
	{"prepared statement", "a connection pooler that was not recognized? Add default_query_exec_mode=cache_describe to the store's URL"},
}

// hinted adds a hint to an error.
func hinted(err error) error {
	for _, h := range hints {
		if strings.Contains(err.Error(), h.text) {
			return fmt.Errorf("%w; %s", err, h.hint)
		}
	}
	return err
}
