package fromdjango

import (
	"fmt"
	"strings"
	"testing"
)

// The backends, each with the module of its options.
const (
	djangos      = "django.core.cache.backends.redis.RedisCache"
	djangoRedis  = "django_redis.cache.RedisCache"
	djangoValkey = "django_valkey.cache.ValkeyCache"
)

// cached returns a project with a cache, which has these fields.
func cached(backend, fields string) string {
	return head + sqlite + engine + fmt.Sprintf("cache'\nimport ssl\nCACHES = {'default': {'BACKEND': '%s', %s}}\n", backend, fields)
}

// at returns a project with Django's cache at a location, with options.
func at(location, options string) string {
	return cached(djangos, fmt.Sprintf("'LOCATION': %s, 'OPTIONS': {%s}", location, options))
}

func stores(url string) []string {
	return []string{"serve serve --store " + url + " --accounts sqlite://$DIR/db.sqlite3\n"}
}

// TestRedis translates every kind of location, and of the options of Django's RedisCache.
func TestRedis(t *testing.T) {
	with := Options{Secrets: true}
	all(t, []row{
		{name: "no port, no database", settings: at("'redis://cache'", ""), want: stores("redis://cache")},
		{name: "several, separated by commas", settings: at("'redis://a:1/2, redis://b'", ""), want: append(stores("redis://a:1/2"), "note CACHES['default'] LOCATION has 2 servers: Cloakroom reads and writes the first")},
		{name: "several, separated by semicolons", settings: at("'redis://a:1/2;redis://b;redis://c'", ""), want: append(stores("redis://a:1/2"), "has 3 servers")},
		{name: "a tuple", settings: at("('redis://a', 'redis://b')", ""), want: stores("redis://a")},
		{name: "a socket", settings: at("'unix:///run/redis.sock?db=3'", ""), want: stores("unix:///run/redis.sock?db=3")},
		{name: "a socket with a password", settings: at("'unix://me@/run/redis.sock?password=p'", ""), o: with, want: stores("unix://me:p@/run/redis.sock")},
		{name: "IPv6", settings: at("'redis://[::1]:6380/2'", ""), want: stores("redis://[::1]:6380/2")},
		{name: "a user and a password", settings: at("'redis://u%40:p%2F%3A@cache/1'", ""), o: with, want: stores("redis://u%40:p%2F%3A@cache/1")},
		{name: "a password, not printed", settings: at("'redis://:hunter2@cache/1'", ""), want: append(stores("redis://cache/1"), "the password of the cache is left out"), not: []string{"hunter2"}},
		{name: "a version, a prefix", settings: cached(djangos, "'LOCATION': 'redis://cache', 'KEY_PREFIX': 'a:b c&é', 'VERSION': 0"), want: stores("redis://cache?key_prefix=a%3Ab+c%26%C3%A9&version=0")},
		{name: "the default key function", settings: cached(djangos, "'LOCATION': 'redis://cache', 'KEY_FUNCTION': 'django.core.cache.backends.base.default_key_func', 'TIMEOUT': None"), want: stores("redis://cache")},

		{name: "options", settings: at("'redis://cache'", "'db': 4, 'username': 'u', 'password': 'p'"), o: with, want: stores("redis://u:p@cache/4")},
		{name: "the URL before the options", settings: at("'redis://a:b@cache/1'", "'db': 4, 'username': 'u', 'password': 'p'"), o: with, want: stores("redis://a:b@cache/1")},
		{name: "the query before the options", settings: at("'redis://cache?db=3&socket_timeout=2'", "'db': 4, 'socket_timeout': 7"), want: stores("redis://cache/3?read_timeout=2s&write_timeout=2s")},
		{name: "times", settings: at("'redis://cache'", "'socket_timeout': 0.25, 'socket_connect_timeout': 5, 'client_name': 'site'"), want: stores("redis://cache?client_name=site&dial_timeout=5s&read_timeout=250ms&write_timeout=250ms")},
		{name: "classes", settings: at("'redis://cache'", "'serializer': 'django.core.cache.backends.redis.RedisSerializer', 'pool_class': 'redis.BlockingConnectionPool', 'parser_class': 'redis._parsers._RESP2Parser', 'max_connections': 5, 'timeout': 20"),
			want: append(stores("redis://cache"), "alone: parser_class", "alone: max_connections, timeout")},
		{name: "TLS", settings: at("'rediss://cache:6380/1'", "'ssl_cert_reqs': 'required'"), want: stores("rediss://cache:6380/1")},
		{name: "TLS, unverified", settings: at("'rediss://cache'", "'ssl_cert_reqs': None, 'ssl_check_hostname': False"), want: stores("rediss://cache?skip_verify=true"), not: []string{"ssl_check_hostname"}},
		{name: "TLS, unverified by the URL", settings: at("'rediss://cache?ssl_cert_reqs=none'", ""), want: stores("rediss://cache?skip_verify=true")},
		{name: "TLS, unverified by a constant", settings: at("'rediss://cache'", "'ssl_cert_reqs': ssl.CERT_NONE"), want: stores("rediss://cache?skip_verify=true")},
		{name: "TLS, the project's certificates", settings: at("'rediss://cache'", "'ssl_ca_certs': 'ca.pem'"), want: append(stores("rediss://cache"), "env SSL_CERT_FILE=$DIR/ca.pem\n", "note CACHES['default'] OPTIONS ssl_ca_certs")},
		{name: "TLS, a folder of certificates", settings: at("'rediss://cache'", "'ssl_ca_path': '/etc/ssl/own'"), want: []string{"=/etc/ssl/own\n", "SSL_CERT_"}},
		{name: "TLS, another name", settings: at("'rediss://cache'", "'ssl_check_hostname': False"), want: append(stores("rediss://cache"), "note CACHES['default'] OPTIONS ssl_check_hostname is False")},
		{name: "TLS, ciphers", settings: at("'rediss://cache'", "'ssl_ciphers': 'HIGH'"), want: []string{"note CACHES['default'] OPTIONS ssl_ciphers is not translated"}},

		{name: "TLS, a client's certificate", refused: true, settings: at("'rediss://cache'", "'ssl_certfile': 'x', 'ssl_keyfile': 'y'"), want: []string{"CACHES['default'] OPTIONS ssl_"}},
		{name: "TLS without TLS", refused: true, settings: at("'redis://cache'", "'ssl_cert_reqs': None"), want: []string{"CACHES['default'] OPTIONS ssl_cert_reqs is for rediss:// only"}},
		{name: "a serializer", refused: true, settings: at("'redis://cache'", "'serializer': 'json.JSONEncoder'"), want: []string{`CACHES['default'] OPTIONS serializer is "json.JSONEncoder"`}},
		{name: "a serializer's object", refused: true, settings: "import json\n" + at("'redis://cache'", "'serializer': json.JSONEncoder()"), want: []string{`OPTIONS serializer is "json.encoder.JSONEncoder"`}},
		{name: "a serializer's protocol", settings: "from django.core.cache.backends.redis import RedisSerializer\n" + at("'redis://cache'", "'serializer': RedisSerializer(protocol=4)"), want: stores("redis://cache")},
		{name: "Sentinel", refused: true, settings: at("'redis://cache'", "'pool_class': 'redis.sentinel.SentinelConnectionPool'"), want: []string{`OPTIONS pool_class is "redis.sentinel.SentinelConnectionPool"`}},
		{name: "credentials by code", refused: true, settings: at("'redis://cache'", "'credential_provider': object()"), want: []string{"OPTIONS credential_provider"}},
		{name: "another connection", refused: true, settings: at("'redis://cache'", "'connection_class': 'own.Connected'"), want: []string{"OPTIONS connection_class"}},
		{name: "another connection, without a module", refused: true, settings: at("'redis://cache'", "'connection_class': 'Connected'"), want: []string{"OPTIONS connection_class"}},
		{name: "TLS by the connection", settings: "from redis.connection import SSLConnection\n" + at("'redis://cache'", "'connection_class': SSLConnection, 'ssl_cert_reqs': 'none'"), want: stores("rediss://cache?skip_verify=true")},
		{name: "no TLS by the connection", refused: true, settings: "from redis.connection import Connection\n" + at("'rediss://cache'", "'connection_class': Connection"), want: []string{`OPTIONS connection_class is "redis.connection.Connection": the session service cannot connect with it to rediss://`}},
		{name: "the usual connection", settings: "from redis.connection import Connection\n" + at("'redis://cache'", "'connection_class': Connection"), want: stores("redis://cache")},
		{name: "an unknown option", refused: true, settings: at("'redis://cache?frobnicate=1'", ""), want: []string{"CACHES['default'] OPTIONS frobnicate"}},
		{name: "a time that is none", refused: true, settings: at("'redis://cache'", "'socket_timeout': 'soon'"), want: []string{`OPTIONS socket_timeout is "soon"`}},
		{name: "a database that is no number", refused: true, settings: at("'redis://cache'", "'db': 'x'"), want: []string{`db is "x"`}},
		{name: "a version that is no number", refused: true, settings: cached(djangos, "'LOCATION': 'redis://cache', 'VERSION': 'two'"), want: []string{`CACHES['default'] VERSION is "two"`}},
		{name: "a key function", refused: true, settings: cached(djangos, "'LOCATION': 'redis://cache', 'KEY_FUNCTION': 'os.path.join'"), want: []string{"CACHES['default'] KEY_FUNCTION posixpath.join"}},
		{name: "no location", refused: true, settings: at("''", ""), want: []string{"CACHES['default'] LOCATION: it is empty"}},
		{name: "no URL", refused: true, settings: at("'cache:6379'", ""), want: []string{"CACHES['default'] LOCATION: redis cannot parse the URL"}},
		{name: "a password with a slash", refused: true, settings: at("'redis://:hunter/2@cache'", ""), want: []string{"CACHES['default'] LOCATION", "escape"}, not: []string{"hunter"}},
		{name: "memory", refused: true, settings: head + sqlite + engine + "cache'", want: []string{`CACHES['default'] BACKEND "django.core.cache.backends.locmem.LocMemCache"`, djangoRedis}},
		{name: "Memcached", refused: true, settings: cached("django.core.cache.backends.memcached.PyMemcacheCache", "'LOCATION': 'x'"), want: []string{"PyMemcacheCache"}},
		{name: "a class of the project's", refused: true, settings: cached("own.Cache", "'LOCATION': 'redis://cache'"), files: map[string]string{"own.py": "from django.core.cache.backends.redis import RedisCache\nclass Cache(RedisCache): pass\n"},
			want: []string{`CACHES['default'] BACKEND "own.Cache" is a class of the project's own`, djangos}},
		{name: "counted", settings: cached("django_prometheus.Cache", "'LOCATION': 'redis://cache'"), files: map[string]string{"django_prometheus.py": "from django.core.cache.backends.redis import RedisCache\nclass Cache(RedisCache):\n    __module__ = 'django_prometheus.cache.backends.redis'\n"}, want: stores("redis://cache")},
		{name: "a class that is not there", refused: true, settings: cached("no.such.Cache", "'LOCATION': 'redis://cache'"), want: []string{"CACHES['default'] BACKEND: ModuleNotFoundError: No module named 'no'"}},
		{name: "a cache that is not there", refused: true, settings: at("'redis://cache'", "") + "SESSION_CACHE_ALIAS = 'sessions'", want: []string{"SESSION_CACHE_ALIAS: 'sessions' is not in CACHES; name a cache of CACHES"}},
	})
}

