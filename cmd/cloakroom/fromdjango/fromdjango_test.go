package fromdjango

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cloakroom/filter"
	"cloakroom/session/django"
	"cloakroom/store"
	"cloakroom/tests/stack"
)

const head = `
SECRET_KEY = "a secret' key"
USE_TZ = True
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
print("noise of the project")
`

const postgres = `
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "db.test", "PORT": 5433, "NAME": "app", "USER": "me", "PASSWORD": "p/w"}}
`

const redis = `
CACHES = {"default": {}, "sessions": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": ["redis://:p%2Fw@cache.test:6380/2", "redis://replica"], "KEY_PREFIX": "pre fix", "VERSION": 7}}
SESSION_CACHE_ALIAS = "sessions"
`

const sqlite = `
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
`

// router is a project's own: users are in the database people.
const router = `
class Router:
    def db_for_read(self, model, **hints):
        return "people" if model._meta.app_label == "auth" else None
DATABASE_ROUTERS = [Router()]
`

const engine = "\nSESSION_ENGINE = 'django.contrib.sessions.backends."

// project writes a project with the settings and gives its folder.
func project(t *testing.T, settings string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"conf.py": settings,
		"urls.py": "from django.urls import path\nurlpatterns = [path('enter/', lambda r: None, name='enter')]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func python(t *testing.T) string {
	t.Helper()
	path, err := stack.Python()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTranslate(t *testing.T) {
	for _, c := range []struct {
		name, settings string
		secrets        bool
		serve          []string // DIR is the project's folder
		filter         string   // parts of it, as fmt prints them
		env            []string
	}{
		{"db on SQLite, all defaults", head + sqlite, false, []string{"serve", "--store", "sqlite://DIR/db.sqlite3"},
			"map[age:336h0m0s at_browser_close:false save_every_request:false]", []string{"CLOAKROOM_SECRET_KEY=", "CLOAKROOM_TOKEN="}},
		{"db on PostgreSQL", head + postgres + engine + "db'", false, []string{"serve", "--store", "postgres://me@db.test:5433/app"},
			"cluster:sessions", []string{"CLOAKROOM_SECRET_KEY=", "CLOAKROOM_TOKEN=", "PGPASSWORD="}},
		{"with secrets", head + postgres + "SECRET_KEY_FALLBACKS = ['a', 'b']", true, []string{"serve", "--store", "postgres://me:p%2Fw@db.test:5433/app"},
			"cluster:sessions", []string{"CLOAKROOM_SECRET_KEY=a secret' key", "CLOAKROOM_SECRET_KEY_FALLBACKS=a b", "CLOAKROOM_TOKEN="}},
		{"PostgreSQL by a socket", head + strings.Replace(postgres, "db.test", "", 1), true, []string{"serve", "--store", "postgres://me:p%2Fw@/app?host=%2Fvar%2Frun%2Fpostgresql"},
			"cluster:sessions", []string{"CLOAKROOM_SECRET_KEY=a secret' key", "CLOAKROOM_TOKEN="}},
		{"cache", head + sqlite + redis + engine + "cache'", true,
			[]string{"serve", "--store", "redis://:p%2Fw@cache.test:6380/2?key_prefix=pre+fix&version=7", "--accounts", "sqlite://DIR/db.sqlite3"},
			"cluster:sessions", []string{"CLOAKROOM_SECRET_KEY=a secret' key", "CLOAKROOM_TOKEN="}},
		{"cached_db", head + postgres + redis + engine + "cached_db'", false,
			[]string{"serve", "--store", "cached+postgres://me@db.test:5433/app redis://cache.test:6380/2?key_prefix=pre+fix&version=7"},
			"cluster:sessions", []string{"CLOAKROOM_SECRET_KEY=", "CLOAKROOM_TOKEN=", "PGPASSWORD="}},
		{"file", head + sqlite + engine + "file'\nSESSION_FILE_PATH = '/srv/a b'\nSESSION_COOKIE_NAME = 'sid'\nSESSION_COOKIE_AGE = 3600", false,
			[]string{"serve", "--store", "file:///srv/a%20b?age=1h0m0s&prefix=sid", "--accounts", "sqlite://DIR/db.sqlite3"},
			"age:1h0m0s", []string{"CLOAKROOM_SECRET_KEY=", "CLOAKROOM_TOKEN="}},
		{"accounts elsewhere, by a router", head + router + strings.Replace(sqlite, "}}", "}, 'people': {'ENGINE': 'django.db.backends.postgresql', 'HOST': 'people.test', 'NAME': 'people'}}", 1) +
			"AUTHENTICATION_BACKENDS = ['urls.One', 'urls.Two']", false,
			[]string{"serve", "--store", "sqlite://DIR/db.sqlite3", "--auth-backends", "urls.One,urls.Two", "--accounts", "postgres://people.test/people"},
			"cluster:sessions", []string{"CLOAKROOM_SECRET_KEY=", "CLOAKROOM_TOKEN="}},
		{"sessions elsewhere, by a router", head + strings.ReplaceAll(router, "auth", "sessions") + strings.Replace(sqlite, "}}", "}, 'people': {'ENGINE': 'django.db.backends.postgresql', 'HOST': 'people.test', 'NAME': 'people'}}", 1), false,
			[]string{"serve", "--store", "postgres://people.test/people", "--accounts", "sqlite://DIR/db.sqlite3"},
			"cluster:sessions", []string{"CLOAKROOM_SECRET_KEY=", "CLOAKROOM_TOKEN="}},
		{"backends, signed cookies", head + engine + "signed_cookies'\nAUTHENTICATION_BACKENDS = ['urls.One', 'urls.Two']", false, nil,
			"identity:map[auth_backends:[urls.One urls.Two]]", []string{"CLOAKROOM_SECRET_KEY="}},
		{"signed_cookies", head + engine + "signed_cookies'\nSECRET_KEY_FALLBACKS = ['a']", false, nil,
			"engine:map[signed_cookies:map[secret_key:${CLOAKROOM_SECRET_KEY} secret_key_fallbacks:[${CLOAKROOM_SECRET_KEY_FALLBACKS}]]]", []string{"CLOAKROOM_SECRET_KEY=", "CLOAKROOM_SECRET_KEY_FALLBACKS="}},
		{"the cookie", head + engine + "signed_cookies'\nSESSION_COOKIE_SAMESITE = False\nSESSION_COOKIE_SECURE = True\nSESSION_COOKIE_DOMAIN = 'x.test'\nSESSION_COOKIE_HTTPONLY = False\nSESSION_COOKIE_PATH = '/a'", false, nil,
			"cookie:map[domain:x.test http_only:false name:sessionid path:/a same_site: secure:true]", []string{"CLOAKROOM_SECRET_KEY="}},
		{"login by name, sliding", head + engine + "signed_cookies'\nLOGIN_URL = 'enter'\nLOGOUT_REDIRECT_URL = 'enter'\nSESSION_SAVE_EVERY_REQUEST = True\nSESSION_EXPIRE_AT_BROWSER_CLOSE = True", false, nil,
			"expiry:map[age:336h0m0s at_browser_close:true save_every_request:true] identity:map[auth_backends:[django.contrib.auth.backends.ModelBackend]] login:map[url:/enter/] logout:map[redirect:/enter/]", []string{"CLOAKROOM_SECRET_KEY="}},
		{"no users of Django's", strings.Replace(head, `"django.contrib.auth", `, "", 1) + sqlite, false, []string{"serve", "--store", "sqlite://DIR/db.sqlite3", "--accounts", "off"},
			"cluster:sessions", []string{"CLOAKROOM_SECRET_KEY=", "CLOAKROOM_TOKEN="}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := project(t, c.settings)
			got, err := Translate(t.Context(), Options{Python: python(t), Project: dir, Module: "conf", Secrets: c.secrets})
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.serve {
				c.serve[i] = strings.ReplaceAll(c.serve[i], "DIR", dir)
			}
			if !slices.Equal(got.Serve, c.serve) {
				t.Errorf("serve: got %q, want %q", got.Serve, c.serve)
			}
			if text := fmt.Sprint(got.Filter); !strings.Contains(text, c.filter) {
				t.Errorf("filter: got %s, want %q in it", text, c.filter)
			}
			var env []string
			for name, value := range got.Environment {
				env = append(env, name+"="+value)
			}
			if slices.Sort(env); !reflect.DeepEqual(env, c.env) {
				t.Errorf("environment: got %q, want %q", env, c.env)
			}
			check(t, got)
		})
	}
}

