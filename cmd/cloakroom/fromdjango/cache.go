package fromdjango

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cache is one of CACHES.
type cache struct {
	// What is its name in messages, as in CACHES['default'].
	What    string
	Backend string
	// Bases are the backend's classes, itself first.
	Bases []string
	// Locations is how many locations LOCATION lists.
	Locations   int
	KeyPrefix   string `json:"key_prefix"`
	Version     string
	KeyFunction string `json:"key_function"`
	// Factory is the connection factory of all caches, if it is set.
	Factory string
	// Options are the backend's own.
	Options options
	// Scheme and Connection are what the client's library returns for the first location and
	// OPTIONS.
	Scheme     string
	Connection options
}

// cacheBackend is a backend whose values are plain pickles under prefix:version:key.
type cacheBackend struct {
	// options are the backend's, each with the values that keep that format; without values, the
	// option does not matter.
	options map[string][]string
	// factories are the connection factories that connect to LOCATION.
	factories []string
}

const keyFunction = "django.core.cache.backends.base.default_key_func"

// cacheBackends are the backends whose values can be read, in their default settings. The script
// lists them, too.
var cacheBackends = map[string]cacheBackend{
	"django.core.cache.backends.redis.RedisCache": {options: map[string][]string{
		"serializer":   {"django.core.cache.backends.redis.RedisSerializer"},
		"pool_class":   {"redis.ConnectionPool", "redis.BlockingConnectionPool", "redis.connection.ConnectionPool", "redis.connection.BlockingConnectionPool"},
		"parser_class": nil,
	}},
	"django_redis.cache.RedisCache": {
		options: thirdParty("django_redis", "redis", "REDIS_CLIENT",
			"redis.Redis", "redis.StrictRedis", "redis.client.Redis", "redis.client.StrictRedis"),
		factories: []string{"", "django_redis.pool.ConnectionFactory"},
	},
	"django_valkey.cache.ValkeyCache": {
		options: thirdParty("django_valkey", "valkey", "BASE_CLIENT",
			"valkey.Valkey", "valkey.StrictValkey", "valkey.client.Valkey", "valkey.client.StrictValkey"),
		factories: []string{"", "django_valkey.pool.ConnectionFactory"},
	},
}

// thirdParty returns the options of django-redis or django-valkey, which share their origin.
func thirdParty(name, library, client string, clients ...string) map[string][]string {
	pools := []string{library + ".ConnectionPool", library + ".BlockingConnectionPool", library + ".connection.ConnectionPool", library + ".connection.BlockingConnectionPool"}
	return map[string][]string{
		"CLIENT_CLASS":           {name + ".client.DefaultClient", name + ".client.default.DefaultClient"},
		"SERIALIZER":             {name + ".serializers.pickle.PickleSerializer"},
		"COMPRESSOR":             {name + ".compressors.identity.IdentityCompressor"},
		"CONNECTION_FACTORY":     {name + ".pool.ConnectionFactory"},
		"CONNECTION_POOL_CLASS":  pools,
		client + "_CLASS":        clients,
		client + "_KWARGS":       nil,
		"PICKLE_VERSION":         nil,
		"PARSER_CLASS":           nil,
		"IGNORE_EXCEPTIONS":      nil,
		"LOG_IGNORED_EXCEPTIONS": nil,
		"REPLICA_READ_ONLY":      nil,
		"CLOSE_CONNECTION":       nil,
		"MAX_ENTRIES":            nil,
		"CULL_FREQUENCY":         nil,
	}
}

// cacheURL returns the cache in the form of --store.
func (t *translation) cacheURL() (string, error) {
	c := t.Cache
	i := slices.IndexFunc(c.Bases, func(class string) bool { _, ok := cacheBackends[class]; return ok })
	switch {
	case i < 0:
		return "", fmt.Errorf("%s BACKEND %q: Django's own RedisCache can be read, django_redis.cache.RedisCache and django_valkey.cache.ValkeyCache", c.What, c.Backend)
	case i > 0 && !strings.HasPrefix(c.Backend, "django_prometheus."):
		return "", fmt.Errorf("%s BACKEND %q is a class of the project's own, and may store otherwise than its base %s: use that", c.What, c.Backend, c.Bases[i])
	case c.KeyFunction != keyFunction:
		return "", fmt.Errorf("%s KEY_FUNCTION %s: Cloakroom's keys are those of Django's default_key_func; leave it out", c.What, c.KeyFunction)
	case strings.ContainsRune(c.KeyPrefix, 0):
		return "", fmt.Errorf("%s KEY_PREFIX contains a NUL character", c.What)
	}
	if _, err := strconv.Atoi(c.Version); err != nil {
		return "", fmt.Errorf("%s VERSION is %q: Cloakroom reads whole numbers", c.What, c.Version)
	}
	if err := t.cacheOptions(c, cacheBackends[c.Bases[i]]); err != nil {
		return "", err
	}
	if c.Locations > 1 {
		t.note("%s LOCATION has %d servers: Cloakroom reads and writes the first, which Django writes to", c.What, c.Locations)
	}
	return t.redisURL(c)
}

// cacheOptions rejects options that change the format or the place of the values.
func (t *translation) cacheOptions(c cache, b cacheBackend) error {
	var left []string
	for name, value := range c.Options {
		allowed, known := b.options[name]
		switch {
		case strings.HasPrefix(name, "SENTINEL"):
			return fmt.Errorf("%s OPTIONS %s: Sentinel's settings are not translated; write the store as redis:///0?master_name=NAME&addr=HOST:26379, with key_prefix and version", c.What, name)
		case !known:
			return fmt.Errorf("%s OPTIONS %s: its effect is unknown to Cloakroom", c.What, name)
		case value == nil:
		case allowed == nil:
			left = append(left, name)
		case !slices.Contains(allowed, *value):
			return fmt.Errorf("%s OPTIONS %s is %q: Cloakroom reads what is stored with %s; leave it out", c.What, name, *value, allowed[0])
		}
	}
	if b.factories != nil && c.Options["CONNECTION_FACTORY"] == nil && !slices.Contains(b.factories, c.Factory) {
		return fmt.Errorf("the setting CONNECTION_FACTORY of all caches is %q: Cloakroom connects to LOCATION, as %s does", c.Factory, b.factories[1])
	}
	t.leftOut(c.What, left)
	return nil
}