// TestThirdParty translates django-redis and django-valkey, in their default settings and in
// others.
func TestThirdParty(t *testing.T) {
	for _, backend := range []string{djangoRedis, djangoValkey} {
		module, library, class, client := "django_redis", "redis", "Redis", "REDIS_CLIENT"
		if backend == djangoValkey {
			module, library, class, client = "django_valkey", "valkey", "Valkey", "BASE_CLIENT"
		}
		options := func(fields string) string {
			return cached(backend, "'LOCATION': '"+library+"://127.0.0.1:6379/1', 'OPTIONS': {"+fields+"}")
		}
		allowed := func(fields string, want ...string) row {
			return row{name: "with " + fields, settings: options(fields), want: append(want, "serve serve --store redis://127.0.0.1:6379/1")}
		}
		refused := func(name, value string) row {
			return row{name: name + " " + value, refused: true, settings: options(fmt.Sprintf("'%s': '%s'", name, value)), want: []string{fmt.Sprintf("CACHES['default'] OPTIONS %s is %q", name, value)}}
		}
		rows := []row{
			allowed(""),
			allowed("'CLIENT_CLASS': '" + module + ".client.DefaultClient', 'SERIALIZER': '" + module + ".serializers.pickle.PickleSerializer', 'COMPRESSOR': '" + module + ".compressors.identity.IdentityCompressor'"),
			allowed("'PICKLE_VERSION': 3, 'IGNORE_EXCEPTIONS': True, '"+client+"_CLASS': '"+library+".client.Strict"+class+"', '"+client+"_KWARGS': {}",
				"alone: "),
			allowed("'PASSWORD': 'hunter2', 'SOCKET_TIMEOUT': 3, 'SOCKET_CONNECT_TIMEOUT': 4", "the password of the cache is left out", "?dial_timeout=4s&read_timeout=3s&write_timeout=3s"),
			allowed("'CONNECTION_POOL_KWARGS': {'max_connections': 9, 'socket_timeout': 2.5}, 'CONNECTION_POOL_CLASS': '"+library+".BlockingConnectionPool'", "?read_timeout=2.5s&write_timeout=2.5s", "alone: max_connections"),
			refused("SERIALIZER", module+".serializers.json.JSONSerializer"),
			refused("SERIALIZER", module+".serializers.msgpack.MSGPackSerializer"),
			refused("COMPRESSOR", module+".compressors.zlib.ZlibCompressor"),
			refused("COMPRESSOR", module+".compressors.zstd.ZStdCompressor"),
			refused("CLIENT_CLASS", module+".client.HerdClient"),
			refused("CLIENT_CLASS", module+".client.ShardClient"),
			refused("CLIENT_CLASS", module+".client.SentinelClient"),
			refused("CONNECTION_FACTORY", module+".pool.SentinelConnectionFactory"),
			refused("CONNECTION_POOL_CLASS", library+".sentinel.SentinelConnectionPool"),
			refused(client+"_CLASS", library+".cluster."+class+"Cluster"),
			{name: "SENTINELS", refused: true, settings: options("'SENTINELS': [('a', 26379)]"), want: []string{"CACHES['default'] OPTIONS SENTINELS: Sentinel's settings are not translated", "master_name"}},
			{name: "an unknown option", refused: true, settings: options("'FROBNICATE': 1"), want: []string{"CACHES['default'] OPTIONS FROBNICATE"}},
			{name: "no dict", refused: true, settings: options("'CONNECTION_POOL_KWARGS': 1"), want: []string{"CACHES['default'] OPTIONS CONNECTION_POOL_KWARGS: TypeError"}},
			{name: "KEY_FUNCTION", refused: true, settings: cached(backend, "'LOCATION': '"+library+"://a', 'KEY_FUNCTION': lambda *a: a[0]"), want: []string{"CACHES['default'] KEY_FUNCTION conf.<lambda>"}},
			{name: "a factory for all", refused: true, settings: options("") + "DJANGO_" + strings.ToUpper(library) + "_CONNECTION_FACTORY = 'own.Factory'", want: []string{`CONNECTION_FACTORY of all caches is "own.Factory"`}},
			{name: "the default factory", settings: options("") + "DJANGO_" + strings.ToUpper(library) + "_CONNECTION_FACTORY = '" + module + ".pool.ConnectionFactory'"},
			{name: "TLS", settings: cached(backend, "'LOCATION': '"+library+"s://cache', 'OPTIONS': {'CONNECTION_POOL_KWARGS': {'ssl_cert_reqs': None}}"), want: []string{"--store rediss://cache?skip_verify=true "}},
			{name: "prefix and version", settings: cached(backend, "'LOCATION': ['"+library+"://a/1', '"+library+"://b/1'], 'KEY_PREFIX': 'site', 'VERSION': 3"), want: []string{"--store redis://a/1?key_prefix=site&version=3 ", "has 2 servers"}},
		}
		t.Run(module, func(t *testing.T) { all(t, rows) })
	}
	all(t, []row{
		{name: "a user", settings: cached(djangoRedis, "'LOCATION': 'redis://a', 'OPTIONS': {'USERNAME': 'u', 'PASSWORD': 'p'}"), o: Options{Secrets: true}, want: stores("redis://u:p@a")},
		{name: "a user, whom django-valkey does not read", refused: true, settings: cached(djangoValkey, "'LOCATION': 'valkey://a', 'OPTIONS': {'USERNAME': 'u'}"), want: []string{"CACHES['default'] OPTIONS USERNAME"}},
		{name: "a cluster of django-valkey", refused: true, settings: cached("django_valkey.cluster_cache.cache.ClusterValkeyCache", "'LOCATION': 'valkey://a'"), want: []string{`BACKEND "django_valkey.cluster_cache.cache.ClusterValkeyCache"`}},
		{name: "an asynchronous django-valkey", refused: true, settings: cached("django_valkey.async_cache.cache.AsyncValkeyCache", "'LOCATION': 'valkey://a'"), want: []string{`BACKEND "django_valkey.async_cache.cache.AsyncValkeyCache"`}},
		{name: "sessions in a cache and a database", settings: strings.Replace(cached(djangoRedis, "'LOCATION': 'redis://a/1'"), "backends.cache'", "backends.cached_db'", 1), want: []string{"--store cached+sqlite://$DIR/db.sqlite3 redis://a/1\n"}},
	})
}
