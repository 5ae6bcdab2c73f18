package filter

import (
	"strings"
	"testing"
	"time"

	"cloakroom/filter/config"
	"cloakroom/session"
)

// A session in its cookie may hold what JSON lacks, and what nests too deep: services do not get
// that, and a cookie that is signed again holds it still, unless another user logs in.
func TestSignedKeepsWhatIsNotShown(t *testing.T) {
	deep := strings.Repeat("[", 150) + strings.Repeat("]", 150)
	const data = `{"_auth_user_id":"7","nan":null,"n":1}`
	document := `{"_auth_user_id":"7","nan":NaN,"deep":` + deep + `,"n":1}`
	for _, tt := range []struct {
		name     string
		config   string
		response Headers
		want     string // the document in the cookie that the client gets; empty: none
	}{
		{"as it is", `{}`, Headers{{":status", "200"}}, ""},
		{"refreshed", `{"expiry":{"save_every_request":true,"refresh_every":"1s"}}`, Headers{{":status", "200"}}, document},
		{"another key", `{"accept_updates":true}`, Headers{{":status", "200"}, {"x-session-set", `{"n":2}`}}, strings.Replace(document, `"n":1`, `"n":2`, 1)},
		{"removed", `{"accept_updates":true}`, Headers{{":status", "200"}, {"x-session-set", `{"deep":null,"nan":null}`}}, `{"_auth_user_id":"7","n":1}`},
		{"the same user", `{"accept_updates":true}`, Headers{{":status", "200"}, {"x-session-login", "7"}}, document},
		{"another user", `{"accept_updates":true}`, Headers{{":status", "200"}, {"x-session-login", "8"}}, `{"_auth_user_id":"8"}`},
		{"changed", `{"accept_updates":true}`, Headers{{":status", "200"}, {"x-session-set", `{"nan":1}`}}, "502"},
		{"of the upstream", `{"expiry":{"absolute":"100h"}}`, Headers{{":status", "200"}, {"set-cookie", "sessionid=COOKIE; Path=/"}},
			strings.TrimSuffix(document, "}") + `,"_cloakroom_created":1899996400}`},
	} {
		config := strings.Replace(tt.config, "{", `{"identity":{"data_keys":["*"]},"engine":{"signed_cookies":{"secret_key":"secret"}},`, 1)
		route := routeOf(t, strings.Replace(config, ",}", "}", 1))
		signed := now.Add(-time.Hour)
		cookie, err := route.Signed.Codec().Write([]byte(data), &session.Origin{Text: document}, signed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range tt.response {
			tt.response[i][1] = strings.Replace(tt.response[i][1], "COOKIE", cookie, 1)
		}
		s := &Stream{}
		action := s.Request(Headers{{":path", "/"}, {"cookie", "sessionid=" + cookie}}, route, &Shared{Cookies: NewCookieCache()}, now)
		if action.Verdict != Continue || strings.Join(edit(action.Edits, "x-session"), "") != `{"nan":null,"n":1}` || strings.Join(edit(action.Edits, "x-user-id"), "") != "7" {
			t.Errorf("%s: the request: got %+v", tt.name, action)
		}
		action = s.Response(tt.response, now)
		got := ""
		if action.Reply != nil {
			got = "502"
		}
		for _, line := range edit(action.Edits, "set-cookie") {
			if value, ok := pairValue(strings.Split(line, ";")[0], "sessionid"); ok && value != "" {
				got = documentOf(t, route, value)
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// documentOf returns the document in a signed cookie.
func documentOf(t *testing.T, route *config.Route, cookie string) string {
	t.Helper()
	data, origin, _, err := route.Signed.Codec().Read(cookie, time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	if origin == nil {
		return string(data)
	}
	return origin.Text
}
