package scenarios

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is the deadline of polling.
const patience = 20 * time.Second

// play runs a scenario through a proxy at an address and checks the results.
func play(t *testing.T, s *scenario, b *backend, address string) {
	t.Helper()
	b.start(t, s)
	for i, step := range s.Steps {
		at := fmt.Sprintf("%s: step %d, %s", s.at, i+1, step.Request)
		before := map[string]time.Time{}
		for name := range step.Want.Store {
			if v, err := b.store.Load(t.Context(), b.keys[name]); err == nil {
				before[name] = v.Expires
			}
		}
		b.begin(step)
		if step.Revoke != "" {
			b.revoke(t, step.Revoke, b.revocation(s, step.Revoke))
		}
		if step.RevokeUser != "" {
			b.revoke(t, "user "+step.RevokeUser, `{"user":"`+step.RevokeUser+`","age":1209600}`)
		}
		if s.cached() {
			b.follows(t)
		}
		marked, mark := b.mark(step)
		response, body, err := send(address, b, marked)
		if err != nil {
			t.Fatalf("%s: %v\n(%s)", at, err, s.About)
		}
		b.keep(response)
		problems := checkResponse(b, step.Want, response, body)
		problems = append(problems, checkBackend(b, step.Want, before)...)
		problems = append(problems, checkAccess(b, mark, step.Want)...)
		for _, problem := range problems {
			t.Errorf("%s: %s\n(%s)", at, problem, s.About)
		}
	}
}

// send sends the step's request.
func send(address string, b *backend, s step) (*http.Response, string, error) {
	if s.HTTP2 {
		return sendHTTP2(address, b, s)
	}
	return sendHTTP1(address, b, s)
}

// sendHTTP1 sends the request byte by byte: client libraries would repair what scenarios break.
func sendHTTP1(address string, b *backend, s step) (*http.Response, string, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, "", err
	}
	method, target, _ := strings.Cut(s.Request, " ")
	text := method + " " + target + " HTTP/1.1\r\n"
	hasHost := false
	for _, line := range s.Headers {
		hasHost = hasHost || strings.HasPrefix(strings.ToLower(line), "host:")
		text += b.fill(line) + "\r\n"
	}
	if !hasHost {
		text += "Host: site.test\r\n"
	}
	if method == http.MethodPost {
		text += "Content-Length: 0\r\n"
	}
	if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
		return nil, "", err
	}
	return receive(http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method}))
}

// sendHTTP2 sends the request with Go's client, which splits cookies into crumbs as browsers do.
func sendHTTP2(address string, b *backend, s step) (*http.Response, string, error) {
	method, target, _ := strings.Cut(s.Request, " ")
	request, err := http.NewRequest(method, "http://"+address+target, nil)
	if err != nil {
		return nil, "", err
	}
	request.Host = "site.test"
	for _, line := range s.Headers {
		name, value, _ := strings.Cut(b.fill(line), ":")
		request.Header.Add(name, strings.TrimSpace(value))
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	return receive((&http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(request))
}

func receive(response *http.Response, err error) (*http.Response, string, error) {
	if err != nil {
		return nil, "", fmt.Errorf("no response: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// listenHTTP2 makes a test server accept HTTP/2 without TLS as well.
func listenHTTP2(server *httptest.Server) {
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
}

func checkResponse(b *backend, w want, response *http.Response, body string) (problems []string) {
	if response.StatusCode != w.Status {
		problems = append(problems, fmt.Sprintf("status %d, want %d; body %.200q", response.StatusCode, w.Status, body))
	}
	if !strings.Contains(body, w.Body) {
		problems = append(problems, fmt.Sprintf("body %.200q, want %q in it", body, w.Body))
	}
	// In no scenario may the client get these.
	for _, name := range []string{"x-session", "x-user-id", "x-session-set", "x-session-login", "x-session-flush", "x-session-expiry"} {
		if values := response.Header.Values(name); len(values) > 0 {
			problems = append(problems, fmt.Sprintf("the client got %s: %q", name, values))
		}
	}
	return append(problems, checkHeaders(b, "response", w.Headers, response.Header)...)
}

func checkBackend(b *backend, w want, before map[string]time.Time) (problems []string) {
	// Callouts that no request waits for may arrive after the response.
	deadline := time.Now().Add(patience)
	calls, seen, leaked := b.observed()
	for len(calls) < len(w.Calls) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
		calls, seen, leaked = b.observed()
	}
	if !slices.EqualFunc(calls, w.Calls, func(got call, want string) bool {
		path, body, hasBody := strings.Cut(b.fill(want), " ")
		return got.path == path && (!hasBody || got.body == body)
	}) {
		problems = append(problems, fmt.Sprintf("the session service got the calls %q, want %q", calls, w.Calls))
	}
	if (len(seen) > 0) != w.Reached {
		problems = append(problems, fmt.Sprintf("requests that reached the upstream: %d, want reached: %v", len(seen), w.Reached))
	}
	if len(seen) > 0 {
		problems = append(problems, checkHeaders(b, "upstream", w.Upstream, seen[0])...)
		problems = append(problems, checkTokens(b, w.Tokens, seen[0])...)
	}
	problems = append(problems, leaked...)
	for name, state := range w.Store {
		got := b.state(name, before[name])
		for got != state && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
			got = b.state(name, before[name])
		}
		if got != state {
			problems = append(problems, fmt.Sprintf("session %s is %s, want %s", name, got, state))
		}
	}
	return problems
}

func checkHeaders(b *backend, where string, wanted map[string]*string, header http.Header) (problems []string) {
	for name, value := range wanted {
		got := header.Values(name)
		switch {
		case value == nil && len(got) > 0:
			problems = append(problems, fmt.Sprintf("%s header %s: %q, want none", where, name, got))
		case value == nil:
		case len(got) == 0:
			problems = append(problems, fmt.Sprintf("%s header %s is missing, want %q", where, name, *value))
		case !matches(b.fill(*value), strings.Join(got, " | ")):
			problems = append(problems, fmt.Sprintf("%s header %s: %q, want %q", where, name, strings.Join(got, " | "), b.fill(*value)))
		}
	}
	return problems
}

func matches(wanted, got string) bool {
	if pattern, ok := strings.CutPrefix(wanted, "~"); ok {
		return regexp.MustCompile(pattern).MatchString(got)
	}
	return got == wanted
}
