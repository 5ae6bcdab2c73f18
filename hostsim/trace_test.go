package hostsim_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cloakroom/hostsim"
	"cloakroom/internal/golden"
)

// TestTranscript compares the transcript of a request with host calls of every shape.
func TestTranscript(t *testing.T) {
	var transcript hostsim.Transcript
	h := newProbe(t, func(c *hostsim.Config) {
		c.Trace, c.Clock = transcript.Add, hostsim.NewVirtualClock(time.Unix(1700000000, 0))
		c.Plugins[0].Configuration = []byte("configure: say up")
	})
	transcript.Add("-- the request")
	r := request("POST", "/page?q=1", "hello", "x-request-id: one",
		"probe-request-headers: set req x-new 1; prop xds/route_name; shset k v 0; shget k; metric counter c 1; call calls /echo 1000 payload; pause",
		"probe-call: effective last; get req x-none; resume", "probe-request-body: body req 0 100",
		"probe-response-headers: pairs resp; reply 403 -1 x-a=1 denied")
	r.ContentLength = -1 // the body's end is an event of its own, which the upstream waits for
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != 403 {
		t.Fatalf("got %d, want 403", rec.Code)
	}
	transcript.Golden(t, "testdata/transcript.golden", golden.Updating())
}

// fakeTest records the errors of Golden.
type fakeTest struct{ said strings.Builder }

func (f *fakeTest) Helper()                           {}
func (f *fakeTest) Errorf(format string, args ...any) { f.said.WriteString(format) }
func (f *fakeTest) Fatalf(format string, args ...any) { f.said.WriteString(format) }

func TestGolden(t *testing.T) {
	file := t.TempDir() + "/x/y.golden"
	var transcript hostsim.Transcript
	transcript.Add("one")
	for i, step := range []struct {
		update bool
		add    string
		fails  bool
	}{{false, "", true}, {true, "", false}, {false, "", false}, {false, "two", true}, {true, "", false}, {false, "", false}} {
		if step.add != "" {
			transcript.Add(step.add)
		}
		var test fakeTest
		transcript.Golden(&test, file, step.update)
		if failed := test.said.Len() > 0; failed != step.fails {
			t.Errorf("step %d: said %q", i+1, test.said.String())
		}
	}
}

// The lines of each worker, and those of base VMs and canaries, have their prefix.
func TestTranscriptOfWorkers(t *testing.T) {
	var transcript hostsim.Transcript
	h := newProbe(t, func(c *hostsim.Config) { c.Trace, c.Workers = transcript.Add, 2 })
	for range 2 {
		send(h, "GET", "/", "")
	}
	for _, want := range []string{"trial _initialize()\n", "\nworker 0 proxy_on_request_headers(", "\nworker 1 proxy_on_request_headers("} {
		if !strings.Contains(transcript.String(), want) {
			t.Errorf("no %q in:\n%s", want, transcript.String())
		}
	}
}
