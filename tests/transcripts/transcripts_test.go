// Package transcripts holds the filter to golden transcripts: every call between the host and
// the module for the most important kinds of requests, and what upstream and client receive.
// A change of the host calls shows here; make update writes the files anew.
package transcripts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/api"
	"cloakroom/hostsim"
	"cloakroom/internal/golden"
	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

const (
	key    = "0123456789abcdefghijklmnopqrstuv"
	other  = "vutsrqponmlkjihgfedcba9876543210"
	token  = "the-token"
	secret = "the secret key of the transcripts"
)

var start = time.Unix(1800000000, 0)

// kinds are the requests. Their session, under key, is a user's and has a theme.
var kinds = []struct {
	name          string
	configuration string // behind that of the engine
	signed        bool
	warm          bool // an equal request went before
	away          bool // the session service is
	request       string
	upstream      []string // headers of its response
}{
	{name: "look-up", request: "GET /page cookie: sessionid=KEY"},
	{name: "cached", configuration: `"cache":{"ttl":"1m"}`, warm: true, request: "GET /page cookie: sessionid=KEY"},
	{name: "page without a session", request: "GET /page?a=1 sec-fetch-mode: navigate"},
	{name: "call without a session", request: "POST /api cookie: sessionid=OTHER accept: application/json"},
	{name: "forged identity", request: "GET /page cookie: sessionid=KEY x-user-id: 1 x_session: {}"},
	{name: "outage", away: true, request: "GET /page cookie: sessionid=KEY"},
	{name: "logout", request: "POST /logout/ cookie: sessionid=KEY sec-fetch-site: same-origin"},
	{name: "update by the upstream", request: "GET /page cookie: sessionid=KEY", upstream: []string{`x-session-set: {"theme":"light"}`, "x-session-expiry: 600"}},
	{name: "login by the upstream", request: "GET /page cookie: sessionid=KEY", upstream: []string{"x-session-login: 7"}},
	{name: "sliding expiry", request: "GET /slide cookie: sessionid=KEY"},
	{name: "signed cookie", signed: true, request: "GET /page cookie: sessionid=SIGNED"},
	{name: "filter state", configuration: `"cache":{"ttl":"1m"}`, warm: true, request: "GET /state cookie: sessionid=KEY"},
	{name: "route without sessions", request: "GET /static/x.css cookie: sessionid=KEY"},
}

func TestTranscript(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			var transcript hostsim.Transcript
			clock := hostsim.NewVirtualClock(start)
			engine := `"service":{"cluster":"sessions","token":"` + token + `"` + comma(k.configuration) + `}`
			if k.signed {
				engine = `"signed_cookies":{"secret_key":"` + secret + `"}`
			}
			wasm, err := testenv.Module()
			if err != nil {
				t.Fatal(err)
			}
			host, err := hostsim.New(t.Context(), hostsim.Config{
				Plugins: []hostsim.Plugin{{Wasm: wasm, Configuration: []byte(`{"engine":{` + engine + `},
					"identity":{"data_keys":["theme"]},"logout":{"path":"/logout/"},"accept_updates":true,
					"routes":{"static":{"mode":"off"},"slide":{"expiry":{"save_every_request":true}},"state":{"identity":{"filter_state":["user","session"]}}}}`)}},
				Routes: []hostsim.Route{
					{Prefix: "/static/", Cluster: "app", Name: "static"}, {Prefix: "/slide", Cluster: "app", Name: "slide"}, {Prefix: "/state", Cluster: "app", Name: "state"}, {Prefix: "/", Cluster: "app"},
				},
				Clusters: map[string]hostsim.Cluster{"app": upstream(&transcript, k.upstream), "sessions": sessions(t, clock, k.away)},
				Clock:    clock,
				Trace:    transcript.Add,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = host.Close(t.Context()) })
			if k.warm {
				awaitFeed(t, clock, &transcript)
				host.ServeHTTP(httptest.NewRecorder(), request(t, k.request))
			}
			transcript.Reset()
			w := httptest.NewRecorder()
			host.ServeHTTP(w, request(t, k.request))
			transcript.Add(fmt.Sprintf("client: %d%s", w.Code, headers(w.Header())))
			golden.File(t, filepath.Join("testdata", strings.ReplaceAll(k.name, " ", "_")+".golden"), transcript.String()+"\n")
		})
	}
}

func comma(text string) string {
	if text == "" {
		return ""
	}
	return "," + text
}

// request makes a request of a method, a path, and headers whose names end with ": ".
func request(t *testing.T, text string) *http.Request {
	t.Helper()
	codec, err := django.NewCookieCodec(4096, secret)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := codec.Encode([]byte(`{"_auth_user_id":"42","theme":"dark"}`), start)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.NewReplacer("KEY", key, "OTHER", other, "SIGNED", cookie).Replace(text)
	fields := strings.Fields(text)
	r := httptest.NewRequest(fields[0], fields[1], nil)
	r.Header.Set("x-request-id", "one")
	for i := 2; i+1 < len(fields); i += 2 {
		r.Header[strings.TrimSuffix(fields[i], ":")] = []string{fields[i+1]}
	}
	return r
}

// upstream is an upstream that adds to the transcript what it receives.
func upstream(transcript *hostsim.Transcript, answer []string) hostsim.Cluster {
	return hostsim.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		transcript.Add("upstream: " + r.Method + " " + r.URL.String() + headers(r.Header))
		for _, field := range answer {
			name, value, _ := strings.Cut(field, ": ")
			w.Header().Set(name, value)
		}
	}))
}

// headers returns fields in order, a line each.
func headers(h http.Header) string {
	var lines []string
	for name, values := range h {
		for _, value := range values {
			lines = append(lines, "\n  "+strings.ToLower(name)+": "+value)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// sessions is a session service with one session. The second poll of its feed, and those
// after it, are held until the test ends.
func sessions(t *testing.T, clock *hostsim.VirtualClock, away bool) hostsim.Cluster {
	t.Helper()
	store := memory.New(clock.Now)
	data := json.RawMessage(`{"_auth_user_id":"42","theme":"dark"}`)
	if err := store.Create(t.Context(), session.Session{Key: key, Data: data, Expires: start.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	handler, err := service.New(service.Config{Store: store, Feed: feed.New(), Token: token, Now: clock.Now, Random: bytes.NewReader(make([]byte, 1<<10))})
	if err != nil {
		t.Fatal(err)
	}
	polled := false
	return hostsim.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case away:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case r.URL.Path == api.Feed && polled:
			<-t.Context().Done()
			return
		}
		polled = polled || r.URL.Path == api.Feed
		handler.ServeHTTP(w, r)
	}))
}

// awaitFeed has the clock tick until the first poll of the feed was answered, which the second
// shows.
func awaitFeed(t *testing.T, clock *hostsim.VirtualClock, transcript *hostsim.Transcript) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		switch lines := transcript.String(); {
		case strings.Contains(lines, `\"hold\":1000`):
			return
		case time.Now().After(deadline):
			t.Fatal("the feed was not polled twice")
		case !strings.Contains(lines, `\"hold\":0`):
			clock.Advance(100 * time.Millisecond)
		}
	}
}
