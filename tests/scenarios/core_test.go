package scenarios

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/filter/worker"
)

// baseConfig is the configuration that every scenario's is merged into.
func baseConfig() map[string]any {
	return map[string]any{
		"engine":   map[string]any{"service": map[string]any{"timeout": "400ms", "token": serviceToken}},
		"cookie":   map[string]any{"secure": false},
		"logout":   map[string]any{"path": "/logout/", "redirect": "/bye/"},
		"identity": map[string]any{"data_keys": []string{"*"}},
	}
}

// config returns a scenario's configuration with the session service's cluster under the name that
// a runner uses.
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

// cached reports whether the scenario's proxy caches sessions.
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

// coreTime is the time at which the core's scenarios run.
var coreTime = time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)

func TestCore(t *testing.T) {
	for _, s := range loadCorpus(t, "core") {
		t.Run(s.Name, func(t *testing.T) {
			count("core")
			config, err := config.Parse(string(s.config(t, "sessions")), nil)
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

// coreProxy is a minimal proxy around a worker: it carries out its outputs, with net/http in both
// directions. Waiting calls get their responses before the next event.
type coreProxy struct {
	t      *testing.T
	b      *backend
	s      *scenario
	mu     sync.Mutex // the worker has one thread
	worker *worker.Worker
	shared map[string]string
	poll   *worker.Call // of the feed, which is sent with the next request
}

func newCoreProxy(t *testing.T, b *backend, s *scenario, config *config.Config) *coreProxy {
	b.inStep = true
	return &coreProxy{t: t, b: b, s: s, worker: worker.New(config, worker.Options{ID: "core"}), shared: map[string]string{}}
}

// tick runs the worker's tick, and polls the feed once.
func (p *coreProxy) tick() {
	var shared []worker.SharedData
	for _, key := range p.worker.SharedKeys() {
		shared = append(shared, worker.SharedData{Value: p.shared[key]})
	}
	p.perform(p.worker.Tick(shared, coreTime), nil)
	if c := p.poll; c != nil {
		p.poll = nil
		c.Body = regexp.MustCompile(`"hold":[0-9]+`).ReplaceAllString(c.Body, `"hold":0`)
		p.callout(c, nil)
	}
}

// coreStream is a stream and its state.
type coreStream struct {
	worker.Stream
	request filter.Headers
	action  filter.Action
	decided bool
}

// perform carries out an output, and all that follows, for the single stream.
func (p *coreProxy) perform(o *worker.Output, s *coreStream) {
	if s != nil && o.Decided {
		p.decide(s, o.Action)
	}
	for _, step := range o.Resumed {
		p.decide(s, step.Action)
	}
	for _, write := range o.Writes {
		p.shared[write.Key] = write.Value
		if write.Lease {
			defer func() { p.perform(p.worker.Written(write, true, coreTime), s) }()
		}
	}
	for _, c := range slices.Clone(o.Calls) {
		switch {
		case c.Path == "/v1/feed":
			p.poll = c
		case c.To.Cluster != "sessions":
			p.perform(p.worker.Refused(c, filter.NoCluster, coreTime), s)
		default:
			p.callout(c, s)
		}
	}
}

func (p *coreProxy) decide(s *coreStream, action filter.Action) {
	spoil := func() {}
	if action.Verdict == filter.ReadHeaders {
		var borrowed filter.Headers
		borrowed, spoil = borrow(s.request)
		action = p.worker.Complete(&s.Stream, borrowed)
	}
	s.decided, s.action = true, done(action)
	spoil()
	if action.Verdict == filter.Continue {
		s.Resumed()
	}
}

// callout sends a callout and passes the response to the worker, in memory that is overwritten
// afterwards.
func (p *coreProxy) callout(c *worker.Call, s *coreStream) {
	a := p.call(c)
	borrowed, spoil := borrow(filter.Headers{{a.Status, a.Body}})
	p.perform(p.worker.CalloutDone(c, filter.Answer{Status: borrowed[0][0], Body: borrowed[0][1]}, coreTime), s)
	spoil()
}

func (p *coreProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick()
	headers := filter.Headers{{":method", r.Method}, {":path", r.RequestURI}, {":scheme", "http"}, {":authority", r.Host}}
	for name, values := range r.Header {
		for _, value := range values {
			headers = append(headers, [2]string{strings.ToLower(name), value})
		}
	}
	s := &coreStream{request: headers}
	defer func() {
		p.worker.StreamDone(&s.Stream)
		p.tick() // sends what was deferred
	}()
	borrowed, spoil := borrow(headers)
	p.perform(p.worker.Request(&s.Stream, borrowed, p.route(r.URL.Path), coreTime), s)
	spoil()
	edits := s.action.Edits
	defer func() { p.b.loggedByCore(r.Header.Get(markHeader), s.action, edits) }()
	if !s.decided || s.action.Verdict != filter.Continue {
		p.reply(w, s.action.Reply)
		return
	}
	status, response, body := p.forward(r, edit(headers, s.action.Edits))
	s.decided, s.action = true, filter.Action{Verdict: filter.Continue}
	if !s.SkipsResponse() {
		s.decided = false
		borrowed, spoil := borrow(response)
		p.perform(p.worker.Response(&s.Stream, borrowed, coreTime), s)
		spoil()
	}
	if !s.decided || s.action.Verdict != filter.Continue {
		p.reply(w, s.action.Reply)
		return
	}
	for _, field := range edit(response, s.action.Edits) {
		if field[0][0] != ':' && field[0] != "content-length" && field[0] != "date" {
			w.Header().Add(field[0], field[1])
		}
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// borrow returns headers whose text is in memory that spoil overwrites after the core has decided,
// as a host reuses it for the next stream.
func borrow(h filter.Headers) (borrowed filter.Headers, spoil func()) {
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

// done returns an action without the parts that a host carries out at once.
func done(a filter.Action) filter.Action {
	a.Edits = slices.Clone(a.Edits)
	for i, e := range a.Edits {
		a.Edits[i].Name, a.Edits[i].Value = strings.Clone(e.Name), strings.Clone(e.Value)
	}
	if a.Verdict == filter.Deny {
		r := filter.LocalReply{Status: http.StatusServiceUnavailable, GRPCStatus: filter.NoGRPC}
		if a.Reply != nil {
			r = *a.Reply
		}
		r.Body, r.Headers = strings.Clone(r.Body), slices.Clone(r.Headers)
		for i, field := range r.Headers {
			r.Headers[i] = [2]string{strings.Clone(field[0]), strings.Clone(field[1])}
		}
		a.Reply = &r
	}
	return a
}

// route returns the configuration of the scenario's first route that matches.
func (p *coreProxy) route(path string) *config.Route {
	for _, r := range p.s.Routes {
		if path == r.Path || (r.Prefix != "" && strings.HasPrefix(path, r.Prefix)) {
			route, _ := p.worker.Route(r.Name, metadataBytes(p.t, r.Metadata))
			return route
		}
	}
	route, _ := p.worker.Route("", nil)
	return route
}

func (p *coreProxy) call(c *worker.Call) filter.Answer {
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

// edit returns headers with the edits applied.
func edit(headers filter.Headers, edits []filter.Edit) filter.Headers {
	for _, e := range edits {
		if e.Op == filter.State {
			continue
		}
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
