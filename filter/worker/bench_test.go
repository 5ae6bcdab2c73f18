package worker

import (
	"slices"
	"testing"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/session/django"
)

var (
	benchRequest  = filter.Headers{{":authority", "127.0.0.1"}, {":path", "/page"}, {":method", "GET"}, {":scheme", "http"}, {"user-agent", "Go-http-client/1.1"}, {"cookie", "csrftoken=abc; sessionid=" + goodKey}, {"x-forwarded-proto", "http"}, {"x-request-id", "5f9c2f0e-6a9c-4b1e-9a66-0e9a8f66c6a1"}}
	benchResponse = filter.Headers{{":status", "200"}, {"content-length", "2"}, {"content-type", "text/plain"}, {"date", "Tue"}, {"server", "envoy"}}
)

const benchData = `{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f6","cart":[1,2,3],"theme":"dark"}`

// worked is a worker's part of a request whose session is cached, or in its cookie.
func worked(t testing.TB, text string) func() {
	c, err := config.Parse(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, request := New(c, Options{ID: "a"}), slices.Clone(benchRequest)
	if len(w.order) > 0 {
		w.order[0].feed.heard = start
		w.order[0].stored.put(goodKey, filter.ParseAnswer(filter.Answer{Status: "200", Body: `{"state":"live","expires":2000000000,"data":` + benchData + "}"}, nil), start)
	} else {
		codec, err := django.NewCookieCodec(1<<16, "secret")
		if err != nil {
			t.Fatal(err)
		}
		cookie, err := codec.Encode([]byte(benchData), start)
		if err != nil {
			t.Fatal(err)
		}
		request[5][1] = "csrftoken=abc; sessionid=" + cookie
	}
	route, err := w.Route("", nil)
	if err != nil {
		t.Fatal(err)
	}
	var s Stream
	return func() {
		if o := w.Request(&s, request, route, start); !o.Decided || o.Action.Verdict != filter.Continue {
			t.Fatal("refused")
		}
		s.Resumed()
		if o := w.Response(&s, benchResponse, start); !o.Decided || o.Action.Verdict != filter.Continue {
			t.Fatal("refused")
		}
		w.StreamDone(&s)
	}
}

var benchConfigs = map[string]string{
	"stored": `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h"}}},"identity":{"data_keys":["*"]}}`,
	"signed": `{"engine":{"signed_cookies":{"secret_key":"secret"}},"identity":{"data_keys":["*"]}}`,
}

// BenchmarkCached is the worker's part of a request that needs no callout.
func BenchmarkCached(b *testing.B) {
	for name, config := range benchConfigs {
		one := worked(b, config)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}

// TestCachedAllocates holds that it allocates nothing.
func TestCachedAllocates(t *testing.T) {
	for name, config := range benchConfigs {
		if allocated := testing.AllocsPerRun(100, worked(t, config)); allocated != 0 {
			t.Errorf("%s: %v allocations, want none", name, allocated)
		}
	}
}
