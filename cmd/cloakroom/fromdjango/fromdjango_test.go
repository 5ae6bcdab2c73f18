package fromdjango

import (
	"strings"
	"testing"
)

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

// people adds a second database.
var people = strings.Replace(sqlite, "}}", "}, 'people': {'ENGINE': 'django.db.backends.postgresql', 'HOST': 'people.test', 'NAME': 'people', 'USER': 'me'}}", 1)

// router is a router of the project: users are in the database people.
const router = `
class Router:
    def db_for_read(self, model, **hints):
        return "people" if model._meta.app_label == "auth" else None
    db_for_write = db_for_read
DATABASE_ROUTERS = [Router()]
`

// own is a module with the project's own authentication backends.
var own = map[string]string{"own.py": "from django.contrib.auth.backends import ModelBackend\nclass One(ModelBackend): pass\nclass Two(ModelBackend): pass\n"}

func TestTranslate(t *testing.T) {
	all(t, []row{
		{name: "db on SQLite, all defaults", settings: head + sqlite,
			want: []string{"serve serve --store sqlite://$DIR/db.sqlite3\n", "map[age:336h0m0s at_browser_close:false save_every_request:false]",
				"host_env_keys CLOAKROOM_TOKEN\nenv CLOAKROOM_SECRET_KEY=\nenv CLOAKROOM_TOKEN=\npage"}},
		{name: "db on PostgreSQL", settings: head + postgres + engine + "db'",
			want: []string{"serve serve --store postgres://me@db.test:5433/app\n", "cluster:sessions", "env CLOAKROOM_SECRET_KEY=\nenv CLOAKROOM_TOKEN=\nenv PGPASSWORD=\npage"}},
		{name: "with secrets", settings: head + postgres + "SECRET_KEY_FALLBACKS = ['a', 'b,c']", o: Options{Secrets: true},
			want: []string{"serve serve --store postgres://me:p%2Fw@db.test:5433/app\n", "env CLOAKROOM_SECRET_KEY=a secret' key\nenv CLOAKROOM_SECRET_KEY_FALLBACKS=a b,c\nenv CLOAKROOM_TOKEN=\npage"}},
		{name: "cache", settings: head + sqlite + redis + engine + "cache'", o: Options{Secrets: true},
			want: []string{"serve serve --store redis://:p%2Fw@cache.test:6380/2?key_prefix=pre+fix&version=7 --accounts sqlite://$DIR/db.sqlite3\n"}},
		{name: "cached_db", settings: head + postgres + redis + engine + "cached_db'",
			want: []string{"serve serve --store cached+postgres://me@db.test:5433/app redis://cache.test:6380/2?key_prefix=pre+fix&version=7\n", "PGPASSWORD", "the password of the cache is left out"}},
		{name: "file", settings: head + sqlite + engine + "file'\nSESSION_FILE_PATH = '/srv/a b'\nSESSION_COOKIE_NAME = 'sid'\nSESSION_COOKIE_AGE = 3600",
			want: []string{"serve serve --store file:///srv/a%20b?age=1h0m0s&prefix=sid --accounts sqlite://$DIR/db.sqlite3\n", "age:1h0m0s", "the folder /srv/a b is not here"}},
		{name: "file, a relative folder", settings: head + sqlite + engine + "file'\nSESSION_FILE_PATH = 'sessions'", files: map[string]string{"sessions/x": ""},
			want: []string{"--store file://$DIR/sessions?age=336h0m0s&prefix=sessionid "}, not: []string{"is not here"}},
		{name: "backends", settings: head + sqlite + "AUTHENTICATION_BACKENDS = ['own.One', 'own.Two']", files: own,
			want: []string{"serve serve --store sqlite://$DIR/db.sqlite3 --auth-backends own.One,own.Two\n"}},
		{name: "backends, signed cookies", settings: signed + "AUTHENTICATION_BACKENDS = ['own.One', 'own.Two']", files: own,
			want: []string{"serve \n", "identity:map[auth_backends:[own.One own.Two]]", "host_env_keys CLOAKROOM_SECRET_KEY\nenv CLOAKROOM_SECRET_KEY=\npage"}},
		{name: "signed_cookies", settings: signed + "SECRET_KEY_FALLBACKS = ['a']",
			want: []string{"engine:map[signed_cookies:map[secret_key:${CLOAKROOM_SECRET_KEY} secret_key_fallbacks:[${CLOAKROOM_SECRET_KEY_FALLBACKS}]]]",
				"host_env_keys CLOAKROOM_SECRET_KEY,CLOAKROOM_SECRET_KEY_FALLBACKS\nenv CLOAKROOM_SECRET_KEY=\nenv CLOAKROOM_SECRET_KEY_FALLBACKS=\npage"}},
		{name: "the cookie", settings: signed + "SESSION_COOKIE_SAMESITE = False\nSESSION_COOKIE_SECURE = True\nSESSION_COOKIE_DOMAIN = 'x.test'\nSESSION_COOKIE_HTTPONLY = False\nSESSION_COOKIE_PATH = '/a'",
			want: []string{"cookie:map[domain:x.test http_only:false name:sessionid path:/a same_site: secure:true]"}},
		{name: "the cookie, as Django also accepts it", settings: signed + "SESSION_COOKIE_SAMESITE = 'strict'\nfrom django.utils.functional import lazystr\nSESSION_COOKIE_NAME = lazystr('sid')",
			want: []string{"name:sid path:/ same_site:Strict"}},
		{name: "sliding", settings: signed + "SESSION_SAVE_EVERY_REQUEST = True\nSESSION_EXPIRE_AT_BROWSER_CLOSE = True",
			want: []string{"expiry:map[age:336h0m0s at_browser_close:true save_every_request:true]"}},
	})
}

