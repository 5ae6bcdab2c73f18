package hostsim_test

import (
	"net/http"
	"strings"
	"testing"
)

const (
	badArgument = "ERROR error status returned by host: bad argument"
	notFound    = "ERROR error status returned by host: not found"
)

// stepTest is a request with scripts for the probe, and the log that is wanted. Envoy 1.40.0
// logs the same lines with the same probe.
type stepTest struct {
	name   string
	method string // GET
	path   string // /
	body   string
	header []string
	log    []string // the whole log
	status int      // 200
	answer string   // the response's body; "" is not compared
	want   []string // headers of the response, "name: value"
	absent []string // headers that the response must not have
}

func (c stepTest) run(t *testing.T) {
	t.Run(c.name, func(t *testing.T) {
		h := newProbe(t, nil)
		c.check(t, h)
		wantTranscript(t, h, c.log...)
	})
}

// or is s, or the other where s is empty.
func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func TestHeaderMaps(t *testing.T) {
	for _, c := range []stepTest{
		{
			name: "live in their callbacks and in the log phase",
			header: []string{
				"probe-request-headers: get req :path; get resp x",
				"probe-response-headers: get req :path; pairs req; get resp :status",
				"probe-done: get req :path; get resp :status; get req none; set req a b",
			},
			log: []string{
				"request-headers: get req :path -> /",
				"request-headers: get resp x -> " + badArgument,
				"response-headers: get req :path -> " + badArgument,
				"response-headers: pairs req -> " + notFound, // the SDK's result for OK and an empty list
				"response-headers: get resp :status -> 200",
				"done: get req :path -> /",
				"done: get resp :status -> 200",
				"done: get req none -> " + notFound,
				"done: set req a b -> " + badArgument,
			},
		},
		{
			name: "first value, empty value, lower case, set goes to the end",
			header: []string{"x-d: 1", "x-d: 2", "x-e:",
				"probe-request-headers: get req X-D; get req x-e; add req x-d 3; set req x-d 9; names req"},
			log: []string{
				"request-headers: get req X-D -> 1",
				"request-headers: get req x-e",
				"request-headers: add req x-d 3",
				"request-headers: set req x-d 9",
				"request-headers: names req -> :authority :path :method :scheme x-e x-forwarded-proto x-request-id x-d",
			},
		},
		{
			name: "inline headers join their values, cookies do not",
			header: []string{"accept: 1",
				"probe-request-headers: add req accept 2; get req accept; add req cookie a=1; add req cookie b=2; get req cookie"},
			log: []string{
				"request-headers: add req accept 2",
				"request-headers: get req accept -> 1,2",
				"request-headers: add req cookie a=1",
				"request-headers: add req cookie b=2",
				"request-headers: get req cookie -> a=1",
			},
		},
		{
			name:   "host is another name of :authority",
			header: []string{"probe-request-headers: set req host third; get req :authority; set req :authority other; get req host"},
			log: []string{
				"request-headers: set req host third",
				"request-headers: get req :authority -> third",
				"request-headers: set req :authority other",
				"request-headers: get req host -> other",
			},
		},
		{
			name: "hop-by-hop headers are not forwarded",
			header: []string{"connection: x-foo", "x-foo: 1", "te: trailers", "keep-alive: 3", "proxy-connection: q",
				"x-envoy-internal: true", "x-forwarded-for: 9.9.9.9", "probe-request-headers: names req"},
			log: []string{"request-headers: names req -> :authority :path :method :scheme te x-forwarded-for x-forwarded-proto x-request-id"},
		},
		{
			name:   "an effective context must exist",
			header: []string{"probe-request-headers: effective 999; effective 1; get req :path; effective last; get req :path"},
			log: []string{
				"request-headers: effective 999 -> " + badArgument,
				"request-headers: effective 1",
				"request-headers: get req :path -> " + badArgument,
				"request-headers: effective last",
				"request-headers: get req :path -> /",
			},
		},
		{
			name:   "what the router requires",
			header: []string{"probe-request-headers: remove req :method"},
			log:    []string{"request-headers: remove req :method"},
			status: 503,
		},
		{
			name:   "a changed path is routed again",
			header: []string{"probe-request-headers: set req :path nothing"},
			log:    []string{"request-headers: set req :path nothing"},
			status: 404,
		},
		{
			name:   "a response needs a status",
			header: []string{"probe-response-headers: set resp :status abc"},
			log:    []string{"response-headers: set resp :status abc"},
			status: 502, answer: "missing required header: :status",
		},
		{
			name:   "a response's status can be changed",
			header: []string{"probe-response-headers: set resp :status 418; set resp x-app 2"},
			log:    []string{"response-headers: set resp :status 418", "response-headers: set resp x-app 2"},
			status: 418, want: []string{"x-app: 2", "server: envoy"},
		},
	} {
		c.run(t)
	}
}

// check sends the request and compares the response.
func (c stepTest) check(t *testing.T, h http.Handler) {
	t.Helper()
	resp := send(h, or(c.method, "GET"), or(c.path, "/"), c.body, c.header...)
	status := c.status
	if status == 0 {
		status = 200
	}
	if got := resp.StatusCode; got != status {
		t.Errorf("status: got %d, want %d", got, status)
	}
	if got := text(t, resp); c.answer != "" && got != c.answer {
		t.Errorf("answer: got %q, want %q", got, c.answer)
	}
	for _, line := range c.want {
		name, value, _ := strings.Cut(line, ": ")
		if got := strings.Join(resp.Header.Values(name), ","); got != value {
			t.Errorf("header %s: got %q, want %q", name, got, value)
		}
	}
	for _, name := range c.absent {
		if got := resp.Header[name]; len(got) > 0 {
			t.Errorf("header %s: got %q, want none", name, got)
		}
	}
}
