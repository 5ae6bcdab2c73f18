package main

import (
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"cloakroom/service/audit"
)

type auditFlag struct {
	Audit string `default:"-" placeholder:"FILE|-|off" help:"Where to write what happens to sessions, as lines of JSON: a file, to which they are appended; - for standard error; off (default ${default})."`
}

// openAudit opens the audit log. log receives errors of writing, and queue is audit.Options.Queue.
func (f auditFlag) openAudit(a *app, log *slog.Logger, queue int) (*audit.Log, error) {
	return audit.Open(f.Audit, a.stderr, audit.Options{Log: log, Queue: queue})
}

// actor returns the operating system's user who runs the command.
func actor() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
