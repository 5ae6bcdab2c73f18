package fromdjango

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloakroom/service"
)

// Result is a project's configuration in Cloakroom's words.
type Result struct {
	// Filter is the filter's configuration.
	Filter map[string]any `json:"filter"`
	// Serve are the arguments of cloakroom; none for signed cookies.
	Serve []string `json:"serve,omitempty"`
	// Environment is what filter and service need in theirs; values stand
	// there only where they were asked for.
	Environment map[string]string `json:"environment"`
	// Notes are what an operator has to know.
	Notes []string `json:"notes,omitempty"`
}

// Options says what to read and how.
type Options struct {
	Python, Project, Module string
	// Secrets has secrets and passwords written into the result.
	Secrets bool
}

const backends = "django.contrib.sessions.backends."

// Translate reads a project's settings and gives them in Cloakroom's words.
// Errors wrap ErrSettings.
func Translate(ctx context.Context, o Options) (*Result, error) {
	s, err := read(ctx, o.Python, o.Project, o.Module)
	if err != nil {
		return nil, err
	}
	t := &translation{settings: s, secrets: o.Secrets, Result: Result{Environment: map[string]string{}}}
	if err := t.run(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSettings, o.Module, err)
	}
	return &t.Result, nil
}

type translation struct {
	settings
	secrets bool
	Result
}

func (t *translation) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

func (t *translation) run() error {
	engine, ok := strings.CutPrefix(t.Engine, backends)
	if !ok {
		return fmt.Errorf("SESSION_ENGINE %q is not one of Django's own", t.Engine)
	}
	if engine != "cache" && t.Serializer != "django.contrib.sessions.serializers.JSONSerializer" {
		return fmt.Errorf("SESSION_SERIALIZER %q: only Django's JSONSerializer can be read by others", t.Serializer)
	}
	t.secret("CLOAKROOM_SECRET_KEY", t.SecretKey)
	if len(t.Fallbacks) > 0 {
		t.secret("CLOAKROOM_SECRET_KEY_FALLBACKS", strings.Join(t.Fallbacks, " "))
	}
	t.Filter = map[string]any{
		"mode":   "required",
		"cookie": t.Cookie,
		"expiry": map[string]any{
			"age":                (time.Duration(t.Age) * time.Second).String(),
			"at_browser_close":   t.AtBrowserClose,
			"save_every_request": t.SaveEveryRequest,
		},
		"login":  map[string]any{"url": t.LoginURL},
		"logout": map[string]any{"redirect": t.LogoutRedirect},
	}
	t.note("the login page %s needs a route with mode: optional", t.LoginURL)
	if engine == "signed_cookies" {
		keys := map[string]any{"secret_key": "${CLOAKROOM_SECRET_KEY}"}
		if len(t.Fallbacks) > 0 {
			keys["secret_key_fallbacks"] = []any{"${CLOAKROOM_SECRET_KEY_FALLBACKS}"}
		}
		t.Filter["engine"] = map[string]any{"signed_cookies": keys}
		t.Filter["identity"] = map[string]any{"auth_backends": t.AuthBackends}
		return nil
	}
	t.Environment["CLOAKROOM_TOKEN"] = ""
	t.note("CLOAKROOM_TOKEN is any secret that filter and service share")
	t.Filter["engine"] = map[string]any{"service": map[string]any{"cluster": "sessions", "token": "${CLOAKROOM_TOKEN}"}}
	store, err := t.store(engine)
	if err != nil {
		return err
	}
	t.Serve = append([]string{"serve", "--store", store}, t.accounts(engine)...)
	return nil
}

// secret names what has to be in the environment.
func (t *translation) secret(name, value string) {
	if !t.secrets {
		value = ""
	}
	t.Environment[name] = value
}

func (t *translation) store(engine string) (string, error) {
	switch engine {
	case "db":
		return t.databaseURL(t.Database)
	case "cache":
		return t.cacheURL()
	case "cached_db":
		database, err := t.databaseURL(t.Database)
		if err != nil {
			return "", err
		}
		cache, err := t.cacheURL()
		return "cached+" + database + " " + cache, err
	case "file":
		query := url.Values{"prefix": {fmt.Sprint(t.Cookie["name"])}, "age": {(time.Duration(t.Age) * time.Second).String()}}
		return (&url.URL{Scheme: "file", Path: t.FilePath, RawQuery: query.Encode()}).String(), nil
	}
	return "", fmt.Errorf("SESSION_ENGINE %q is not known", engine)
}

