package config

import (
	"slices"
	"strings"

	"cloakroom/session"
)

// Preset is a set of identity headers that other software reads. The zero value is Cloakroom.
type Preset uint8

const (
	// Cloakroom is x-user-id, or what identity.headers has instead.
	Cloakroom Preset = iota
	// OAuth2Proxy is what oauth2-proxy sends to upstreams (--pass-user-headers) and to nginx's
	// auth_request (--set-xauthrequest).
	OAuth2Proxy
	// RemoteUser is what Authelia sends, and what RemoteUserMiddleware of Django, Grafana, Gitea and
	// others can be told to read.
	RemoteUser
)

// presetNames are the presets' names in configurations.
var presetNames = []string{Cloakroom: "cloakroom", OAuth2Proxy: "oauth2-proxy", RemoteUser: "remote-user"}

// presets are the presets' headers. In oauth2-proxy the user is the subject claim of OpenID Connect,
// the provider's ID of the user, and the preferred username the name.
var presets = [...][]IdentityHeader{
	Cloakroom: {{Name: "x-user-id", Key: session.UserKey}},
	OAuth2Proxy: {
		{Name: "x-forwarded-user", Key: session.UserKey},
		{Name: "x-forwarded-email", Key: "user.email"},
		{Name: "x-forwarded-groups", Key: "user.groups"},
		{Name: "x-forwarded-preferred-username", Key: "user.username"},
		{Name: "x-auth-request-user", Key: session.UserKey},
		{Name: "x-auth-request-email", Key: "user.email"},
		{Name: "x-auth-request-groups", Key: "user.groups"},
		{Name: "x-auth-request-preferred-username", Key: "user.username"},
	},
	RemoteUser: {
		{Name: "remote-user", Key: "user.username"},
		{Name: "remote-name", Key: "user.first_name", Second: "user.last_name"},
		{Name: "remote-email", Key: "user.email"},
		{Name: "remote-groups", Key: "user.groups"},
	},
}

// prepare derives Headers and absent from the preset and from the headers that are configured, and
// the names of StateFields.
func (id *Identity) prepare() {
	headers := presets[id.Preset]
	if id.Preset == Cloakroom && id.own != nil {
		headers = nil
	}
	id.Headers, id.absent = nil, nil
	for _, h := range headers {
		if !slices.ContainsFunc(id.own, func(own IdentityHeader) bool { return own.Name == h.Name }) {
			id.Headers = append(id.Headers, h)
		}
	}
	for _, h := range id.own {
		if h.Key == "" {
			id.absent = append(id.absent, h.Name)
		} else {
			id.Headers = append(id.Headers, h)
		}
	}
}

// Encodes reports whether headers from keys of the session's data are in the encoding of those from
// attributes: other software's headers have one encoding.
func (id *Identity) Encodes() bool { return id.Preset != Cloakroom }

// StatePrefix begins the names of the filter state.
const StatePrefix = "cloakroom."

// The words of identity.filter_state that are not attributes of the user.
const (
	stateUser    = "user"
	stateSession = "session"
)

// StateField is a value in Envoy's filter state, and the key of the session's data or the attribute
// that it is filled from; an empty key: the session's ID.
type StateField struct{ Name, Key string }

// stateFields reads the words of identity.filter_state.
func stateFields(into *[]StateField) spec {
	json := map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "default": []string{}}
	return reader{json, func(v any) string {
		var words []string
		if want := texts(&words).(reader).take(v); want != "" {
			return want
		}
		fields := []StateField{}
		for _, word := range words {
			field := StateField{StatePrefix + word, AttributePrefix + word}
			switch {
			case word == stateUser:
				field.Key = session.UserKey
			case word == stateSession:
				field.Key = ""
			case strings.HasPrefix(word, AttributePrefix) || !isAttributeName(word):
				return "a list of user, session, and names of attributes of users without user., such as groups and email"
			}
			if !slices.Contains(fields, field) {
				fields = append(fields, field)
			}
		}
		*into = fields
		return ""
	}}
}
