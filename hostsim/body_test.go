package hostsim_test

import (
	"strings"
	"testing"
)

func TestBodies(t *testing.T) {
	for _, c := range []stepTest{
		{
			name: "a pause keeps all until the end of the body", method: "POST", body: "hello",
			header: []string{"probe-request-body: body req 1 3; get req :path; pause",
				"probe-request-body-end: call calls /c 1000; pause", "probe-call: effective last; body req 0 99; resume"},
			log: []string{
				"request-body: size=5 end=false",
				"request-body: body req 1 3 -> ell",
				"request-body: get req :path -> " + badArgument,
				"request-body-end: size=5 end=true",
				"request-body-end: call calls /c 1000",
				"call: answer headers=true body=8 trailers=0 status=200 POST /c ",
				"call: effective last",
				"call: body req 0 99 -> hello",
				"call: resume",
			},
			answer: "POST / hello",
		},
		{
			name: "replace, prepend, append", method: "POST", body: "abc",
			header: []string{"probe-request-headers: remove req content-length",
				"probe-request-body: setbody req prepend P; setbody req append A; body req 0 9"},
			log: []string{
				"request-headers: remove req content-length",
				"request-body: size=3 end=false",
				"request-body: setbody req prepend P",
				"request-body: setbody req append A",
				"request-body: body req 0 9 -> PabcA",
				"request-body: size=0 end=true",
				"request-body: setbody req prepend P",
				"request-body: setbody req append A",
				"request-body: body req 0 9 -> PA",
			},
			answer: "POST / PabcAPA",
		},
		{
			name: "a response body",
			header: []string{"probe-response-headers: remove resp content-length",
				"probe-response-body: setbody resp replace ZZ"},
			log: []string{
				"response-headers: remove resp content-length",
				"response-body: size=6 end=false",
				"response-body: setbody resp replace ZZ",
				"response-body: size=0 end=true",
				"response-body: setbody resp replace ZZ",
			},
			answer: "ZZZZ",
		},
		{
			name: "a paused request body is bounded", method: "POST", body: strings.Repeat("x", 3<<20),
			header: []string{"probe-request-body: pause"}, status: 413, answer: "Payload Too Large",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newProbe(t, nil)
			c.check(t, h)
			if c.log == nil {
				return // chunks of any size
			}
			wantTranscript(t, h, c.log...)
		})
	}
}
