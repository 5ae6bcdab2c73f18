package fromdjango

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// use is the handling of an option.
type use int

const (
	passed   use = iota + 1 // a parameter of the URL, under the same name
	path                    // the same, a file
	ours                    // read by postgresURL itself
	harmless                // it concerns Django's connections alone
	refused                 // the session service would connect otherwise than Django
)

// postgresOptions are the parameters of libpq, psycopg and Django. Missing ones are rejected.
var postgresOptions = map[string]use{
	"host": ours, "port": ours, "dbname": ours, "user": ours, "password": ours, "sslpassword": ours, "assume_role": ours,
	"connect_timeout": ours, "target_session_attrs": ours, "fallback_application_name": ours, "gssencmode": ours, "load_balance_hosts": ours,

	"options": passed, "application_name": passed, "service": passed, "sslmode": passed, "sslsni": passed, "sslnegotiation": passed,
	"sslcertmode": passed, "channel_binding": passed, "require_auth": passed, "min_protocol_version": passed, "max_protocol_version": passed,

	"sslrootcert": path, "sslcert": path, "sslkey": path, "passfile": path,

	"pool": harmless, "server_side_binding": harmless, "isolation_level": harmless, "cursor_factory": harmless, "prepare_threshold": harmless,
	"autocommit": harmless, "context": harmless, "row_factory": harmless, "connection_factory": harmless, "client_encoding": harmless,
	"keepalives": harmless, "keepalives_idle": harmless, "keepalives_interval": harmless, "keepalives_count": harmless,
	"tcp_user_timeout": harmless, "sslcompression": harmless,
}

// libpqVariables are the options that libpq reads from the environment.
var libpqVariables = map[string]string{
	"PGHOST": "host", "PGPORT": "port", "PGDATABASE": "dbname", "PGUSER": "user", "PGPASSWORD": "password", "PGPASSFILE": "passfile",
	"PGSERVICE": "service", "PGSERVICEFILE": "servicefile", "PGOPTIONS": "options", "PGAPPNAME": "application_name", "PGTZ": "timezone",
	"PGCONNECT_TIMEOUT": "connect_timeout", "PGTARGETSESSIONATTRS": "target_session_attrs", "PGSSLMODE": "sslmode", "PGSSLCERT": "sslcert",
	"PGSSLKEY": "sslkey", "PGSSLROOTCERT": "sslrootcert", "PGSSLSNI": "sslsni", "PGSSLNEGOTIATION": "sslnegotiation", "PGSSLCERTMODE": "sslcertmode",
	"PGCHANNELBINDING": "channel_binding", "PGREQUIREAUTH": "require_auth", "PGMINPROTOCOLVERSION": "min_protocol_version", "PGMAXPROTOCOLVERSION": "max_protocol_version",
}

// refusedVariables are variables that change where or how libpq connects, but that the session
// service does not read.
var refusedVariables = []string{"PGHOSTADDR", "PGSYSCONFDIR", "PGSSLCRL", "PGSSLCRLDIR", "PGREQUIREPEER", "PGREQUIRESSL", "PGKRBSRVNAME", "PGGSSLIB", "PGSSLMINPROTOCOLVERSION"}

// postgresURL returns a URL in the form of store/postgres: libpq's parameters by their names.
func (t *translation) postgresURL(d database) (string, error) {
	query, err := t.postgresQuery(d)
	if err != nil {
		return "", err
	}
	if err := t.libpqEnvironment(d); err != nil {
		return "", err
	}
	u := url.URL{Scheme: "postgres"}
	setting := func(value, option string) string {
		if value != "" {
			return value
		}
		return d.Options.text(option)
	}
	if u.Path, err = t.postgresName(d, query); err != nil {
		return "", err
	}
	t.postgresHost(&u, query, setting(d.Host, "host"), setting(d.Port, "port"))
	user := setting(d.User, "user")
	if user == "" && t.Environment["PGUSER"] == "" && !query.Has("service") {
		t.note("%s has no USER: PostgreSQL's role is then the name of the system's user, of Django's processes and of the session service", d.What)
	}
	u.User = t.databaseUser(d.What, user, setting(d.Password, "password"))
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // + is no space to libpq and pgx
	if d.OwnParameters != "" {
		t.note("%s ENGINE %q makes parameters of its connections (%s), such as passwords, which are not in the URL: compare it with them", d.What, d.Engine, d.OwnParameters)
	}
	if d.Pooler {
		t.note("%s has DISABLE_SERVER_SIDE_CURSORS, as one sets for a pooler in transaction mode: name the server itself, since the feed needs LISTEN", d.What)
	}
	return u.String(), nil
}

