package fromdjango

import (
	"strings"
	"testing"
)

// TestPostgres translates every kind of option of a PostgreSQL database.
func TestPostgres(t *testing.T) {
	with := func(fields string) string {
		return head + "import os, psycopg\nDATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'app', 'USER': 'me', " + fields + "}}\n"
	}
	option := func(fields string) string { return with("'HOST': 'db', 'OPTIONS': {" + fields + "}") }
	url := func(query string) []string {
		return []string{"serve serve --store postgres://me@db/app" + query + "\n"}
	}
	service := map[string]string{"service.conf": "[named]\nhost=db.test\nport=5433\ndbname=other\nuser=them\n"}
	all(t, []row{
		{name: "a port without a host", settings: with("'PORT': '5433'"), want: []string{"--store postgres://me@/app?host=%2Fvar%2Frun%2Fpostgresql&port=5433\n"}},
		{name: "a folder of sockets", settings: with("'HOST': '/run/pg', 'PORT': 5433"), want: []string{"--store postgres://me@/app?host=%2Frun%2Fpg&port=5433\n"}},
		{name: "IPv6", settings: with("'HOST': '::1', 'PORT': 5433"), want: []string{"--store postgres://me@[::1]:5433/app\n"}},
		{name: "several hosts", settings: with("'HOST': 'a,b', 'PORT': '5432,5433'"), want: []string{"--store postgres://me@/app?host=a%2Cb&port=5432%2C5433\n"}},
		{name: "several hosts, one port", settings: with("'HOST': 'a,b', 'PORT': '5433'"), want: []string{"--store postgres://me@/app?host=a%2Cb&port=5433\n"}},
		{name: "a password with odd characters", settings: with(`'HOST': 'db', 'PASSWORD': "a b:c@d/e?f#g%41é'\\"`), o: Options{Secrets: true}, want: []string{`--store postgres://me:a%20b%3Ac%40d%2Fe%3Ff%23g%2541%C3%A9%27%5C@db/app` + "\n"}},
		{name: "a name with odd characters", settings: strings.Replace(with("'HOST': 'db'"), "'app'", "'a b?c#d/e'", 1), want: []string{"--store postgres://me@db/a%20b%3Fc%23d/e\n"}},
		{name: "of Django's connections alone", settings: with("'HOST': 'db', 'CONN_MAX_AGE': 60, 'CONN_HEALTH_CHECKS': True, 'ATOMIC_REQUESTS': True, 'TIME_ZONE': 'Europe/Paris'"), want: url(""), not: []string{"note DATABASES"}},

		{name: "TLS", settings: option("'sslmode': 'verify-full', 'sslrootcert': os.path.join(os.path.dirname(__file__), 'ca.pem'), 'sslcert': 'ca.pem', 'sslkey': 'key.pem'"),
			want: []string{"?sslcert=$QDIR%2Fca.pem&sslkey=$QDIR%2Fkey.pem&sslmode=verify-full&sslrootcert=$QDIR%2Fca.pem\n"}},
		{name: "TLS, the system's certificates", settings: option("'sslmode': 'verify-full', 'sslrootcert': 'system'"), want: url("?sslmode=verify-full&sslrootcert=system")},
		{name: "TLS, the rest", settings: option("'sslnegotiation': 'direct', 'sslmode': 'require', 'sslsni': 1, 'channel_binding': 'prefer', 'require_auth': 'scram-sha-256', 'sslcertmode': 'allow'"),
			want: url("?channel_binding=prefer&require_auth=scram-sha-256&sslcertmode=allow&sslmode=require&sslnegotiation=direct&sslsni=1")},
		{name: "search_path", settings: option("'options': '-c search_path=tenant,public -c statement_timeout=5s'"), want: url("?options=-c%20search_path%3Dtenant%2Cpublic%20-c%20statement_timeout%3D5s")},
		{name: "names and times", settings: option("'connect_timeout': 10, 'application_name': 'site', 'target_session_attrs': 'read-write'"), want: url("?application_name=site&connect_timeout=10&target_session_attrs=read-write")},
		{name: "a fallback name", settings: option("'fallback_application_name': 'site'"), want: url("?application_name=site")},
		{name: "no time limit", settings: option("'connect_timeout': -1"), want: url("?connect_timeout=0")},
		{name: "a role", settings: option("'assume_role': 'web'"), want: url("?role=web")},
		{name: "None is left out", settings: option("'sslmode': None, 'service': None"), want: url("")},
		{name: "the password of a key", settings: option("'sslcert': 'ca.pem', 'sslkey': 'key.pem', 'sslpassword': 'hunter2'"), want: []string{"env PGSSLPASSWORD=\n"}, not: []string{"hunter2"}},
		{name: "harmless", settings: option("'pool': {'max_size': 4}, 'isolation_level': psycopg.IsolationLevel.SERIALIZABLE, 'server_side_binding': True, 'keepalives_idle': 5, 'client_encoding': 'UTF8'"),
			want: append(url(""), "note DATABASES['default'] OPTIONS left out, which concern Django's own connections alone: client_encoding, isolation_level, keepalives_idle, pool, server_side_binding\n")},
		{name: "host and user among the options", settings: strings.Replace(option("'host': 'other', 'user': 'them', 'dbname': 'more', 'password': 'pw', 'port': 5433"), "'USER': 'me', 'HOST': 'db', ", "", 1), o: Options{Secrets: true},
			want: []string{"--store postgres://them:pw@other:5433/more\n"}},
		{name: "a file of passwords", settings: option("'passfile': '.pgpass'"), want: []string{"--store postgres://me@db/app?passfile=$QDIR%2F.pgpass\n"}},
		{name: "a service", settings: head + "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'OPTIONS': {'service': 'named'}}}", files: service, env: map[string]string{"PGSERVICEFILE": "$DIR/service.conf"},
			want: []string{"serve serve --store postgres:///?service=named\n", "env PGSERVICEFILE=$DIR/service.conf\n"}},
		{name: "a service, and more", settings: option("'service': 'named'"), env: map[string]string{"PGSERVICEFILE": "$DIR/service.conf"}, files: service, want: url("?service=named")},
		{name: "NAME is None", settings: strings.Replace(option("'service': 'named'"), "'app'", "None", 1), want: []string{"--store postgres://me@db/postgres\n"}},
		{name: "a pooler", settings: with("'HOST': 'db', 'DISABLE_SERVER_SIDE_CURSORS': True"), want: []string{"note DATABASES['default'] has DISABLE_SERVER_SIDE_CURSORS", "LISTEN"}},
		{name: "no user", settings: strings.Replace(with("'HOST': 'db'"), "'USER': 'me', ", "", 1), want: []string{"--store postgres://db/app\n", "note DATABASES['default'] has no USER"}},

		{name: "the environment", settings: with("'HOST': ''"), env: map[string]string{"PGHOST": "db.test", "PGPORT": "5433", "PGPASSWORD": "hunter2", "PGDATA": "/x"},
			want: []string{"--store postgres://me@/app\n", "env PGHOST=db.test\nenv PGPASSWORD=\nenv PGPORT=5433\n"}, not: []string{"hunter2", "PGDATA"}},
		{name: "the environment, made by the settings", settings: with("'HOST': 'db'") + "os.environ['PGSSLMODE'] = 'require'", want: append(url(""), "env PGSSLMODE=require\n")},
		{name: "a file in the environment", settings: with("'HOST': 'db'"), env: map[string]string{"PGPASSFILE": "pass", "PGSSLROOTCERT": "system"}, want: append(url(""), "env PGPASSFILE=$DIR/pass\nenv PGSSLROOTCERT=system\n")},
		{name: "options before the environment", settings: option("'sslmode': 'disable'"), env: map[string]string{"PGSSLMODE": "require"}, want: url("?sslmode=disable"), not: []string{"PGSSLMODE"}},
		{name: "an address in the environment", refused: true, settings: with("'HOST': 'db'"), env: map[string]string{"PGHOSTADDR": "192.0.2.1"}, want: []string{"DATABASES['default']: PGHOSTADDR is set"}},

		{name: "hostaddr", refused: true, settings: option("'hostaddr': '192.0.2.1'"), want: []string{"DATABASES['default'] OPTIONS hostaddr: the session service cannot connect with it"}},
		{name: "a list of revoked certificates", refused: true, settings: option("'sslcrl': 'x'"), want: []string{"OPTIONS sslcrl"}},
		{name: "a certificate without its key", refused: true, settings: option("'sslcert': 'x'"), want: []string{"one of sslcert and sslkey"}},
		{name: "GSSAPI", refused: true, settings: option("'gssencmode': 'require'"), want: []string{`OPTIONS gssencmode is "require"`}},
		{name: "TLS 1.3", refused: true, settings: option("'ssl_min_protocol_version': 'TLSv1.3'"), want: []string{"OPTIONS ssl_min_protocol_version"}},
		{name: "TLS 1.2", settings: option("'ssl_min_protocol_version': 'TLSv1.2'"), want: url("")},
		{name: "a standby", refused: true, settings: option("'target_session_attrs': 'prefer-standby'"), want: []string{`OPTIONS target_session_attrs is "prefer-standby": Cloakroom writes sessions`}},
		{name: "no number", refused: true, settings: option("'connect_timeout': 'soon'"), want: []string{`OPTIONS connect_timeout is "soon"`}},
		{name: "an unknown option", refused: true, settings: option("'frobnicate': 1"), want: []string{"OPTIONS frobnicate"}},
		{name: "no name", refused: true, settings: strings.Replace(with("'HOST': 'db'"), "'app'", "''", 1), want: []string{"DATABASES['default'] NAME is empty"}},
	})
}

