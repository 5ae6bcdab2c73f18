package hostsim_test

import "testing"

func TestLocalReplies(t *testing.T) {
	for _, c := range []stepTest{
		{
			name: "it takes effect after the callback and passes the response callbacks",
			header: []string{
				"probe-request-headers: reply 403 -1 x-a=1,X-B=2 denied body; set req a b; say on",
				"probe-response-headers: pairs resp; set resp x-mine 1",
				"probe-response-body: body resp 0 100",
				"probe-done: hexprop response/code",
			},
			log: []string{
				"request-headers: reply 403 -1 x-a=1,X-B=2 denied body",
				"request-headers: set req a b",
				"request-headers: say on -> on",
				"response-headers: pairs resp -> [[:status 403] [x-a 1] [x-b 2] [content-length 11] [content-type text/plain]]",
				"response-headers: set resp x-mine 1",
				"response-body: size=11 end=true",
				"response-body: body resp 0 100 -> denied body",
				"done: hexprop response/code -> 9301000000000000",
			},
			status: 403, answer: "denied body", want: []string{"x-mine: 1", "content-length: 11", "content-type: text/plain"},
		},
		{
			name:   "without a body there is no content type",
			header: []string{"probe-request-headers: reply 302 -1 location=/l,content-type=text/html"},
			log:    []string{"request-headers: reply 302 -1 location=/l,content-type=text/html"},
			status: 302, want: []string{"location: /l"}, absent: []string{"Content-Type"},
		},
		{
			name:   "its own content type is kept, its content length is not",
			header: []string{`probe-request-headers: reply 401 -1 content-type=application/json,content-length=99 {"a":1}`},
			log:    []string{`request-headers: reply 401 -1 content-type=application/json,content-length=99 {"a":1}`},
			status: 401, answer: `{"a":1}`, want: []string{"content-type: application/json", "content-length: 7"},
		},
		{
			name: "HEAD gets the headers only", method: "HEAD",
			header: []string{"probe-request-headers: reply 403 -1 x-a=1 denied", "probe-response-body: say body"},
			log:    []string{"request-headers: reply 403 -1 x-a=1 denied"},
			status: 403, want: []string{"content-length: 6"},
		},
		{
			name: "gRPC gets 200 with the status of the HTTP code", method: "POST", body: "hello",
			header: []string{"content-type: application/grpc", "probe-request-headers: reply 401 -1 x-a=1 den%ied\u00e9"},
			log:    []string{"request-headers: reply 401 -1 x-a=1 den%ied\u00e9"},
			want: []string{"content-type: application/grpc", "grpc-status: 16", "grpc-message: den%25ied%C3%A9",
				"x-a: 1", "connection: close"},
		},
		{
			name: "gRPC gets the requested status", method: "POST", body: "hello",
			header: []string{"content-type: application/grpc+proto", "probe-request-headers: reply 401 7 content-type=a/b"},
			log:    []string{"request-headers: reply 401 7 content-type=a/b"},
			want:   []string{"content-type: application/grpc", "grpc-status: 7"}, absent: []string{"Grpc-Message"},
		},
		{
			name: "gRPC-Web is not gRPC", method: "POST", body: "hello",
			header: []string{"content-type: application/grpc-web", "probe-request-headers: reply 401 16 x-a=1 body"},
			log:    []string{"request-headers: reply 401 16 x-a=1 body"},
			status: 401, answer: "body", absent: []string{"Grpc-Status"},
		},
		{
			name:   "in response headers it does not pass the filter",
			header: []string{"probe-response-headers: reply 500 -1 x-a=1 direct", "probe-response-body: say body"},
			log:    []string{"response-headers: reply 500 -1 x-a=1 direct"},
			status: 500, answer: "direct", want: []string{"x-a: 1"}, absent: []string{"X-App"},
		},
		{
			name: "in the request's body", method: "POST", body: "abc",
			header: []string{"probe-request-body: reply 413 -1 x-a=1 toolarge", "probe-response-headers: get resp :status"},
			log: []string{
				"request-body: size=3 end=false",
				"request-body: reply 413 -1 x-a=1 toolarge",
				"response-headers: get resp :status -> 413",
			},
			status: 413, answer: "toolarge",
		},
		{
			name:   "the second of two is ignored",
			header: []string{"probe-request-headers: reply 401 -1 a=1 one; reply 402 -1 a=2 two"},
			log:    []string{"request-headers: reply 401 -1 a=1 one", "request-headers: reply 402 -1 a=2 two"},
			status: 401, answer: "one", want: []string{"a: 1"},
		},
		{
			name: "its own response headers can pause it",
			header: []string{
				"probe-request-headers: reply 401 -1 a=1 one",
				"probe-response-headers: call calls / 1000; pause",
				"probe-call: effective last; resume resp",
				"probe-response-body: body resp 0 10",
			},
			log: []string{
				"request-headers: reply 401 -1 a=1 one",
				"response-headers: call calls / 1000",
				"call: answer headers=true body=7 trailers=0 status=200 POST / ",
				"call: effective last",
				"call: resume resp",
				"response-body: size=3 end=true",
				"response-body: body resp 0 10 -> one",
			},
			status: 401, answer: "one",
		},
	} {
		c.run(t)
	}
}