func (t *translation) databaseURL(d database) (string, error) {
	switch {
	case strings.HasSuffix(d.Engine, ".sqlite3"):
		if !t.UseTZ {
			return "", fmt.Errorf("USE_TZ is False: with SQLite the times in django_session then have no zone that others know")
		}
		return (&url.URL{Scheme: "sqlite", Path: d.Name}).String(), nil
	case strings.HasSuffix(d.Engine, ".postgresql"):
		return t.postgresURL(d), nil
	}
	return "", fmt.Errorf("DATABASES: engine %q: SQLite and PostgreSQL can be read", d.Engine)
}

func (t *translation) postgresURL(d database) string {
	u := url.URL{Scheme: "postgres", Host: d.Host, Path: "/" + d.Name}
	switch {
	case strings.HasPrefix(d.Host, "/"):
		u.Host, u.RawQuery = "", url.Values{"host": {d.Host}}.Encode()
	case d.Host == "":
		u.RawQuery = url.Values{"host": {"/var/run/postgresql"}}.Encode()
	}
	if d.Port != "" && u.Host != "" {
		u.Host += ":" + d.Port
	}
	u.User = t.userinfo(d.User, d.Password, "PGPASSWORD")
	return u.String()
}

// userinfo leaves the password out unless it was asked for; env is where it
// can stand instead.
func (t *translation) userinfo(user, password, env string) *url.Userinfo {
	switch {
	case password != "" && t.secrets:
		return url.UserPassword(user, password)
	case password != "" && env != "":
		t.Environment[env] = ""
	case password != "":
		t.note("the password of the cache is left out of --store; write it there, as redis://:PASSWORD@…, or ask for it with --with-secrets")
	}
	if user == "" {
		return nil
	}
	return url.User(user)
}

func (t *translation) cacheURL() (string, error) {
	c := t.Cache
	switch {
	case c.Backend != "django.core.cache.backends.redis.RedisCache":
		return "", fmt.Errorf("CACHES: backend %q of SESSION_CACHE_ALIAS: Django's own RedisCache can be read", c.Backend)
	case c.KeyFunction:
		return "", fmt.Errorf("CACHES: a KEY_FUNCTION of the project's own cannot be followed")
	case len(c.Locations) > 1:
		t.note("CACHES: of %d locations the first, which Django writes to, is taken", len(c.Locations))
	}
	u, err := url.Parse(c.Locations[0])
	if err != nil {
		return "", fmt.Errorf("CACHES: LOCATION is not a URL")
	}
	user, password := u.User.Username(), ""
	if p, ok := u.User.Password(); ok {
		password = p
	}
	if c.Username != "" {
		user = c.Username
	}
	if c.Password != "" {
		password = c.Password
	}
	u.User = t.userinfo(user, password, "")
	query := u.Query()
	if c.KeyPrefix != "" {
		query.Set("key_prefix", c.KeyPrefix)
	}
	if c.Version != 1 {
		query.Set("version", strconv.Itoa(c.Version))
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// accounts says where the users' passwords are.
func (t *translation) accounts(engine string) (args []string) {
	if t.Users == nil || t.Users.Columns[0] != "id" || t.Users.Columns[1] != "password" || t.Users.Columns[2] != "is_active" {
		t.note("accounts are not checked: the user model has no columns id, password and is_active")
		return []string{"--accounts", "off"}
	}
	if t.Users.Table != "auth_user" {
		args = append(args, "--users", t.Users.Table)
	}
	if !slices.Equal(t.AuthBackends, []string{service.DefaultAuthBackend}) {
		args = append(args, "--auth-backends", strings.Join(t.AuthBackends, ","))
	}
	if (engine == "db" || engine == "cached_db") && t.Database == t.Users.Database {
		return args
	}
	where, err := t.databaseURL(t.Users.Database)
	if err != nil {
		t.note("accounts are not checked: %v", err)
		return []string{"--accounts", "off"}
	}
	return append(args, "--accounts", where)
}
