package fromdjango

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// database is one of DATABASES, which a model's rows are written to.
type database struct {
	// What is its name in messages, as in DATABASES['default'].
	What      string
	Alias     string
	ReadAlias string `json:"read_alias"`
	Engine    string
	Vendor    string
	// OwnParameters is the engine's own method that returns the connection's parameters, if it has
	// one.
	OwnParameters string `json:"own_parameters"`
	// NoName reports that NAME is None.
	NoName bool `json:"no_name"`
	// Tenants is the schema that django-tenants shares, or "*" if each tenant has the table.
	Tenants string
	// Pooler is DISABLE_SERVER_SIDE_CURSORS, which is set for PgBouncer.
	Pooler   bool
	Options  options
	Name     string
	Host     string
	Port     string
	User     string
	Password string
	TimeZone string `json:"time_zone"`
}

// sessionDatabase returns the URL of the database with the table of sessions.
func (t *translation) sessionDatabase() (string, error) {
	d := t.Database
	if !t.Installed {
		return "", fmt.Errorf("INSTALLED_APPS lacks django.contrib.sessions, whose table SESSION_ENGINE %q needs", t.Engine)
	}
	if d.Vendor == "sqlite" && d.TimeZone != "" && d.TimeZone != "UTC" {
		return "", fmt.Errorf("%s TIME_ZONE is %q: the times in django_session are then in that zone; leave it out, or set it to UTC", d.What, d.TimeZone)
	}
	t.noteReplica(d, "sessions")
	var err error
	t.sessions, err = t.databaseURL(d)
	return t.sessions, err
}

// noteReplica notes a router that reads from another database than it writes to.
func (t *translation) noteReplica(d database, what string) {
	if d.ReadAlias != d.Alias {
		t.note("DATABASE_ROUTERS reads %s in DATABASES[%q] and writes them in DATABASES[%q]: Cloakroom uses the one that is written to", what, d.ReadAlias, d.Alias)
	}
}

// databaseURL returns a database in the form of --store and --accounts.
func (t *translation) databaseURL(d database) (string, error) {
	if d.Tenants == "*" {
		return "", fmt.Errorf("%s ENGINE %q: the table is in the schema of each tenant (TENANT_APPS), and Cloakroom reads one; keep the app in SHARED_APPS alone", d.What, d.Engine)
	}
	switch d.Vendor {
	case "sqlite":
		return t.sqliteURL(d)
	case "postgresql":
		return t.postgresURL(d)
	case "unknown":
		return "", fmt.Errorf("%s has no ENGINE", d.What)
	}
	return "", fmt.Errorf("%s ENGINE %q is %s: SQLite and PostgreSQL can be read", d.What, d.Engine, d.Vendor)
}

// sqliteOptions are those options of sqlite3.connect that concern only Django's own connections.
var sqliteOptions = []string{"autocommit", "cached_statements", "check_same_thread", "detect_types", "init_command", "isolation_level", "timeout", "transaction_mode", "uri"}

// initPragmas matches statements of init_command that other clients need not run.
var initPragmas = regexp.MustCompile(`(?i)^PRAGMA\s+(journal_mode|synchronous|cache_size|mmap_size|temp_store|journal_size_limit|wal_autocheckpoint|foreign_keys|busy_timeout)\b`)

func (t *translation) sqliteURL(d database) (string, error) {
	var left []string
	for name, value := range d.Options {
		if value == nil {
			continue
		}
		if !slices.Contains(sqliteOptions, name) {
			return "", fmt.Errorf("%s OPTIONS %s: the session service opens the file without it", d.What, name)
		}
		left = append(left, name)
	}
	for statement := range strings.SplitSeq(d.Options.text("init_command"), ";") {
		if statement = strings.TrimSpace(statement); statement != "" && !initPragmas.MatchString(statement) {
			return "", fmt.Errorf("%s OPTIONS init_command: the session service does not run %q", d.What, statement)
		}
	}
	file, err := sqliteFile(d)
	if err != nil {
		return "", err
	}
	t.leftOut(d.What, left)
	return (&url.URL{Scheme: "sqlite", Path: filepath.Clean(t.absolute(file))}).String(), nil
}

// sqliteFile returns the path in NAME, which may be an SQLite URI.
func sqliteFile(d database) (string, error) {
	name, isURI := strings.CutPrefix(d.Name, "file:")
	switch {
	case name == "":
		return "", fmt.Errorf("%s NAME is empty: name the database's file", d.What)
	case name == ":memory:":
		return "", fmt.Errorf("%s NAME %q is in the memory of Django's process, where nothing else can read it: name a file", d.What, d.Name)
	case !isURI:
		return name, nil
	}
	u, err := url.Parse(d.Name)
	if err != nil {
		return "", fmt.Errorf("%s NAME %q is no URI of a file", d.What, d.Name)
	}
	for parameter, values := range u.Query() {
		if parameter != "cache" && (parameter != "mode" || !strings.HasPrefix(values[0], "rw")) {
			return "", fmt.Errorf("%s NAME has the parameter %s=%s, with which the session service does not open the file: name the file alone", d.What, parameter, values[0])
		}
	}
	if u.Opaque != "" {
		return url.PathUnescape(u.Opaque)
	}
	return u.Path, nil
}

// leftOut notes options that have no counterpart and need none.
func (t *translation) leftOut(what string, names []string) {
	if len(names) > 0 {
		slices.Sort(names)
		t.note("%s OPTIONS left out, which concern Django's own connections alone: %s", what, strings.Join(slices.Compact(names), ", "))
	}
}
