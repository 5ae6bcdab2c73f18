package filter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/api"
	"cloakroom/session"
)

const newKey = "vutsrqponmlkjihgfedcba9876543210"

var cycling = `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1m"}}},"expiry":{"cycle_every":"1h","cycle_grace":"30s"}}`

// liveWith is the answer about a session of the user 7 with these stamps; key, unless
// empty, is where it leads.
func liveWith(key string, stamps map[string]time.Time) Answer {
	data := `{"_auth_user_id":"7"`
	for name, at := range stamps {
		data += fmt.Sprintf(`,%q:%d`, name, at.Unix())
	}
	if key != "" {
		key = fmt.Sprintf(`"key":%q,`, key)
	}
	return Answer{Status: "200", Body: fmt.Sprintf(`{"state":"live",%s"expires":2000000000,"data":%s}}`, key, data)}
}

func paths(tell []Callout) (paths []string) {
	for _, c := range tell {
		paths = append(paths, c.Path)
	}
	return paths
}

func edit(edits []Edit, name string) (values []string) {
	for _, e := range edits {
		if e.Name == name {
			values = append(values, e.Value)
		}
	}
	return values
}

var cookiePage = Headers{{":method", "GET"}, {":path", "/"}, {"cookie", "a=b; sessionid=" + goodKey + "; c=d"}}

// TestCycleDue: a session asks for a new key when the one it has is old, once, after
// the request, and nobody waits.
func TestCycleDue(t *testing.T) {
	old, young := now.Add(-time.Hour), now.Add(-time.Hour+time.Second)
	for _, tt := range []struct {
		name    string
		stamps  map[string]time.Time
		request []string // what is told with it
		tell    []string // and with the response
	}{
		{"an old session", map[string]time.Time{session.CreatedKey: old}, nil, []string{api.Cycle}},
		{"a young one", map[string]time.Time{session.CreatedKey: young}, nil, nil},
		{"an old session with a young key", map[string]time.Time{session.CreatedKey: old, session.CycledKey: young, session.UsedKey: young}, nil, nil},
		{"with an old one", map[string]time.Time{session.CreatedKey: old, session.CycledKey: old, session.UsedKey: old}, nil, []string{api.Cycle}},
		{"of unknown age", nil, nil, []string{api.Touch}}, // which stamps it
		{"with a new key, come for the first time", map[string]time.Time{session.CreatedKey: old, session.CycledKey: young}, []string{api.Used}, nil},
	} {
		route := routeOf(t, cycling)
		cached := ParseAnswer(liveWith("", tt.stamps), route)
		for again := range 2 {
			s := &Stream{}
			s.Request(cookiePage, route, &Shared{}, now)
			request := must(s.Cached(goodKey, cached, now))
			response := s.Response(Headers{{":status", "200"}}, now)
			for _, a := range []Action{request, response} {
				if a.effects().Touched != nil {
					cached = cached.Touch(a.effects().Touched)
				}
			}
			wantRequest, wantResponse := tt.request, tt.tell
			if again > 0 { // it was asked already
				wantRequest, wantResponse = nil, nil
			}
			if got := paths(request.effects().Notify); request.Outcome != Admitted || !slices.Equal(got, wantRequest) {
				t.Errorf("%s, request %d: outcome %d, notified %q, want %q", tt.name, again+1, request.Outcome, got, wantRequest)
			}
			if got := paths(response.effects().Notify); !slices.Equal(got, wantResponse) || edit(response.Edits, "set-cookie") != nil {
				t.Errorf("%s, response %d: notified %q, want %q; %q", tt.name, again+1, got, wantResponse, response.Edits)
			}
			if len(response.effects().Notify) > 0 && response.effects().Notify[0].Path == api.Cycle && response.effects().Notify[0].Body != `{"key":"`+goodKey+`","grace":30}` {
				t.Errorf("%s: %s", tt.name, response.effects().Notify[0].Body)
			}
		}
	}
}

// TestRotated: a client that comes with an old key gets the new one, and so does the upstream.
func TestRotated(t *testing.T) {
	for _, tt := range []struct {
		name     string
		config   string
		response Headers
		cookie   []string // the upstream's
		set      bool
	}{
		{"a page", cycling, Headers{{":status", "200"}}, []string{"sessionid=" + newKey + "; a=b; c=d"}, true},
		{"an error", cycling, Headers{{":status", "500"}}, []string{"sessionid=" + newKey + "; a=b; c=d"}, true},
		{"the upstream sets it", cycling, Headers{{":status", "200"}, {"set-cookie", "sessionid=" + newKey}}, []string{"sessionid=" + newKey + "; a=b; c=d"}, false},
		{"the upstream has no cookie", strings.Replace(cycling, "{", `{"forward_cookie":false,`, 1), Headers{{":status", "200"}}, []string{"a=b; c=d"}, true},
		{"a slide", strings.Replace(cycling, `"expiry":{`, `"expiry":{"save_every_request":true,"age":"999999h",`, 1), Headers{{":status", "200"}}, []string{"sessionid=" + newKey + "; a=b; c=d"}, true},
	} {
		route := routeOf(t, tt.config)
		s := &Stream{}
		ask(s, cookiePage, route)
		request := answered(s, liveWith(newKey, map[string]time.Time{session.CreatedKey: now.Add(-2 * time.Hour), session.CycledKey: now}), cookiePage)
		if got := edit(request.Edits, "cookie"); request.Outcome != Admitted || !slices.Equal(got, tt.cookie) || request.effects().Notify != nil {
			t.Errorf("%s: outcome %d, the upstream's cookie %q, want %q; notified %q", tt.name, request.Outcome, got, tt.cookie, paths(request.effects().Notify))
		}
		response := s.Response(tt.response, now)
		set := edit(response.Edits, "set-cookie")
		if (len(set) == 1) != tt.set || tt.set && !strings.HasPrefix(set[0], "sessionid="+newKey+";") || slices.Contains(paths(response.effects().Notify), api.Cycle) {
			t.Errorf("%s: set-cookie %q, want one: %v; notified %q", tt.name, set, tt.set, paths(response.effects().Notify))
		}
	}
}
