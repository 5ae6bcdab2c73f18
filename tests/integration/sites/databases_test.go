package sites

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"cloakroom/internal/testenv"
)

// postgres is the server of all sites, which is started by the first that needs it.
var postgres = sync.OnceValues(func() (*testenv.Postgres, error) {
	return testenv.StartPostgres(background, testenv.PostgresConfig{})
})

// database makes a database, runs statements in it, and returns the variable with its parameters.
func database(t *testing.T, name string, statements ...string) string {
	t.Helper()
	server, err := postgres()
	if err != nil {
		t.Fatal(err)
	}
	run := func(in, statement string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), server.URL(in))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	run("postgres", "CREATE DATABASE "+name)
	for _, statement := range statements {
		run(name, statement)
	}
	text, err := json.Marshal(map[string]any{"NAME": name, "HOST": "127.0.0.1", "PORT": server.Port, "USER": "postgres", "PASSWORD": server.Password()})
	if err != nil {
		t.Fatal(err)
	}
	return "SITE_POSTGRES=" + string(text)
}

// TestRouters has sessions in SQLite, accounts in PostgreSQL.
func TestRouters(t *testing.T) {
	t.Parallel()
	s := start(t, config{settings: "routers", env: []string{database(t, "routers")}, accounts: []string{ann}})
	if serve := s.printed.Commands[1]; !strings.Contains(serve, "--store sqlite:") || !strings.Contains(serve, "--accounts postgres:") {
		t.Errorf("got %s, want the sessions in SQLite, the accounts in PostgreSQL", serve)
	}
	s.strangers(t, "/", "/login/")
	s.ends(t, ending{"revoke", func(*visitor) { s.sessions(t, "revoke --user 1") }}, s.logout(), s.newPassword(t), s.inactive(t))
}

// TestSchema has two tenants in one database, each in a schema of its own; the site is one of them.
func TestSchema(t *testing.T) {
	t.Parallel()
	at := database(t, "schema", "CREATE SCHEMA tenant1")
	s := start(t, config{settings: "schema", env: []string{at}, accounts: []string{ann}})
	neighbour := start(t, config{settings: "schema", env: []string{at, "SITE_SCHEMA=public"}, accounts: []string{ann}})
	s.strangers(t, "/", "/login/")
	v := neighbour.visitor(t)
	s.refuses(t, "/", "/login/", v.login("/login/", ann, password))
	s.ends(t, ending{"revoke", func(*visitor) { s.sessions(t, "revoke --user "+s.ids[0]) }}, s.logout(), s.inactive(t))
	if got, want := v.user(), neighbour.ids[0]; got != want || got == s.ids[0] {
		t.Errorf("the neighbour: got %s, want %s as before", got, want)
	}
	if out := s.sessions(t, "list --show-keys"); strings.Contains(out, v.key()) {
		t.Error("the neighbour's session is listed")
	}
}

// TestTenants has django-tenants, with accounts and sessions in the schema that all tenants share.
func TestTenants(t *testing.T) {
	t.Parallel()
	python, err := testenv.VenvPython("venv-sites")
	if err != nil {
		t.Fatal(err)
	}
	separate := testenv.Project{Dir: folder(t), Python: python, Env: []string{"SITE_DIR=/", "SITE_POSTGRES={}"}}
	if _, err := separate.FromDjango(t.Context(), "tenants_separate"); err == nil || !strings.Contains(err.Error(), "the table is in the schema of each tenant (TENANT_APPS)") {
		t.Errorf("sessions of each tenant: got %v, want them refused", err)
	}
	s := start(t, config{settings: "tenants_site", python: python, env: []string{database(t, "tenants")}, accounts: []string{ann}})
	s.strangers(t, "/", "/login/")
	s.ends(t, ending{"revoke", func(*visitor) { s.sessions(t, "revoke --user "+s.ids[0]) }}, s.logout(), s.newPassword(t), s.inactive(t))
}