func TestTranslateRefuses(t *testing.T) {
	all(t, []row{
		{name: "an engine of the project's own", refused: true, settings: head + "SESSION_ENGINE = 'django.contrib.sessions.backends.db2'", want: []string{"SESSION_ENGINE", "db2"}},
		{name: "another's engine", refused: true, settings: head + "SESSION_ENGINE = 'redis_sessions.session'", want: []string{"SESSION_ENGINE", "redis_sessions.session"}},
		{name: "pickles in the database", refused: true, settings: head + sqlite + "SESSION_SERIALIZER = 'django.contrib.sessions.serializers.PickleSerializer'", want: []string{"SESSION_SERIALIZER", "JSONSerializer"}},
		{name: "no table of sessions", refused: true, settings: strings.Replace(head, `, "django.contrib.sessions"`, "", 1) + sqlite, want: []string{"INSTALLED_APPS lacks django.contrib.sessions"}},
		{name: "a cookie that browsers drop", refused: true, settings: signed + "SESSION_COOKIE_SAMESITE = 'None'\nSESSION_COOKIE_SECURE = False", want: []string{"the filter refuses", "same_site: None needs secure"}},
		{name: "a cookie's name", refused: true, settings: signed + "SESSION_COOKIE_NAME = 'my session'", want: []string{"the filter refuses", `"my session"`}},
	})
}

// TestAge translates every kind of SESSION_COOKIE_AGE.
func TestAge(t *testing.T) {
	const age = signed + "import datetime\nSESSION_COOKIE_AGE = "
	all(t, []row{
		{name: "a float that is whole", settings: age + "3600.0", want: []string{"age:1h0m0s"}},
		{name: "beyond Go's durations", settings: age + "10**12", want: []string{"age:876000h0m0s", "note SESSION_COOKIE_AGE is 1000000000000 seconds; 876000h0m0s, a hundred years, is the most"}},
		{name: "beyond JSON's numbers", settings: age + "10**30", want: []string{"age:876000h0m0s"}},
		{name: "beyond Go's durations, in files", settings: head + sqlite + engine + "file'\nSESSION_COOKIE_AGE = 10**12", want: []string{"?age=876000h0m0s&"}},
		{name: "negative", refused: true, settings: age + "-1", want: []string{"SESSION_COOKIE_AGE is -1: every session would have ended"}},
		{name: "very negative", refused: true, settings: age + "-10**30", want: []string{"SESSION_COOKIE_AGE is -1000"}},
		{name: "zero", refused: true, settings: age + "0", want: []string{"SESSION_COOKIE_AGE is 0"}},
		{name: "a fraction", refused: true, settings: age + "0.5", want: []string{"SESSION_COOKIE_AGE is 0.5: set it to a whole number of seconds"}},
		{name: "a timedelta", refused: true, settings: age + "datetime.timedelta(days=1)", want: []string{"SESSION_COOKIE_AGE is datetime.timedelta(days=1): set it"}},
		{name: "infinity", refused: true, settings: age + "float('inf')", want: []string{"SESSION_COOKIE_AGE is inf"}},
		{name: "no number", refused: true, settings: age + "float('nan')", want: []string{"SESSION_COOKIE_AGE is nan"}},
		{name: "text", refused: true, settings: age + "'3600'", want: []string{"SESSION_COOKIE_AGE is '3600'"}},
		{name: "nothing", refused: true, settings: age + "None", want: []string{"SESSION_COOKIE_AGE is None"}},
	})
}