// TestSQLite translates every kind of NAME and option.
func TestSQLite(t *testing.T) {
	with := func(name, fields string) string {
		return head + "import pathlib, sqlite3\nHERE = pathlib.Path(__file__).parent\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': " + name + ", " + fields + "}}\n"
	}
	option := func(fields string) string { return with("HERE / 'db'", "'OPTIONS': {"+fields+"}") }
	file := []string{"--store sqlite://$DIR/db\n"}
	all(t, []row{
		{name: "a path", settings: with("HERE / 'db'", ""), want: file},
		{name: "a relative path", settings: with("'./data/../db'", ""), want: file},
		{name: "bytes", settings: with("b'db'", ""), want: file},
		{name: "a URI", settings: with("f'file:{HERE}/db?cache=shared&mode=rwc'", ""), want: file},
		{name: "a URI with a slash", settings: with("f'file://{HERE}/d%62'", ""), want: file},
		{name: "a relative URI", settings: with("'file:db'", ""), want: file},
		{name: "odd characters", settings: with("'a b?c#d%41'", ""), want: []string{"--store sqlite://$DIR/a%20b%3Fc%23d%2541\n"}},
		{name: "harmless", settings: option("'timeout': 20, 'transaction_mode': 'IMMEDIATE', 'init_command': 'PRAGMA journal_mode=wal; pragma synchronous = normal;'"),
			want: append(file, "alone: init_command, timeout, transaction_mode\n")},
		{name: "UTC", settings: with("'db'", "'TIME_ZONE': 'UTC'"), want: file},

		{name: "local times", settings: local("America/Chicago") + sqlite, want: []string{"--store sqlite://$DIR/db.sqlite3?time_zone=America/Chicago\n"}},
		{name: "local times of no zone", refused: true, settings: local("") + sqlite, want: []string{"USE_TZ is False", `TIME_ZONE is ""`}},
		{name: "times of a zone", refused: true, settings: with("'db'", "'TIME_ZONE': 'Europe/Paris'"), want: []string{`DATABASES['default'] TIME_ZONE is "Europe/Paris"`}},
		{name: "in memory", refused: true, settings: with("':memory:'", ""), want: []string{`DATABASES['default'] NAME ":memory:" is in the memory of Django's process`}},
		{name: "in memory, as a URI", refused: true, settings: with("'file:x?mode=memory&cache=shared'", ""), want: []string{"DATABASES['default'] NAME has the parameter mode=memory"}},
		{name: "immutable", refused: true, settings: with("'file:x?immutable=1'", ""), want: []string{"the parameter immutable=1"}},
		{name: "no name", refused: true, settings: with("''", ""), want: []string{"DATABASES['default'] NAME is empty"}},
		{name: "another connection", refused: true, settings: option("'factory': sqlite3.Connection"), want: []string{"DATABASES['default'] OPTIONS factory"}},
		{name: "another database attached", refused: true, settings: option(`'init_command': "ATTACH 'x' AS x"`), want: []string{"OPTIONS init_command", "ATTACH"}},
		{name: "a key", refused: true, settings: option(`'init_command': "PRAGMA key = 'x'"`), want: []string{"OPTIONS init_command"}},
	})
}

