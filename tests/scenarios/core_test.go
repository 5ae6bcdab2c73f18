package scenarios

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"cloakroom/filter"
)

// baseConfig is what every scenario's configuration lies over.
func baseConfig() map[string]any {
	return map[string]any{
		"engine": map[string]any{"service": map[string]any{"timeout": "400ms", "token": serviceToken}},
		"cookie": map[string]any{"secure": false},
		"logout": map[string]any{"path": "/logout/", "redirect": "/bye/"},
	}
}

// config gives a scenario's configuration with the session service's cluster
// under the name that a runner gives it.
func (s *scenario) config(t testing.TB, cluster string) []byte {
	config := merge(baseConfig(), s.Config)
	engine := config["engine"].(map[string]any)
	if signed, ok := engine["signed_cookies"].(map[string]any); !ok || signed["revocable"] == true {
		engine["service"].(map[string]any)["cluster"] = cluster
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// cached reports whether the scenario's proxy remembers sessions.
func (s *scenario) cached() bool {
	engine, _ := s.Config["engine"].(map[string]any)
	service, _ := engine["service"].(map[string]any)
	return service["cache"] != nil
}

func merge(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	for key, value := range over {
		if inner, ok := value.(map[string]any); ok {
			if below, ok := out[key].(map[string]any); ok {
				value = merge(below, inner)
			}
		}
		out[key] = value
	}
	return out
}

// coreTime is the time at which the core's scenarios play.
var coreTime = time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)

func TestCore(t *testing.T) {
	for _, s := range loadCorpus(t, "core") {
		t.Run(s.Name, func(t *testing.T) {
			count("core")
			config, err := filter.ParseConfig(string(s.config(t, "sessions")), nil)
			if err != nil {
				t.Fatalf("%s: %v", s.at, err)
			}
			b := newBackend(t, &s, func() time.Time { return coreTime })
			server := httptest.NewUnstartedServer(newCoreProxy(t, b, &s, config))
			listenHTTP2(server)
			server.Start()
			defer server.Close()
			play(t, &s, b, server.Listener.Addr().String())
		})
	}
}

// coreProxy is the least that makes a proxy of the core: it does what actions
// say, with net/http on both sides.
type coreProxy struct {
	t      *testing.T
	b      *backend
	s      *scenario
	routes *filter.Routes
	// lookups is nil where nothing is remembered.
	lookups *filter.Lookups[struct{}]
}

func newCoreProxy(t *testing.T, b *backend, s *scenario, config *filter.Config) *coreProxy {
	p := &coreProxy{t: t, b: b, s: s, routes: filter.NewRoutes(config)}
	b.inStep = true
	for _, service := range config.Cached() {
		p.lookups = filter.NewLookups[struct{}](service)
		p.lookups.Feed.Identify("core")
	}
	return p
}

// memory follows the feed, and gives what may be taken for known.
func (p *coreProxy) memory() filter.Memory {
	if p.lookups == nil {
		return filter.Memory{}
	}
	feed := &p.lookups.Feed
	feed.Won(feed.Lead("", coreTime) != "")
	if poll, ok := feed.Poll(coreTime); ok {
		poll.Body = strings.Replace(poll.Body, `"hold":1000`, `"hold":0`, 1)
		answer, spoil := p.lent(poll)
		feed.Polled(answer)
		spoil()
	}
	return filter.Memory{Cache: p.lookups.Cache, Trusted: feed.Trusted(coreTime)}
}

// decide does what an action asks of the session service until it is final.
func (p *coreProxy) decide(stream *filter.Stream, action filter.Action) filter.Action {
	for {
		for _, c := range action.Tell {
			p.call(c)
		}
		if action.Forget != "" && p.lookups != nil {
			p.lookups.Drop(action.Forget)
		}
		switch {
		case action.Verdict != filter.Wait:
			return action
		case action.Lookup != "" && p.lookups != nil:
			p.lookups.Join(action.Lookup, stream, struct{}{})
			answer, spoil := p.lent(*action.Callout)
			known, _, _ := p.lookups.Answer(action.Lookup, answer, coreTime)
			spoil()
			action = stream.LookedUp(known, coreTime)
		default:
			answer, spoil := p.lent(*action.Callout)
			action = done(stream.Reply(answer, coreTime))
			spoil()
		}
	}
}

func (p *coreProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	headers := filter.Headers{{":method", r.Method}, {":path", r.RequestURI}, {":scheme", "http"}, {":authority", r.Host}}
	for name, values := range r.Header {
		for _, value := range values {
			headers = append(headers, [2]string{strings.ToLower(name), value})
		}
	}
	var stream filter.Stream
	borrowed, spoil := lend(headers)
	action := done(stream.Request(borrowed, p.route(r.URL.Path), p.memory(), coreTime))
	spoil()
	action = p.decide(&stream, action)
	if action.Verdict != filter.Continue {
		p.reply(w, action.Reply)
		return
	}
	status, response, body := p.forward(r, edit(headers, action.Edits))
	action = filter.Action{Verdict: filter.Continue}
	if !stream.SkipsResponse() {
		borrowed, spoil := lend(response)
		action = done(stream.Response(borrowed, coreTime))
		spoil()
		action = p.decide(&stream, action)
	}
	if action.Verdict != filter.Continue {
		p.reply(w, action.Reply)
		return
	}
	for _, field := range edit(response, action.Edits) {
		if field[0][0] != ':' && field[0] != "content-length" && field[0] != "date" {
			w.Header().Add(field[0], field[1])
		}
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// lend gives headers whose text lies in memory that is spoilt when the core has decided,
// as that of a host is used for the next stream.
func lend(h filter.Headers) (borrowed filter.Headers, spoil func()) {
	var memory []byte
	for _, field := range h {
		memory = append(append(memory, field[0]...), field[1]...)
	}
	rest := unsafe.String(unsafe.SliceData(memory), len(memory))
	for _, field := range h {
		name, end := len(field[0]), len(field[0])+len(field[1])
		borrowed = append(borrowed, [2]string{rest[:name], rest[name:end]})
		rest = rest[end:]
	}
	return borrowed, func() {
		for i := range memory {
			memory[i] = '!'
		}
	}
}

// lent gives the answer to a callout, in such memory.
func (p *coreProxy) lent(c filter.Callout) (a filter.Answer, spoil func()) {
	a = p.call(c)
	borrowed, spoil := lend(filter.Headers{{a.Status, a.Body}})
	return filter.Answer{Status: borrowed[0][0], Body: borrowed[0][1]}, spoil
}

// done gives an action of which all is done that a host does at once.
func done(a filter.Action) filter.Action {
	switch a.Verdict {
	case filter.Continue:
		a.Edits = slices.Clone(a.Edits)
		for i, e := range a.Edits {
			a.Edits[i].Name, a.Edits[i].Value = strings.Clone(e.Name), strings.Clone(e.Value)
		}
	case filter.Deny:
		r := *a.Reply
		r.Body, r.Headers = strings.Clone(r.Body), slices.Clone(r.Headers)
		for i, field := range r.Headers {
			r.Headers[i] = [2]string{strings.Clone(field[0]), strings.Clone(field[1])}
		}
		a.Reply = &r
	}
	return a
}

// route gives the configuration of the scenario's first route that matches.
func (p *coreProxy) route(path string) *filter.Route {
	for _, r := range p.s.Routes {
		if path == r.Path || (r.Prefix != "" && strings.HasPrefix(path, r.Prefix)) {
			route, _ := p.routes.Lookup(r.Name, metadataBytes(p.t, r.Metadata))
			return route
		}
	}
	route, _ := p.routes.Lookup("", nil)
	return route
}

func (p *coreProxy) call(c filter.Callout) filter.Answer {
	if c.To.Cluster != "sessions" {
		return filter.Answer{}
	}
	client := http.Client{Timeout: c.Timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequest(http.MethodPost, p.b.service+c.Path, strings.NewReader(c.Body))
	if err != nil {
		p.t.Error(err)
		return filter.Answer{}
	}
	request.Header.Set("Authorization", c.To.Authorization)
	response, err := client.Do(request)
	if err != nil {
		return filter.Answer{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return filter.Answer{}
	}
	return filter.Answer{Status: strconv.Itoa(response.StatusCode), Body: string(body)}
}

func (p *coreProxy) reply(w http.ResponseWriter, r *filter.LocalReply) {
	for _, field := range r.Headers {
		w.Header().Add(field[0], field[1])
	}
	if r.GRPCStatus != filter.NoGRPC {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", strconv.Itoa(r.GRPCStatus))
		w.Header().Set("Grpc-Message", r.Body)
		return
	}
	w.WriteHeader(r.Status)
	_, _ = io.WriteString(w, r.Body)
}

func (p *coreProxy) forward(r *http.Request, headers filter.Headers) (int, filter.Headers, string) {
	request, err := http.NewRequest(r.Method, p.b.upstream.URL+r.RequestURI, nil)
	if err != nil {
		p.t.Error(err)
		return http.StatusBadGateway, nil, ""
	}
	for _, field := range headers {
		if field[0][0] != ':' {
			request.Header.Add(field[0], field[1])
		}
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		p.t.Error(err)
		return http.StatusBadGateway, nil, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Error(err)
	}
	out := filter.Headers{{":status", fmt.Sprint(response.StatusCode)}}
	for name, values := range response.Header {
		for _, value := range values {
			out = append(out, [2]string{strings.ToLower(name), value})
		}
	}
	return response.StatusCode, out, string(body)
}

// edit gives headers with the edits made.
func edit(headers filter.Headers, edits []filter.Edit) filter.Headers {
	for _, e := range edits {
		if e.Op != filter.Add {
			var kept filter.Headers
			for _, field := range headers {
				if field[0] != e.Name {
					kept = append(kept, field)
				}
			}
			headers = kept
		}
		if e.Op != filter.Remove {
			headers = append(headers, [2]string{e.Name, e.Value})
		}
	}
	return headers
}
