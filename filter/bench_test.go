package filter

import (
	"slices"
	"testing"
)

var (
	benchRequest  = Headers{{":authority", "127.0.0.1"}, {":path", "/page"}, {":method", "GET"}, {":scheme", "http"}, {"user-agent", "Go-http-client/1.1"}, {"cookie", "csrftoken=abc; sessionid=" + goodKey}, {"x-forwarded-proto", "http"}, {"x-request-id", "5f9c2f0e-6a9c-4b1e-9a66-0e9a8f66c6a1"}}
	benchResponse = Headers{{":status", "200"}, {"content-length", "2"}, {"content-type", "text/plain"}, {"date", "Tue"}, {"server", "envoy"}}
)

// must returns the action of a result that is usable.
func must(action Action, usable bool) Action {
	if !usable {
		panic("not usable")
	}
	return action
}

const benchData = `{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f6","cart":[1,2,3],"theme":"dark"}`

// BenchmarkCached is the core's part of a request with a cached session.
func BenchmarkCached(b *testing.B) {
	route := routeOf(b, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h"}}}}`)
	result, shared := newResult(benchData, now.AddDate(0, 0, 1), nil), &Shared{}
	b.ReportAllocs()
	for b.Loop() {
		var s Stream
		if s.Request(benchRequest, route, shared, now).Verdict != Wait || must(s.Cached(goodKey, result, now)).Verdict != Continue || s.Response(benchResponse, now).Verdict != Continue {
			b.Fatal("refused")
		}
	}
}

// TestCachedAllocates holds that it allocates nothing.
func TestCachedAllocates(t *testing.T) {
	for name, config := range map[string]string{
		"stored": `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h"}}}}`,
		"signed": `{"engine":{"signed_cookies":{"secret_key":"secret"}}}`,
		"user":   `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h"}}},"identity":{"headers":{"x-name":"user.username","x-groups":"user.groups","x-mail":"user.email"}}}`,
	} {
		route, request := routeOf(t, config), slices.Clone(benchRequest)
		result, shared := newResult(benchData, now.AddDate(0, 0, 1), nil), &Shared{Cookies: NewCookieCache()}
		result.attributes = `{"username":"alice","groups":["a","b"],"email":"a@b"}`
		if route.Signed.InUse() {
			cookie, err := route.Signed.Codec().Encode([]byte(benchData), now)
			if err != nil {
				t.Fatal(err)
			}
			request[5][1] = "csrftoken=abc; sessionid=" + cookie
		}
		allocated := testing.AllocsPerRun(100, func() {
			var s Stream
			action := s.Request(request, route, shared, now)
			if action.Verdict == Wait {
				action = must(s.Cached(goodKey, result, now))
			}
			if action.Verdict != Continue || s.Response(benchResponse, now).Verdict != Continue {
				t.Fatal("refused")
			}
		})
		if allocated != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocated)
		}
	}
}

// lookUp is its part of one whose session is looked up.
func lookUp(t testing.TB) func() {
	route := routeOf(t, `{"engine":{"service":{"cluster":"s","token":"t"}}}`)
	answer := Answer{"200", `{"state":"live","expires":9999999999,"data":` + benchData + "}"}
	var s Stream
	shared := &Shared{}
	return func() {
		shared.Reset()
		waits := s.Request(benchRequest, route, shared, now).Verdict == Wait
		s.Callout()
		if !waits || s.LookedUp(s.Parse(answer, now), now).Verdict != Continue || s.Response(benchResponse, now).Verdict != Continue {
			t.Fatal("refused")
		}
		s.Reset()
	}
}

func BenchmarkLookup(b *testing.B) {
	one := lookUp(b)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

// TestLookupAllocates holds that a look-up allocates nothing either.
func TestLookupAllocates(t *testing.T) {
	if allocated := testing.AllocsPerRun(100, lookUp(t)); allocated != 0 {
		t.Errorf("%v allocations, want none", allocated)
	}
}