// engines are third-party backends. The modules' names name their purpose.
var engines = map[string]string{
	"counted/__init__.py": "", "counted/base.py": "from django.db.backends.postgresql.base import DatabaseWrapper as Base\nclass DatabaseWrapper(Base):\n    def get_new_connection(self, params): return super().get_new_connection(params)\n",
	"spatial/__init__.py": "", "spatial/base.py": "from django.db.backends.sqlite3.base import DatabaseWrapper as Base\nclass DatabaseWrapper(Base): pass\n",
	"tokens/__init__.py": "", "tokens/base.py": "from django.db.backends.postgresql.base import DatabaseWrapper as Base\nclass DatabaseWrapper(Base):\n    def get_connection_params(self): return {}\n",
	"maria/__init__.py": "", "maria/base.py": "from django.db.backends.sqlite3.base import DatabaseWrapper as Base\nclass DatabaseWrapper(Base):\n    vendor = 'mysql'\n",
	"schemas/__init__.py": "", "schemas/base.py": "from django.db.backends.postgresql.base import DatabaseWrapper as Base\nclass DatabaseWrapper(Base):\n    def set_tenant(self, tenant): pass\n",
}

// TestEngines translates third-party backends, which are identified by their vendor.
func TestEngines(t *testing.T) {
	postgres := func(engine string) string {
		return strings.Replace(postgres, "django.db.backends.postgresql", engine, 1)
	}
	const url = "serve serve --store postgres://me@db.test:5433/app"
	all(t, []row{
		{name: "PostgreSQL, counted", files: engines, settings: head + postgres("counted"), want: []string{url + "\n"}, not: []string{"makes parameters"}},
		{name: "SQLite, spatial", files: engines, settings: head + strings.Replace(sqlite, "django.db.backends.sqlite3", "spatial", 1), want: []string{"serve serve --store sqlite://$DIR/db.sqlite3\n"}},
		{name: "passwords made anew", files: engines, settings: head + postgres("tokens"), want: []string{url, `note DATABASES['default'] ENGINE "tokens" makes parameters of its connections (tokens.base.DatabaseWrapper.get_connection_params)`}},
		{name: "tenants, sessions shared", files: engines, settings: head + postgres("schemas") + "TENANT_APPS = []", want: []string{url + "\n"}},
		{name: "tenants, another schema shared", files: engines, settings: head + postgres("schemas") + "TENANT_APPS = []\nPUBLIC_SCHEMA_NAME = 'all'", want: []string{url + "?search_path=all\n"}},
		{name: "tenants, sessions of each", files: engines, refused: true, settings: head + postgres("schemas") + "TENANT_APPS = ['django.contrib.sessions']", want: []string{"DATABASES['default'] ENGINE", "TENANT_APPS"}},
		{name: "tenants, users of each", files: engines, settings: head + postgres("schemas") + "TENANT_TYPES = {'a': {'APPS': ['django.contrib.auth']}}", want: []string{url + " --accounts off\n", "accounts are not checked", "TENANT_APPS"}},

		{name: "another vendor", files: engines, refused: true, settings: head + strings.Replace(sqlite, "django.db.backends.sqlite3", "maria", 1), want: []string{`DATABASES['default'] ENGINE "maria" is mysql: SQLite and PostgreSQL can be read`}},
		{name: "MySQL without its driver", refused: true, settings: head + "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql', 'NAME': 'x'}}", want: []string{"Error loading MySQLdb", "SQLite and PostgreSQL alone"}},
		{name: "Oracle without its driver", refused: true, settings: head + "DATABASES = {'default': {'ENGINE': 'django.db.backends.oracle', 'NAME': 'x'}}", want: []string{"oracle", "SQLite and PostgreSQL alone"}},
		{name: "an engine that is not there", refused: true, settings: head + "DATABASES = {'default': {'ENGINE': 'no.such', 'NAME': 'x'}}", want: []string{"no.such"}},
		{name: "no database", refused: true, settings: head, want: []string{"DATABASES['default'] has no ENGINE"}},
	})
}

