package hostsim_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"cloakroom/hostsim"
)

// A plugin in front of a handler, the response and the plugin's log.
func Example() {
	ctx := context.Background()
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, x-new is %q", r.Header.Get("X-New"))
	})
	h, err := hostsim.New(ctx, hostsim.Config{
		Plugins:  []hostsim.Plugin{{Wasm: probeWasm}},
		Routes:   []hostsim.Route{{Name: "main", Prefix: "/", Cluster: "app"}},
		Clusters: map[string]hostsim.Cluster{"app": hostsim.Handler(app)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close(ctx)

	request := httptest.NewRequest("GET", "/page", nil)
	request.Header.Set("probe-request-headers", "set req x-new 1; prop xds/route_name")
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, request)

	body, _ := io.ReadAll(answer.Result().Body)
	fmt.Printf("%d %s\n", answer.Code, body)
	for _, entry := range h.Logs() {
		fmt.Println(entry.Level, entry.Message)
	}
	// Output:
	// 200 hello, x-new is "1"
	// info request-headers: set req x-new 1
	// info request-headers: prop xds/route_name -> "main"
}

// A clock that the test moves: the ticks of an hour without waiting.
func ExampleVirtualClock() {
	ctx := context.Background()
	clock := hostsim.NewVirtualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	ticks := 0
	h, err := hostsim.New(ctx, hostsim.Config{
		Plugins: []hostsim.Plugin{{Wasm: probeWasm, Configuration: []byte("configure: tick 60000\ntick: say tick")}},
		Clock:   clock,
		Log: func(_ hostsim.Level, message string) {
			if message == "tick: say tick -> tick" {
				ticks++
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close(ctx)
	clock.Advance(time.Hour)
	fmt.Println(ticks, "ticks, and it is", clock.Now().Format(time.TimeOnly))
	// Output: 60 ticks, and it is 01:00:00
}

// The connection of every second callout is refused.
func ExampleFaults() {
	ctx := context.Background()
	ok := hostsim.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h, err := hostsim.New(ctx, hostsim.Config{
		Plugins:  []hostsim.Plugin{{Wasm: probeWasm}},
		Routes:   []hostsim.Route{{Prefix: "/", Cluster: "app"}},
		Clusters: map[string]hostsim.Cluster{"app": ok, "sessions": ok},
		Faults:   hostsim.Faults{Faults: []hostsim.Fault{{On: "callout", Cluster: "sessions", Do: "refuse", Every: 2}}},
		Log: func(_ hostsim.Level, message string) {
			if _, status, found := strings.Cut(message, "status="); found {
				fmt.Println(status[:3])
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close(ctx)
	for range 2 {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set("probe-request-headers", "call sessions /lookup 1000; pause")
		request.Header.Set("probe-call", "effective last; resume")
		h.ServeHTTP(httptest.NewRecorder(), request)
	}
	// Output:
	// 200
	// 503
}

// A transcript of all calls, for debugging or for a golden file.
func ExampleTranscript() {
	ctx := context.Background()
	var transcript hostsim.Transcript
	h, err := hostsim.New(ctx, hostsim.Config{
		Plugins: []hostsim.Plugin{{Wasm: probeWasm}},
		Trace:   transcript.Add,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	transcript.Reset() // the start
	h.Close(ctx)
	fmt.Print(transcript.String())
	// Output:
	// proxy_on_done(1)
	//   = 1
	// proxy_on_delete(1)
}
