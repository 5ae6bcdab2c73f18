package hostsim_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"cloakroom/hostsim"
	"cloakroom/internal/probe"
)

// probeWasm is the probe plugin of testdata/probe, compiled once for all tests.
var probeWasm []byte

func TestMain(m *testing.M) {
	var err error
	if probeWasm, err = probe.Module(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// app is the upstream of the tests: it responds with what it received, or fails in the way that
// the path names.
func app(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	switch r.URL.Path {
	case "/reset":
		panic(http.ErrAbortHandler)
	case "/half":
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
		control.Flush()
		panic(http.ErrAbortHandler)
	case "/hang":
		<-r.Context().Done()
	case "/big":
		for range 33 {
			w.Write(make([]byte, 1<<20))
		}
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
	default:
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-App", "1")
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), body)
	}
}

// newProbe starts a host with the probe, routes to app and to a cluster that refuses
// connections, and a cluster "calls".
func newProbe(t *testing.T, change func(*hostsim.Config)) *hostsim.Host {
	t.Helper()
	c := hostsim.Config{
		Plugins: []hostsim.Plugin{{Wasm: probeWasm}},
		Routes:  []hostsim.Route{{Name: "gone", Prefix: "/gone", Cluster: "dead"}, {Name: "main", Prefix: "/", Cluster: "app"}},
		Clusters: map[string]hostsim.Cluster{
			"app":   hostsim.Handler(http.HandlerFunc(app)),
			"calls": hostsim.Handler(http.HandlerFunc(app)),
			"dead":  hostsim.URL("http://127.0.0.1:1"),
		},
	}
	if change != nil {
		change(&c)
	}
	h, err := hostsim.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// send sends a request; headers are lines "name: value".
func send(h http.Handler, method, path, body string, headers ...string) *http.Response {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, request(method, path, body, headers...))
	return rec.Result()
}

func request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r.Body = http.NoBody
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	return r
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// transcript returns the log lines, with the level unless it is info.
func transcript(h *hostsim.Host) string {
	var b bytes.Buffer
	for _, e := range h.Logs() {
		if e.Level != hostsim.Info {
			fmt.Fprintf(&b, "[%s] ", e.Level)
		}
		fmt.Fprintln(&b, e.Message)
	}
	return b.String()
}

// wantTranscript compares the log with the lines of want.
func wantTranscript(t *testing.T, h *hostsim.Host, want ...string) {
	t.Helper()
	got := strings.TrimSpace(transcript(h))
	if want := strings.Join(want, "\n"); got != want {
		t.Errorf("log:\n%s\n\nwant:\n%s", got, want)
	}
}

// waitFor waits until done returns true.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the condition was not met in 10 s")
		}
	}
}