// postgresQuery returns the options as parameters of the URL.
func (t *translation) postgresQuery(d database) (url.Values, error) {
	query := url.Values{}
	var left []string
	for name, value := range d.Options {
		if value == nil {
			continue // psycopg omits it, too
		}
		switch use := postgresOptions[name]; {
		case use == passed:
			query.Set(name, *value)
		case use == path && (name != "sslrootcert" || *value != "system"):
			query.Set(name, t.absolute(*value))
		case use == path:
			query.Set(name, *value)
		case use == ours:
			if err := t.postgresOption(query, d, name, *value); err != nil {
				return nil, err
			}
		case use == harmless:
			left = append(left, name)
		case name == "ssl_min_protocol_version" && slices.Contains([]string{"TLSv1", "TLSv1.1", "TLSv1.2"}, *value):
			left = append(left, name) // TLS 1.2 is the least in any case
		default:
			return nil, fmt.Errorf("%s OPTIONS %s: the session service cannot connect with it", d.What, name)
		}
	}
	if query.Has("sslcert") != query.Has("sslkey") {
		return nil, fmt.Errorf("%s OPTIONS has one of sslcert and sslkey: name both", d.What)
	}
	if d.NoName {
		query.Del("service") // as Django does
	}
	if d.Tenants != "" && d.Tenants != "public" {
		query.Set("search_path", d.Tenants)
	}
	t.leftOut(d.What, left)
	return query, nil
}

// postgresOption translates an option that needs a conversion.
func (t *translation) postgresOption(query url.Values, d database, name, value string) error {
	refuse := func(reason string) error {
		return fmt.Errorf("%s OPTIONS %s is %q: %s", d.What, name, value, reason)
	}
	switch name {
	case "assume_role":
		query.Set("role", value) // a parameter of the server, like SET ROLE
	case "sslpassword":
		if t.secrets {
			query.Set(name, value)
		} else {
			t.Environment["PGSSLPASSWORD"] = ""
		}
	case "connect_timeout":
		seconds, err := strconv.Atoi(value)
		if err != nil {
			return refuse("write a whole number of seconds")
		}
		query.Set(name, strconv.Itoa(max(0, seconds)))
	case "target_session_attrs":
		if !slices.Contains([]string{"any", "read-write", "primary"}, value) {
			return refuse("Cloakroom writes sessions, and needs any, read-write or primary")
		}
		query.Set(name, value)
	case "fallback_application_name":
		if d.Options.text("application_name") == "" {
			query.Set("application_name", value)
		}
	case "gssencmode":
		if value == "require" {
			return refuse("the session service cannot encrypt by GSSAPI; use TLS")
		}
	case "load_balance_hosts":
		if value != "disable" {
			t.note("%s OPTIONS load_balance_hosts: the session service tries the hosts in their order", d.What)
		}
	}
	return nil
}

// postgresName returns the database's name as the URL's path.
func (t *translation) postgresName(d database, query url.Values) (string, error) {
	name := d.Name
	if d.NoName {
		name = "postgres" // as Django does
	}
	if dbname := d.Options.text("dbname"); dbname != "" {
		name = dbname
	}
	if name == "" && !query.Has("service") {
		return "", fmt.Errorf("%s NAME is empty: name the database, or a service in OPTIONS", d.What)
	}
	return "/" + name, nil
}

// postgresHost sets the host: in the URL's authority if it is a single host, else as parameters.
func (t *translation) postgresHost(u *url.URL, query url.Values, host, port string) {
	elsewhere := query.Has("service") || t.Environment["PGHOST"] != ""
	switch {
	case host == "" && !elsewhere:
		host = "/var/run/postgresql" // as libpq does on most systems
	case host != "" && !strings.ContainsAny(host, ",/@"):
		if u.Host = host; strings.Contains(host, ":") {
			u.Host = "[" + host + "]"
		}
		if port != "" {
			u.Host += ":" + port
		}
		return
	}
	if host != "" {
		query.Set("host", host)
	}
	if port != "" {
		query.Set("port", port)
	}
}

// databaseUser returns the user, with the password only if secrets are requested. It can be in
// PGPASSWORD instead, which applies to all databases.
func (t *translation) databaseUser(what, user, password string) *url.Userinfo {
	switch {
	case password != "" && t.secrets:
		return url.UserPassword(user, password)
	case password != "":
		if t.password != "" && t.password != password {
			t.note("the passwords of the databases differ, and PGPASSWORD is for all: write that of %s into its URL, or all into a file (PGPASSFILE)", what)
		}
		t.password = password
		t.Environment["PGPASSWORD"] = ""
	}
	if user == "" {
		return nil
	}
	return url.User(user)
}

// libpqEnvironment adds the variables that change how Django connects, which the session service
// needs, too.
func (t *translation) libpqEnvironment(d database) error {
	for _, name := range refusedVariables {
		if t.Libpq[name] != "" {
			return fmt.Errorf("%s: %s is set, which the session service does not read", d.What, name)
		}
	}
	for name, option := range libpqVariables {
		value := t.Libpq[name]
		if value == "" || d.Options[option] != nil {
			continue
		}
		if option == "password" {
			t.secret(name, value)
			continue
		}
		if postgresOptions[option] == path && value != "system" || option == "servicefile" {
			value = t.absolute(value)
		}
		t.Environment[name] = value
	}
	return nil
}

// absolute returns a path relative to the project's folder as an absolute one.
func (t *translation) absolute(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(t.project, file)
}
