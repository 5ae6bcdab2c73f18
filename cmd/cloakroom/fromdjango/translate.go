package fromdjango

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"cloakroom/filter/config"
)

// Result is a project's configuration, translated.
type Result struct {
	// Module is the settings module that was read.
	Module string `json:"module"`
	// Filter is the filter's configuration.
	Filter map[string]any `json:"filter"`
	// Serve are the arguments of cloakroom; empty for signed cookies.
	Serve []string `json:"serve,omitempty"`
	// Environment is the environment of filter and service. It contains the values of secrets only
	// if they are requested.
	Environment map[string]string `json:"environment"`
	// HostEnv are the names in Environment that the filter reads. Envoy passes them to its VM if
	// host_env_keys names them.
	HostEnv []string `json:"host_env_keys"`
	// Pages are the paths for visitors without a session.
	Pages []Page `json:"pages"`
	// Notes are what an operator must know.
	Notes []string `json:"notes,omitempty"`
}

// Options selects what to read and how.
type Options struct {
	// Python is the project's interpreter, or the folder of its virtual environment.
	Python string
	// Project is the folder with manage.py in it.
	Project string
	// Module is the settings module; "" means that of manage.py.
	Module string
	// Public are paths for visitors without a session, in the form of --public.
	Public []string
	// Private are paths that need a session, in the form of --private: if there are any, other
	// paths do not need one.
	Private []string
	// Secrets reports whether secrets and passwords are written into the result.
	Secrets bool
}

const backends = "django.contrib.sessions.backends."

// Translate reads a project's settings and returns them as Cloakroom's configuration. For settings
// that it does not translate it fails and names them, or adds a note. Errors wrap ErrSettings.
func Translate(ctx context.Context, o Options) (*Result, error) {
	s, err := read(ctx, o)
	if err != nil {
		return nil, err
	}
	t := &translation{settings: s, secrets: o.Secrets, Result: Result{Module: s.SettingsModule, Environment: map[string]string{}}}
	if err = t.run(); err == nil {
		err = t.pages(o.Public, o.Private)
	}
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSettings, s.SettingsModule, err)
	}
	return &t.Result, nil
}

type translation struct {
	settings
	Result
	secrets bool
	// sessions is the database with the table of sessions, in the form of --store.
	sessions string
	// password is the password of the first database that has one.
	password string
}

// note adds a note, unless it exists.
func (t *translation) note(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); !slices.Contains(t.Notes, note) {
		t.Notes = append(t.Notes, note)
	}
}

func (t *translation) run() error {
	engine, ok := strings.CutPrefix(t.Engine, backends)
	if !ok {
		return fmt.Errorf("SESSION_ENGINE %q is not one of Django's own", t.Engine)
	}
	if engine != "cache" && t.Serializer != "django.contrib.sessions.serializers.JSONSerializer" {
		return fmt.Errorf("SESSION_SERIALIZER %q: only Django's JSONSerializer can be read by others", t.Serializer)
	}
	if err := t.keys(); err != nil {
		return err
	}
	if err := t.filter(); err != nil {
		return err
	}
	if engine == "signed_cookies" {
		t.signedCookies()
		return nil
	}
	t.Environment["CLOAKROOM_TOKEN"] = ""
	t.HostEnv = []string{"CLOAKROOM_TOKEN"}
	t.note("CLOAKROOM_TOKEN is any secret that filter and service share")
	t.Filter["engine"] = map[string]any{"service": map[string]any{"cluster": "sessions", "token": "${CLOAKROOM_TOKEN}"}}
	store, err := t.store(engine)
	if err == nil {
		store, err = t.inZone(store)
	}
	if err != nil {
		return err
	}
	accounts, err := t.accounts(engine)
	if err != nil {
		return err
	}
	t.Serve = append([]string{"serve", "--store", store}, accounts...)
	return nil
}

// filter adds the filter's configuration that all engines share.
func (t *translation) filter() error {
	age, err := t.age()
	if err != nil {
		return err
	}
	login, err := t.location("LOGIN_URL", t.Login, "/accounts/login/")
	if err != nil {
		return err
	}
	logout, err := t.location("LOGOUT_REDIRECT_URL", t.LogoutRedirect, "/")
	if err != nil {
		return err
	}
	t.Filter = map[string]any{
		"mode":   "required",
		"cookie": t.Cookie,
		"expiry": map[string]any{
			"age":                age.String(),
			"at_browser_close":   t.AtBrowserClose,
			"save_every_request": t.SaveEveryRequest,
		},
		"login":  map[string]any{"url": login},
		"logout": map[string]any{"redirect": logout},
	}
	if len(t.TrustedOrigins) > 0 {
		t.Filter["logout"] = map[string]any{"redirect": logout, "trusted_origins": t.TrustedOrigins}
	}
	return nil
}

