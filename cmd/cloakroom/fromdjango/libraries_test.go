package fromdjango

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/store"
)

// run runs a program in a project, as manage.py shell does, and returns what it prints.
func run(t *testing.T, dir, program string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), python(t), "-c", "import contextlib, sys\nwith contextlib.redirect_stdout(sys.stderr):\n    import django\n    django.setup()\n"+program)
	command.Dir = dir
	command.Env = append(os.Environ(), "DJANGO_SETTINGS_MODULE=conf")
	var log strings.Builder
	command.Stderr = &log
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	return strings.TrimSpace(string(out))
}

// TestLibraries checks that each library and the session service can use the same sessions in a
// server.
func TestLibraries(t *testing.T) {
	server, err := testenv.StartRedis(t.Context(), testenv.RedisConfig{Server: testenv.Valkey, Args: []string{"--requirepass", "p/w:"}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	location := fmt.Sprintf("'LOCATION': 'redis://:p%%2Fw%%3A@%s/1', 'KEY_PREFIX': 'a b', 'VERSION': 2", server.Address())
	for name, settings := range map[string]string{
		"Django":                    cached(djangos, location),
		"django-redis":              cached(djangoRedis, location),
		"django-redis, protocol 0":  cached(djangoRedis, location+", 'OPTIONS': {'PICKLE_VERSION': 0}"),
		"django-redis, protocol 2":  cached(djangoRedis, location+", 'OPTIONS': {'PICKLE_VERSION': 2}"),
		"django-redis, the highest": cached(djangoRedis, location+", 'OPTIONS': {'PICKLE_VERSION': -1}"),
		"django-redis, its options": cached(djangoRedis, fmt.Sprintf("'LOCATION': 'redis://%s/0', 'OPTIONS': {'PASSWORD': 'p/w:', 'SOCKET_TIMEOUT': 3, 'CONNECTION_POOL_KWARGS': {'db': 3}}", server.Address())),
		"django-valkey":             cached(djangoValkey, location),
		"django-valkey, protocol 1": cached(djangoValkey, location+", 'OPTIONS': {'PICKLE_VERSION': 1}"),
		"Django, its options":       cached(djangos, fmt.Sprintf("'LOCATION': 'redis://%s', 'OPTIONS': {'db': 5, 'password': 'p/w:'}", server.Address())),
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, settings, nil)
			result, err := Translate(t.Context(), Options{Python: python(t), Project: dir, Module: "conf", Secrets: true})
			if err != nil {
				t.Fatal(err)
			}
			sessions, err := store.Open(t.Context(), result.Serve[2], store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer sessions.Close()
			const open = "from django.contrib.sessions.backends.cache import SessionStore\n"
			key := run(t, dir, open+"s = SessionStore()\ns.update({'cart': [1, 'é', None, 2.5, True], 'raw': b'x'})\ns.save()\nprint(s.session_key)")
			v, err := sessions.Load(t.Context(), key)
			if want := `{"cart":[1,"\u00e9",null,2.5,true],"raw":"eA=="}`; err != nil || string(v.Data) != want {
				t.Fatalf("what Django wrote: got %s, %v, want %s", v.Data, err, want)
			}
			if _, err := sessions.Update(t.Context(), key, func(v session.Session) (session.Session, error) {
				v.Data = []byte(`{"cart":[2],"raw":"eA==","x":"y"}`)
				return v, nil
			}); err != nil {
				t.Fatal(err)
			}
			if got, want := run(t, dir, open+"print(dict(SessionStore('"+key+"')))"), "{'cart': [2], 'raw': b'x', 'x': 'y'}"; got != want {
				t.Errorf("what Cloakroom wrote: got %s, want %s", got, want)
			}
		})
	}
}

// TestPostgresConnections connects with the printed URL, and compares with Django's own
// connection.
func TestPostgresConnections(t *testing.T) {
	server, err := testenv.StartPostgres(t.Context(), testenv.PostgresConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	query(t, server.URL("postgres"), `CREATE ROLE web; CREATE ROLE "we b"; CREATE DATABASE "a b?"`)
	with := func(options string) string {
		return head + fmt.Sprintf("\nDATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'a b?', 'HOST': '127.0.0.1', 'PORT': %d, 'USER': 'postgres', 'PASSWORD': %q, 'OPTIONS': {%s}}}\n", server.Port, server.Password(), options)
	}
	service := map[string]string{"service.conf": fmt.Sprintf("[named]\nhost=127.0.0.1\nport=%d\nuser=postgres\npassword=%s\n", server.Port, server.Password())}
	for name, settings := range map[string]string{
		"none":        with(""),
		"a role":      with("'assume_role': 'we b'"),
		"search_path": with(`'options': '-c search_path=tenant,public -c statement_timeout=7s'`),
		"names":       with("'application_name': 'the site', 'connect_timeout': 3, 'target_session_attrs': 'read-write', 'sslmode': 'prefer'"),
		"several":     strings.Replace(with("'application_name': 'x'"), "'127.0.0.1', 'PORT': ", "'127.0.0.1,localhost', 'PORT': ", 1),
		"a service":   head + "\nDATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'a b?', 'OPTIONS': {'service': 'named', 'assume_role': 'web'}}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, settings, service)
			t.Setenv("PGSERVICEFILE", dir+"/service.conf")
			result, err := Translate(t.Context(), Options{Python: python(t), Project: dir, Module: "conf", Secrets: true})
			if err != nil {
				t.Fatal(err)
			}
			const state = "SELECT concat_ws('|', current_database(), current_user, session_user, current_setting('search_path'), current_setting('statement_timeout'), current_setting('application_name'))"
			want := run(t, dir, "from django.db import connection\nwith connection.cursor() as c:\n    c.execute("+fmt.Sprintf("%q", state)+")\n    print(c.fetchone()[0])")
			if got := query(t, result.Serve[2], state); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// query runs statements, and returns the first column of the last one's row as text.
func query(t *testing.T, url, statements string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for statement := range strings.SplitSeq(statements, "; ") {
		rows, err := conn.Query(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
	}
	return text
}
