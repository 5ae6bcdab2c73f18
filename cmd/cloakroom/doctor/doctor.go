// Package doctor checks a running Envoy with the filter, its session service and a session, in the
// order in which a request passes them, and reports what is right, what is wrong and what to do.
package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/session"
)

// Options selects what Run checks.
type Options struct {
	// Admin is the URL of Envoy's admin interface.
	Admin string
	// Service is the URL of the session service; if "", a host of the cluster that the filter
	// names.
	Service string
	// Token is the service's token; secret.
	Token string
	// Cookie is the value of a session cookie to look up; "" for none. Secret.
	Cookie string
	// Out receives a line for each finding.
	Out io.Writer
}

// patience bounds each request.
const patience = 5 * time.Second

// maxBody is the maximum size of a response, in bytes.
const maxBody = 64 << 20

type doctor struct {
	Options
	ctx    context.Context
	client *http.Client
	wrong  int
	// attributes are those of users that the filter's configurations name.
	attributes []string
	// tokens says that they want tokens of users.
	tokens bool
}

// Run writes its findings, and returns how many things are wrong. It does not check what depends
// on something that is wrong.
func Run(ctx context.Context, o Options) (wrong int) {
	d := &doctor{Options: o, ctx: ctx, client: &http.Client{Timeout: patience}}
	plugins, ok := d.envoy()
	if !ok {
		return d.wrong
	}
	for _, p := range plugins {
		d.plugin(p)
	}
	d.counters()
	if d.Service != "" {
		d.service(strings.TrimRight(d.Service, "/"))
	}
	return d.wrong
}

func (d *doctor) right(format string, args ...any) { d.line("ok", format, args...) }
func (d *doctor) note(format string, args ...any)  { d.line("note", format, args...) }

// fail writes what is wrong, and what to do.
func (d *doctor) fail(do, format string, args ...any) {
	d.wrong++
	d.line("WRONG", format, args...)
	fmt.Fprintf(d.Out, "       %s\n", do)
}

func (d *doctor) line(kind, format string, args ...any) {
	fmt.Fprintf(d.Out, "%-6s %s\n", kind, fmt.Sprintf(format, args...))
}

// get requests a URL of Envoy's admin interface.
func (d *doctor) get(path string) ([]byte, error) {
	return d.send(http.MethodGet, strings.TrimRight(d.Admin, "/")+path, "", http.StatusOK)
}

func (d *doctor) send(method, to, body string, want int) ([]byte, error) {
	request, err := http.NewRequestWithContext(d.ctx, method, to, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		request.Header.Set("Authorization", "Bearer "+d.Token)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err == nil && response.StatusCode != want {
		err = statusError{response.StatusCode, string(bytes.TrimSpace(text[:min(len(text), 200)]))}
	}
	return text, err
}

// statusError is the error of a response with an unexpected status.
type statusError struct {
	status int
	text   string
}

func (e statusError) Error() string { return fmt.Sprintf("it answers %d: %q", e.status, e.text) }

// service checks a session service.
func (d *doctor) service(at string) {
	if u, err := url.Parse(at); err != nil || u.Host == "" {
		d.fail("name it as http://host:port", "the session service's URL is %q", at)
		return
	}
	text, err := d.send(http.MethodGet, at+"/readyz", "", http.StatusOK)
	if err != nil {
		d.fail("start cloakroom serve there; its log names what its store lacks", "the session service at %s is not ready: %v", at, err)
		return
	}
	d.right("the session service at %s is ready: it reaches its store", at)
	var ready struct{ Warnings, Notices []string }
	_ = json.Unmarshal(text, &ready) // empty if another service responds
	for _, warning := range ready.Warnings {
		d.fail("see docs/operations.md", "%s", warning)
	}
	for _, n := range ready.Notices {
		d.note("%s", n)
	}
	if d.Token == "" {
		d.note("the token was not tried: set CLOAKROOM_TOKEN to have that done")
		return
	}
	nothing, err := d.look(at, strings.Repeat("0", session.KeyLength))
	if err != nil {
		d.fail("CLOAKROOM_TOKEN here and in the service's environment must be the same, and Envoy's too", "the session service does not look up: %v", err)
		return
	}
	d.right("the session service accepts the token that is set as CLOAKROOM_TOKEN here")
	if lacking := nothing.UserUnknown; len(lacking) > 0 {
		d.fail("see --accounts, --users, --user-groups and --user-permissions of cloakroom serve, and what the database's role may read",
			"the filter's configuration names attributes of users that the accounts do not have: user.%s; no header carries them, and what requires them refuses", strings.Join(lacking, ", user."))
	} else if len(d.attributes) > 0 {
		d.right("the accounts have the attributes of users that the filter's configuration names")
	}
	if why := nothing.TokenMissing; why != "" {
		d.fail("make a key with cloakroom keys new, and start cloakroom serve with --token-keys and --token-issuer",
			"routes want tokens of the user (identity.token) and answer 503, because the session service mints none: %s", why)
	} else if d.tokens {
		d.right("the session service has keys for the tokens that routes want")
	}
	if d.Cookie != "" {
		d.cookie(at)
	}
}

// found is the service's response about a session.
type found struct {
	State   string
	Expires int64
	Data    map[string]json.RawMessage
	Omitted []string
	// UserUnknown are attributes of users that no account has.
	UserUnknown []string `json:"user_unknown"`
	// TokenMissing is why no token can be had.
	TokenMissing string `json:"token_missing"`
}

func (d *doctor) look(at, key string) (found, error) {
	request := map[string]any{"key": key}
	if len(d.attributes) > 0 {
		request["attributes"] = d.attributes
	}
	if d.tokens {
		request["token"] = map[string]any{"audience": "cloakroom doctor", "ttl": int(api.MinTokenTTL / time.Second)}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return found{}, err
	}
	text, err := d.send(http.MethodPost, at+api.Lookup, string(body), http.StatusOK)
	if err != nil {
		return found{}, err
	}
	var f found
	err = json.Unmarshal(text, &f)
	return f, err
}

// cookie looks up the session of the cookie.
func (d *doctor) cookie(at string) {
	if !session.ValidKey(d.Cookie) {
		d.fail("pass only the value of the session cookie; a signed_cookies session has no key", "the cookie is no session key")
		return
	}
	f, err := d.look(at, d.Cookie)
	switch {
	case err != nil:
		d.fail("the service's log says more", "the session cannot be looked up: %v", err)
	case f.State != "live":
		d.fail("the service's log says whether it refused an account; cloakroom sessions list shows what is stored, and whether CLOAKROOM_SECRET_KEY reads it",
			"there is no live session of this cookie (%s)", session.ID(d.Cookie))
	default:
		d.right("the session %s is live until %s", session.ID(d.Cookie), time.Unix(f.Expires, 0).UTC().Format(time.RFC3339))
		user := session.UserOf(rawData(f.Data))
		if user == "" {
			d.note("it is no user's: mode: required refuses it")
		} else {
			d.right("it is the session of the user %q", user)
		}
		if session.LacksZone(rawData(f.Data)) {
			d.fail("add time_zone=TIME_ZONE to the query of the URL of cloakroom serve's --store, with the project's TIME_ZONE; cloakroom config from-django prints it",
				"the session ends at a date without a zone (USE_TZ = False), and the zone is not configured in the session service: it rejects writes to such sessions")
		}
		if len(f.Omitted) > 0 {
			d.note("its data leaves out %q, which have no room or no form in JSON", f.Omitted)
		}
	}
}

func rawData(data map[string]json.RawMessage) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		return nil
	}
	return text
}