// maxAge bounds SESSION_COOKIE_AGE: larger ones overflow Go's durations and, added to a date,
// Python's dates. Browsers keep cookies for 400 days.
const maxAge = 100 * 365 * 24 * time.Hour

func (t *translation) age() (time.Duration, error) {
	switch s := t.Age.Seconds; {
	case s == nil:
		return 0, fmt.Errorf("SESSION_COOKIE_AGE is %s: set it to a whole number of seconds", t.Age.Text)
	case *s <= 0:
		return 0, fmt.Errorf("SESSION_COOKIE_AGE is %s: every session would have ended when it begins; set it to a number over 0", t.Age.Text)
	case *s > int64(maxAge/time.Second):
		t.note("SESSION_COOKIE_AGE is %s seconds; %s, a hundred years, is the most", t.Age.Text, maxAge)
		return maxAge, nil
	default:
		return time.Duration(*s) * time.Second, nil
	}
}

func (t *translation) signedCookies() {
	keys := map[string]any{"secret_key": "${CLOAKROOM_SECRET_KEY}"}
	t.HostEnv = []string{"CLOAKROOM_SECRET_KEY"}
	if _, ok := t.Environment["CLOAKROOM_SECRET_KEY_FALLBACKS"]; ok {
		keys["secret_key_fallbacks"] = []any{"${CLOAKROOM_SECRET_KEY_FALLBACKS}"}
		t.HostEnv = append(t.HostEnv, "CLOAKROOM_SECRET_KEY_FALLBACKS")
	}
	t.Filter["engine"] = map[string]any{"signed_cookies": keys}
	t.Filter["identity"] = map[string]any{"auth_backends": t.AuthBackends}
	if !t.UseTZ {
		t.note("USE_TZ is False: services cannot change a session in a signed cookie that set_expiry has end at a date (502, and the proxy's log says why), and Django cannot read one that x-session-expiry has end at a date; use seconds")
	}
}

func (t *translation) store(engine string) (string, error) {
	switch engine {
	case "db":
		return t.sessionDatabase()
	case "cache":
		return t.cacheURL()
	case "cached_db":
		database, err := t.sessionDatabase()
		if err != nil {
			return "", err
		}
		cache, err := t.cacheURL()
		return "cached+" + database + " " + cache, err
	case "file":
		folder := t.absolute(t.FilePath)
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			t.note("SESSION_FILE_PATH: the folder %s is not here; the session service does not make it", folder)
		}
		query := url.Values{"prefix": {fmt.Sprint(t.Cookie["name"])}, "age": {t.Filter["expiry"].(map[string]any)["age"].(string)}}
		return (&url.URL{Scheme: "file", Path: folder, RawQuery: query.Encode()}).String(), nil
	}
	return "", fmt.Errorf("SESSION_ENGINE %q is not known", t.Engine)
}

// inZone returns a store's URL with the zone of the project's dates.
func (t *translation) inZone(store string) (string, error) {
	if t.UseTZ {
		return store, nil
	}
	if _, err := time.LoadLocation(t.TimeZone); err != nil || t.TimeZone == "" || t.TimeZone == "Local" {
		return "", fmt.Errorf("USE_TZ is False, and TIME_ZONE is %q, which is no name of a time zone: the ends of sessions are dates in it", t.TimeZone)
	}
	first, second, isTwo := strings.Cut(store, " ")
	separator := "?"
	if strings.Contains(first, "?") {
		separator = "&"
	}
	first += separator + "time_zone=" + t.TimeZone
	if isTwo {
		first += " " + second
	}
	return first, nil
}

// check rejects what the filter would reject. The names of the filter's fields are mapped to those
// of the settings.
func (t *translation) check() error {
	text, err := asJSON(t.Filter)
	if err != nil {
		return err
	}
	if _, err := config.Parse(text, func(string) (string, bool) { return "x", true }); err != nil {
		return fmt.Errorf("the filter refuses what the settings say: %w", err)
	}
	return nil
}
