package hostsim_test

import "testing"

func TestCallouts(t *testing.T) {
	const unreachable = "upstream connect error or disconnect/reset before headers. reset reason: "
	for _, c := range []stepTest{
		{
			name:   "the request waits, and is edited and resumed by its id",
			header: []string{"probe-request-headers: call calls /c 1000 payload; pause", "probe-call: effective last; get req :path; set req :path /b; resume; get req :path"},
			log: []string{
				"request-headers: call calls /c 1000 payload",
				"call: answer headers=true body=15 trailers=0 status=200 POST /c payload",
				"call: effective last",
				"call: get req :path -> /",
				"call: set req :path /b",
				"call: resume",
				"call: get req :path -> " + badArgument,
			},
			answer: "GET /b ",
		},
		{
			name:   "the response waits",
			header: []string{"probe-response-headers: call calls /c 1000; pause", "probe-call: effective last; set resp x-late 1; resume resp; get resp :status"},
			log: []string{
				"response-headers: call calls /c 1000",
				"call: answer headers=true body=8 trailers=0 status=200 POST /c ",
				"call: effective last",
				"call: set resp x-late 1",
				"call: resume resp",
				"call: get resp :status -> 200",
			},
			answer: "GET / ", want: []string{"x-late: 1"},
		},
		{
			name:   "answered by a local reply",
			header: []string{"probe-request-headers: call calls /c 1000; pause", "probe-call: effective last; reply 403 -1 x=y nope"},
			log: []string{
				"request-headers: call calls /c 1000",
				"call: answer headers=true body=8 trailers=0 status=200 POST /c ",
				"call: effective last",
				"call: reply 403 -1 x=y nope",
			},
			status: 403, answer: "nope", want: []string{"x: y"},
		},
		{
			name:   "unknown cluster, missing pseudo header",
			header: []string{"probe-request-headers: call nope / 1000; call calls none 1000"},
			log: []string{
				"request-headers: call nope / 1000 -> " + badArgument,
				"request-headers: call calls none 1000 -> " + badArgument,
			},
		},
		{
			name:   "connection refused",
			header: []string{"probe-request-headers: call dead / 1000; pause", "probe-call: effective last; resume"},
			log: []string{
				"request-headers: call dead / 1000",
				"call: answer headers=true body=98 trailers=0 status=503 " + unreachable + "remote connection failure",
				"call: effective last",
				"call: resume",
			},
		},
		{
			name:   "timeout",
			header: []string{"probe-request-headers: call calls /hang 20; pause", "probe-call: effective last; resume"},
			log: []string{
				"request-headers: call calls /hang 20",
				"call: answer headers=true body=24 trailers=0 status=504 upstream request timeout",
				"call: effective last",
				"call: resume",
			},
		},
		{
			name:   "reset before the headers",
			header: []string{"probe-request-headers: call calls /reset 1000; pause", "probe-call: effective last; resume"},
			log: []string{
				"request-headers: call calls /reset 1000",
				"call: answer headers=true body=95 trailers=0 status=503 " + unreachable + "connection termination",
				"call: effective last",
				"call: resume",
			},
		},
		{
			name:   "cut off after the headers",
			header: []string{"probe-request-headers: call calls /half 1000; pause", "probe-call: effective last; resume"},
			log: []string{
				"request-headers: call calls /half 1000",
				"call: answer headers=false body=0 trailers=0 status= ",
				"call: effective last",
				"call: resume",
			},
		},
		{
			name:   "a response over 32 MiB",
			header: []string{"probe-request-headers: call calls /big 10000; pause", "probe-call: effective last; resume"},
			log: []string{
				"request-headers: call calls /big 10000",
				"call: answer headers=false body=0 trailers=0 status= ",
				"call: effective last",
				"call: resume",
			},
		},
	} {
		c.run(t)
	}
}

// A callout belongs to the root context: its response may arrive after the end of the stream.
func TestCalloutOutlivesStream(t *testing.T) {
	h := newProbe(t, nil)
	send(h, "GET", "/", "", "probe-done: call calls /c 1000", "probe-call: effective last")
	waitFor(t, func() bool { return len(h.Logs()) == 3 })
	wantTranscript(t, h,
		"done: call calls /c 1000",
		"call: answer headers=true body=8 trailers=0 status=200 POST /c ",
		"call: effective last -> "+badArgument)
}

func TestUpstreamFailures(t *testing.T) {
	for _, c := range []stepTest{
		{
			name: "connection refused", path: "/gone",
			header: []string{"probe-response-headers: pairs resp"},
			log:    []string{"response-headers: pairs resp -> [[:status 503] [content-length 98] [content-type text/plain]]"},
			status: 503, answer: "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
		},
		{
			name: "reset before the headers", path: "/reset",
			header: []string{"probe-done: prop response/code_details"},
			log:    []string{`done: prop response/code_details -> "upstream_reset_before_response_started{connection_termination}"`},
			status: 503, answer: "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
		},
		{name: "no content", path: "/empty", status: 204, header: []string{"probe-response-body: say body"}},
		{name: "the path is forwarded unchanged", path: "/a%2Fb//c?d=%20&e", answer: "GET /a%2Fb//c?d=%20&e "},
		{
			name: "HEAD", method: "HEAD", header: []string{"probe-response-headers: get resp content-length", "probe-response-body: say body"},
			log: []string{"response-headers: get resp content-length -> 7"}, want: []string{"content-length: 7"},
		},
	} {
		c.run(t)
	}
}
