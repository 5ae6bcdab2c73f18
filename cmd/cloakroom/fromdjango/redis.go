package fromdjango

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// redisHarmless are parameters of redis-py and valkey-py that concern only Django's own
// connections.
var redisHarmless = []string{
	"cache", "cache_config", "decode_responses", "driver_info", "encoding", "encoding_errors", "event_dispatcher", "health_check_interval",
	"legacy_responses", "lib_name", "lib_version", "maint_notifications_config", "max_connections", "parser_class", "protocol", "retry",
	"retry_on_error", "retry_on_timeout", "socket_keepalive", "socket_keepalive_options", "socket_read_size", "socket_type", "timeout",
	"CULL_FREQUENCY", "MAX_ENTRIES",
}

// redisClasses are the connection classes of redis-py and valkey-py, with the scheme of each.
var redisClasses = map[string]string{
	"redis.connection.Connection": "redis", "redis.connection.SSLConnection": "rediss", "redis.connection.UnixDomainSocketConnection": "unix",
	"valkey.connection.Connection": "redis", "valkey.connection.SSLConnection": "rediss", "valkey.connection.UnixDomainSocketConnection": "unix",
}

// redisURL returns a URL in the form of store/redis.
func (t *translation) redisURL(c cache) (string, error) {
	scheme := strings.NewReplacer("valkey", "redis").Replace(c.Scheme)
	if class := c.Connection.text("connection_class"); class != "" {
		of := redisClasses[class]
		if of != scheme && (of != "rediss" || scheme != "redis") { // TLS on top of TCP
			return "", fmt.Errorf("%s OPTIONS connection_class is %q: the session service cannot connect with it to %s://", c.What, class, c.Scheme)
		}
		scheme = of
	}
	u := url.URL{Scheme: scheme}
	query := url.Values{}
	if err := t.redisConnection(c, query, scheme == "rediss"); err != nil {
		return "", err
	}
	db := c.Connection.text("db")
	if _, err := strconv.Atoi(db); db != "" && err != nil {
		return "", fmt.Errorf("%s db is %q: Redis numbers its databases", c.What, db)
	}
	if scheme == "unix" {
		if u.Path = c.Connection.text("path"); db != "" && db != "0" {
			query.Set("db", db)
		}
	} else {
		if u.Host = c.Connection.text("host"); u.Host == "" {
			u.Host = "localhost"
		}
		if strings.Contains(u.Host, ":") {
			u.Host = "[" + u.Host + "]"
		}
		if port := c.Connection.text("port"); port != "" {
			u.Host += ":" + port
		}
		if db != "" {
			u.Path = "/" + db
		}
	}
	u.User = t.cacheUser(c.Connection.text("username"), c.Connection.text("password"))
	if c.KeyPrefix != "" {
		query.Set("key_prefix", c.KeyPrefix)
	}
	if c.Version != "1" {
		query.Set("version", c.Version)
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// cacheUser returns the user, with the password only if secrets are requested.
func (t *translation) cacheUser(user, password string) *url.Userinfo {
	switch {
	case password != "" && t.secrets:
		return url.UserPassword(user, password)
	case password != "":
		t.note("the password of the cache is left out of --store; write it there, as redis://:PASSWORD@…, or ask for it with --with-secrets")
	}
	if user == "" {
		return nil
	}
	return url.User(user)
}

// redisConnection translates the parameters of the connection.
func (t *translation) redisConnection(c cache, query url.Values, tls bool) error {
	var left []string
	for name, value := range c.Connection {
		switch name {
		case "host", "port", "path", "db", "username", "password", "connection_class": // redisURL
		case "socket_timeout", "socket_connect_timeout":
			if value == nil {
				continue
			}
			seconds, err := strconv.ParseFloat(*value, 64)
			if err != nil || seconds <= 0 {
				return fmt.Errorf("%s OPTIONS %s is %q: write a number of seconds over 0", c.What, name, *value)
			}
			timeout := time.Duration(seconds * float64(time.Second)).String()
			if name == "socket_connect_timeout" {
				query.Set("dial_timeout", timeout)
				continue
			}
			query.Set("read_timeout", timeout)
			query.Set("write_timeout", timeout)
		case "client_name":
			query.Set(name, c.Connection.text(name))
		default:
			switch {
			case strings.HasPrefix(name, "ssl_"):
				if err := t.redisTLS(c, query, name, value, tls); err != nil {
					return err
				}
			case value == nil:
			case slices.Contains(redisHarmless, name):
				left = append(left, name)
			default:
				return fmt.Errorf("%s OPTIONS %s: the session service cannot connect with it", c.What, name)
			}
		}
	}
	t.leftOut(c.What, left)
	return nil
}

// redisTLS translates a parameter of TLS.
func (t *translation) redisTLS(c cache, query url.Values, name string, value *string, tls bool) error {
	text := c.Connection.text(name)
	if !tls {
		return fmt.Errorf("%s OPTIONS %s is for rediss:// only, and LOCATION is %s://", c.What, name, c.Scheme)
	}
	switch {
	case name == "ssl_cert_reqs":
		if !verifies(value) {
			query.Set("skip_verify", "true")
		}
	case value == nil:
	case name == "ssl_check_hostname":
		if text == "False" && verifies(orRequired(c.Connection)) {
			t.note("%s OPTIONS ssl_check_hostname is False: the session service checks the certificate's host name anyway", c.What)
		}
	case name == "ssl_ca_certs":
		t.Environment["SSL_CERT_FILE"] = t.absolute(text)
		t.note("%s OPTIONS ssl_ca_certs: SSL_CERT_FILE names the certificates for every TLS connection of the session service", c.What)
	case name == "ssl_ca_path":
		t.Environment["SSL_CERT_DIR"] = t.absolute(text)
		t.note("%s OPTIONS ssl_ca_path: SSL_CERT_DIR names the certificates for every TLS connection of the session service", c.What)
	case name == "ssl_min_version" || name == "ssl_ciphers":
		t.note("%s OPTIONS %s is not translated: the session service uses TLS 1.2 at least, and Go's choice of ciphers", c.What, name)
	default:
		return fmt.Errorf("%s OPTIONS %s: the session service cannot connect with it", c.What, name)
	}
	return nil
}

// verifies reports whether ssl_cert_reqs requires the server's certificate to be verified.
func verifies(requirement *string) bool {
	return requirement != nil && !slices.Contains([]string{"none", "CERT_NONE", "0"}, *requirement)
}

// orRequired returns ssl_cert_reqs, or "required" if it is not set.
func orRequired(o options) *string {
	if value, ok := o["ssl_cert_reqs"]; ok {
		return value
	}
	required := "required"
	return &required
}
