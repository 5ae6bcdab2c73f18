package config

import (
	"fmt"
	"slices"
	"strings"

	"cloakroom/api"
	"cloakroom/session/rawjson"
)

// AttributePrefix begins the keys that name attributes of the session's user, which the session
// service reads from the accounts, and not the session's data: user.email.
const AttributePrefix = "user."

// IsAttribute reports whether a key names an attribute of the session's user.
func IsAttribute(key string) bool { return strings.HasPrefix(key, AttributePrefix) }

// Attributes returns the keys that the route names attributes by, sorted.
func (r *Route) Attributes() []string { return r.attributes }

// prepareAttributes derives Attributes.
func (r *Route) prepareAttributes() {
	var keys []string
	for _, h := range r.Identity.Headers {
		keys = append(keys, h.Key, h.Second)
	}
	for _, field := range r.Identity.State {
		keys = append(keys, field.Key)
	}
	keys = append(keys, r.Identity.DataKeys...)
	for _, q := range r.Require {
		keys = append(keys, q.Key)
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !IsAttribute(key) })
	slices.Sort(keys)
	r.attributes = slices.Compact(keys)
}

// maxAttributeName bounds the name of an attribute, in bytes: it may be a column of PostgreSQL's.
const maxAttributeName = 63

// isAttributeName reports whether an attribute can have a name: letters, digits and '_', as
// columns have. The hash of the password is none.
func isAttributeName(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i] | ' '; (c < 'a' || c > 'z') && (name[i] < '0' || name[i] > '9') && name[i] != '_' {
			return false
		}
	}
	return name != "" && len(name) <= maxAttributeName && !strings.EqualFold(name, "password")
}

// lists are the attributes that are lists of strings.
var lists = []string{AttributePrefix + "groups", AttributePrefix + "permissions"}

// checkAttributes checks what the route says of attributes.
func (r *Route) checkAttributes(bad func(field, format string, args ...any)) {
	for _, key := range r.attributes {
		if !isAttributeName(key[len(AttributePrefix):]) {
			bad("identity", "%q names no attribute of a user: want user. and groups, permissions, or a column of the accounts' table, such as user.email; the password's hash is none", key)
		}
	}
	if len(r.attributes) > 0 && r.Signed.InUse() && !r.Signed.Revocable {
		bad("engine.signed_cookies", "%s is read from the accounts by the session service: set revocable: true, with engine.service, or name no attributes of users", r.attributes[0])
	}
	if IsAttribute(r.Identity.UserKey) {
		bad("identity.user_key", "%q is an attribute of a user; want a key of the session's data", r.Identity.UserKey)
	}
	for _, q := range r.Require {
		switch q.Value.(type) {
		case AnyOf, AllOf:
		default:
			if slices.Contains(lists, q.Key) {
				bad("require", `%s is a list: want {"any": ["…"]} or {"all": ["…"]}`, q.Key)
			}
		}
	}
}

// Wanted returns what the body of a look-up or a verification ends with besides a brace: the
// attributes that the routes of this service name, or "".
func (s *Service) Wanted() string { return s.wanted }

// wantAttributes has each service's look-ups name the attributes that its routes name, and more.
// Sessions are cached for all routes of a service, so that one look-up serves all of them.
func (c *Config) wantAttributes(more []string) error {
	c.attributes = map[string][]string{}
	routes := append(sortedRoutes(c.routes), &c.base)
	for _, r := range routes {
		c.attributes[r.Service.Cluster] = append(c.attributes[r.Service.Cluster], r.attributes...)
	}
	for _, cluster := range sortedKeys(c.attributes) {
		keys := append(c.attributes[cluster], more...)
		slices.Sort(keys)
		if keys = slices.Compact(keys); len(keys) > api.MaxAttributes {
			return fmt.Errorf("identity: %d attributes of users are named, %d at most can be", len(keys), api.MaxAttributes)
		}
		c.attributes[cluster] = keys
	}
	for _, r := range routes {
		r.Service.wanted = wanted(c.attributes[r.Service.Cluster])
	}
	return nil
}

// wanted returns Service.Wanted for keys.
func wanted(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return `,"attributes":` + names(attributeNames(keys))
}

// names returns names as a JSON array.
func names(all []string) string {
	text := []byte{'['}
	for i, name := range all {
		if i > 0 {
			text = append(text, ',')
		}
		text = rawjson.AppendString(text, name)
	}
	return string(append(text, ']'))
}

// AttributesOf returns the keys of the attributes that look-ups at a cluster name, sorted.
func (c *Config) AttributesOf(cluster string) []string { return c.attributes[cluster] }

// attributesOfMetadata checks that the look-ups name the attributes that a route's metadata names,
// and has the route's do so. path is that of the metadata.
func (c *Config) attributesOfMetadata(r *Route, path string) error {
	named := c.attributes[r.Service.Cluster]
	for _, key := range r.attributes {
		if !slices.Contains(named, key) {
			return fmt.Errorf("%s: identity: look-ups at the cluster %q do not name %s; name it under user_attributes in the plugin's configuration", path, r.Service.Cluster, key)
		}
	}
	r.Service.wanted = wanted(named)
	return nil
}

// listRequirement reads a requirement of a list: one member, any or all, with strings. ok is what
// was read before it was, too.
func listRequirement(members map[string]any, ok bool) (any, bool) {
	var wanted []string
	for _, name := range sortedKeys(members) {
		list, isList := members[name].([]any)
		ok = ok && isList && len(list) > 0
		for _, item := range list {
			text, isText := item.(string)
			ok, wanted = ok && isText, append(wanted, text)
		}
	}
	_, any := members["any"]
	_, all := members["all"]
	if any {
		return AnyOf(wanted), ok && len(members) == 1
	}
	return AllOf(wanted), ok && all && len(members) == 1
}
