package filter

import (
	"testing"

	"cloakroom/filter/config"
)

const minimal = `{"engine":{"service":{"cluster":"sessions"}}}`

func noEnv(string) (string, bool) { return "", false }

// TestZeroesDeny holds that what nobody set refuses.
func TestZeroesDeny(t *testing.T) {
	var action Action
	if action.Verdict != Deny {
		t.Error("the zero Action does not deny")
	}
	var stream Stream
	page := Headers{{":method", "GET"}, {":path", "/"}, {"cookie", "sessionid=" + goodKey}}
	if got := stream.Request(page, nil, &Shared{}, now); got.Verdict != Deny {
		t.Error("a request without a route is not denied")
	}
	var zero Stream
	if got := zero.Request(page, &config.Route{}, &Shared{}, now); got.Verdict == Continue {
		t.Error("a request on the zero Route goes on")
	}
	var unasked Stream
	if got := unasked.LookedUp(ParseAnswer(Answer{Status: "200", Body: liveAnswer}, nil), now); got.Verdict != Deny {
		t.Error("an answer that nobody waits for admits")
	}
}

func TestTrailers(t *testing.T) {
	c, err := config.Parse(`{"engine":{"service":{"cluster":"s"}},"strip_headers":["X-Tenant"]}`, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	request := Headers{{"x-tenant", "1"}, {"x-user.id", "1"}, {"x-session", "1"}, {"x-other", "1"}, {"", "1"}, {"cookie", "a=b"}, {"x-session-set", "{}"}, {"authorization", "Bearer a"}}
	if got := RequestTrailers(c, request); len(got) != 6 {
		t.Errorf("of a request's trailers %v are removed, want six", got)
	}
	response := Headers{{"x-session-set", "{}"}, {"grpc-status", "0"}}
	if got := ResponseTrailers(response); len(got) != 1 || got[0].Name != "x-session-set" {
		t.Errorf("of a response's trailers %v are removed, want x-session-set", got)
	}
}