// TestRouters translates projects whose sessions and accounts are in different databases.
func TestRouters(t *testing.T) {
	sessions := strings.Replace(router, `"auth"`, `"sessions"`, 1)
	readers := "\nclass Replicas:\n    def db_for_read(self, model, **hints): return 'people'\nDATABASE_ROUTERS = [Replicas()]\n"
	two := strings.Replace(people, "'me'}", "'me', 'PASSWORD': 'b'}", 1)
	two = strings.Replace(two, `"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"`, `"ENGINE": "django.db.backends.postgresql", "NAME": "app", "HOST": "db", "USER": "me", "PASSWORD": "a"`, 1)
	all(t, []row{
		{name: "accounts elsewhere", settings: head + router + people, want: []string{"serve serve --store sqlite://$DIR/db.sqlite3 --accounts postgres://me@people.test/people\n"}},
		{name: "sessions elsewhere", settings: head + sessions + people, want: []string{"serve serve --store postgres://me@people.test/people --accounts sqlite://$DIR/db.sqlite3\n"}},
		{name: "two passwords", settings: head + router + two, want: []string{"serve serve --store postgres://me@db/app --accounts postgres://me@people.test/people\n", "note the passwords of the databases differ"}},
		{name: "two passwords, printed", settings: head + router + two, o: Options{Secrets: true}, want: []string{"serve serve --store postgres://me:a@db/app --accounts postgres://me:b@people.test/people\n"}, not: []string{"PGPASSWORD"}},
		{name: "nothing decided", settings: head + strings.Replace(router, `"people" if model._meta.app_label == "auth" else None`, "None", 1) + people, want: []string{"serve serve --store sqlite://$DIR/db.sqlite3\n"}, not: []string{"ROUTERS"}},
		{name: "reads of replicas", settings: head + readers + people, want: []string{"serve serve --store sqlite://$DIR/db.sqlite3\n",
			`note DATABASE_ROUTERS reads sessions in DATABASES["people"] and writes them in DATABASES["default"]: Cloakroom uses the one that is written to`, "reads accounts in"}},
		{name: "an error", refused: true, settings: head + strings.Replace(router, "return ", "raise LookupError('no request') or ", 1) + people, want: []string{"DATABASE_ROUTERS, asked for ", "LookupError: no request (conf.py, line", "without a request"}},
		{name: "a database that is not there", refused: true, settings: head + router + sqlite, want: []string{"DATABASE_ROUTERS: 'people' is not in DATABASES"}},
		{name: "not needed", settings: strings.Replace(signed, "", "", 1) + strings.Replace(router, "return ", "raise LookupError() or ", 1), want: []string{"signed_cookies"}},
	})
}