// check holds that what is printed can be used.
func check(t *testing.T, r *Result) {
	t.Helper()
	text, err := asJSON(r.Filter)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filter.ParseConfig(text, func(string) (string, bool) { return "x", true }); err != nil {
		t.Errorf("the filter refuses it: %v", err)
	}
	if len(r.Serve) < 3 || !strings.HasPrefix(r.Serve[2], "file:///tmp") {
		return
	}
	codec, err := django.NewCodec("x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), r.Serve[2], store.Options{Codec: codec}); errors.Is(err, store.ErrURL) {
		t.Errorf("the service refuses it: %v", err)
	}
}

func TestTranslateRefuses(t *testing.T) {
	for _, c := range []struct{ name, settings, want string }{
		{"an engine of the project's own", head + "SESSION_ENGINE = 'django.contrib.sessions.backends.db2'", "db2"},
		{"another's engine", head + "SESSION_ENGINE = 'redis_sessions.session'", "redis_sessions.session"},
		{"pickles in the database", head + sqlite + "SESSION_SERIALIZER = 'django.contrib.sessions.serializers.PickleSerializer'", "JSONSerializer"},
		{"MySQL", head + "DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql', 'NAME': 'x'}}", "mysql"},
		{"local times in SQLite", strings.Replace(head, "USE_TZ = True", "USE_TZ = False", 1) + sqlite, "USE_TZ"},
		{"a cache in memory", head + sqlite + engine + "cache'", "RedisCache"},
		{"a key function", head + sqlite + strings.Replace(redis, `"VERSION": 7`, `"KEY_FUNCTION": "a.b"`, 1) + engine + "cache'", "KEY_FUNCTION"},
		{"an import that fails", "import nowhere_at_all", "--project"},
		{"an error", "1/0", "ZeroDivisionError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Translate(t.Context(), Options{Python: python(t), Project: project(t, c.settings), Module: "conf"})
			if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ErrSettings with %q", err, c.want)
			}
		})
	}
	if _, err := Translate(t.Context(), Options{Python: "no-such-python", Project: t.TempDir(), Module: "conf"}); !errors.Is(err, ErrSettings) {
		t.Errorf("no interpreter: %v", err)
	}
}

func asJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}
