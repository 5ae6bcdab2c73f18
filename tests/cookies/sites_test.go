package cookies

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/session/django"
)

const secretKey = "the readers' SECRET_KEY"

var now = time.Unix(1_900_000_000, 0)

// names are session cookies' names that sites use.
var names = []string{"sessionid", "sessionid", "__Host-sessionid", "session-id", "session_id", "sid", "my.session"}

// The sessions that there are, as engine.service and engine.signed_cookies have them.
var (
	stored = []string{"0123456789abcdefghijklmnopqrstuv", "zyxwvutsrqponmlkjihgfedcba987654"}
	signed []string
)

// rotatedKey is the key that a session gets in place of the one it has.
const rotatedKey = "rotatedrotatedrotatedrotated0123"

// site is a configuration of the filter, and what the session service responds there.
type site struct {
	name     string
	config   string // without the cookie's name
	response func(filter.Callout) string
	// withholds says that no session cookie passes where a session was looked up, and
	// always that none ever passes.
	withholds, always bool
}

func live(filter.Callout) string { return liveWith("") }

func liveWith(more string) string {
	return fmt.Sprintf(`{"state":"live","expires":%d,%s"data":{"_auth_user_id":"7","_cloakroom_created":%d}}`, now.Add(time.Hour).Unix(), more, now.Add(-time.Hour).Unix())
}

func none(filter.Callout) string { return `{"state":"none"}` }

// verified responds that a signed session was not revoked.
func verified(c filter.Callout) string {
	var in struct{ Signed string }
	if err := json.Unmarshal([]byte(c.Body), &in); err != nil {
		panic(err)
	}
	data, err := json.Marshal(map[string]string{"_cloakroom_signed": in.Signed, "_auth_user_id": "7"})
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"state":"live","expires":%d,"data":%s}`, now.Add(time.Hour).Unix(), data)
}

const (
	service   = `"engine":{"service":{"cluster":"sessions"}}`
	unstored  = `"engine":{"signed_cookies":{"secret_key":"` + secretKey + `"}}`
	revocable = `"engine":{"signed_cookies":{"secret_key":"` + secretKey + `","revocable":true},"service":{"cluster":"sessions"}}`
)

// storedSites and signedSites are what can become of a request's session, by its engine.
var (
	storedSites = []site{
		{name: "admitted", config: service, response: live},
		{name: "admitted, cookie withheld", config: service + `,"forward_cookie":false`, response: live, always: true},
		{name: "anonymous", config: service + `,"mode":"optional"`, response: none},
		{name: "anonymous, cookie withheld", config: service + `,"mode":"optional","forward_cookie":false`, response: none, always: true},
		{name: "past a limit", config: service + `,"mode":"optional","expiry":{"absolute":"1m"}`, response: live, withholds: true},
		{name: "rotated", config: service, response: func(filter.Callout) string { return liveWith(`"key":"` + rotatedKey + `",`) }},
		{name: "unchecked", config: service + `,"on_unavailable":"allow"`, response: func(filter.Callout) string { return "" }},
	}
	signedSites = []site{
		{name: "signed", config: unstored},
		{name: "signed, anonymous", config: unstored + `,"mode":"optional"`},
		{name: "signed, cookie withheld", config: unstored + `,"mode":"optional","forward_cookie":false`, always: true},
		{name: "signed, past a limit", config: unstored + `,"mode":"optional","expiry":{"absolute":"1m"}`, withholds: true},
		{name: "signed, not revoked", config: revocable, response: verified},
		{name: "revoked", config: revocable + `,"mode":"optional"`, response: none, withholds: true},
		{name: "past a limit, mode off", config: unstored + `,"mode":"off","expiry":{"absolute":"1m"}`, withholds: true},
		{name: "mode off", config: revocable + `,"mode":"off"`, response: none},
	}
)

// signSessions makes the sessions that are in their cookies, which began an hour ago.
func signSessions(t *testing.T) {
	t.Helper()
	codec, err := django.NewCookieCodec(1<<16, secretKey)
	if err != nil {
		t.Fatal(err)
	}
	signed = nil
	for _, user := range []string{"7", "8"} {
		cookie, err := codec.Encode([]byte(fmt.Sprintf(`{"_auth_user_id":%q,"_cloakroom_created":%d}`, user, now.Add(-time.Hour).Unix())), now.Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		signed = append(signed, cookie)
	}
}

var routes = map[string]*config.Route{}

// route returns the site's configuration with a name for the cookie.
func (s *site) route(t *testing.T, name string) *config.Route {
	t.Helper()
	text := `{"cookie":{"name":"` + name + `"},` + s.config + `}`
	if routes[text] == nil {
		config, err := config.Parse(text, func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		routes[text] = config.Named("")
	}
	return routes[text]
}

// passage is what the filter makes of a request's cookies.
type passage struct {
	refused bool
	fields  []string // the Cookie fields that the upstream gets
	// session is the only value that readers may read of the session cookie, unless empty;
	// withheld says that they may read none.
	session  string
	withheld bool
}

// pass has the filter decide on a request with these Cookie fields.
func (s *site) pass(t *testing.T, name string, fields []string) passage {
	t.Helper()
	h := filter.Headers{{":method", "GET"}, {":path", "/"}, {":authority", "site.test"}}
	for _, field := range fields {
		h = append(h, [2]string{"cookie", field})
	}
	var stream filter.Stream
	action := stream.Request(h, s.route(t, name), &filter.Shared{}, now)
	for asked := 0; action.Verdict == filter.Wait; asked++ {
		if asked == 2 {
			t.Fatalf("%s: the filter waits for ever", s.name)
		}
		response := filter.Answer{}
		if body := s.response(*stream.Callout()); body != "" {
			response = filter.Answer{Status: "200", Body: body}
		}
		action = stream.LookedUp(stream.Parse(response, now), now)
	}
	if action.Verdict == filter.ReadHeaders {
		action = stream.Complete(h)
	}
	p := passage{refused: action.Verdict == filter.Deny, session: stream.Key()}
	p.withheld = s.always || s.withholds && (slices.Contains(stored, p.session) || slices.Contains(signed, p.session))
	for _, field := range edited(h, action.Edits) {
		if field[0] == "cookie" {
			p.fields = append(p.fields, field[1])
		}
	}
	return p
}

// edited returns headers with the edits made, as a host makes them.
func edited(h filter.Headers, edits []filter.Edit) filter.Headers {
	out := slices.Clone(h)
	for _, e := range edits {
		if e.Op != filter.Add {
			out = slices.DeleteFunc(out, func(field [2]string) bool { return field[0] == e.Name })
		}
		if e.Op != filter.Remove {
			out = append(out, [2]string{e.Name, strings.Clone(e.Value)})
		}
	}
	return out
}
