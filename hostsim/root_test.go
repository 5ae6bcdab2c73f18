package hostsim_test

import (
	"strconv"
	"testing"
	"time"

	"cloakroom/hostsim"
)

func TestSharedDataAndOutput(t *testing.T) {
	for _, c := range []stepTest{
		{
			name:   "shared data is compared only with a number, and only if the key exists",
			header: []string{"probe-request-headers: shget k; shset k v 5; shget k; shset k w 999; shset k w 0; shget k"},
			log: []string{
				"request-headers: shget k -> " + notFound,
				"request-headers: shset k v 5",
				"request-headers: shget k -> v cas=true",
				"request-headers: shset k w 999 -> ERROR error status returned by host: cas mismatch",
				"request-headers: shset k w 0",
				"request-headers: shget k -> w cas=true",
			},
		},
		{
			name:   "standard output and error",
			header: []string{"probe-request-headers: stdout hello; stderr world"},
			log:    []string{"hello", "request-headers: stdout hello", "[error] world", "request-headers: stderr world"},
		},
		{
			name:   "foreign functions",
			header: []string{"probe-request-headers: foreign none x; foreign clear_route_cache"},
			log:    []string{"request-headers: foreign none x -> " + notFound, "request-headers: foreign clear_route_cache"},
		},
	} {
		c.run(t)
	}
}

func TestSharedQueue(t *testing.T) {
	h := newProbe(t, func(c *hostsim.Config) {
		c.Plugins[0].Configuration = []byte("queue: queue dequeue q; queue dequeue q")
	})
	send(h, "GET", "/", "", "probe-request-headers: queue enqueue q x; queue register q; queue dequeue q; queue enqueue q x")
	waitFor(t, func() bool { return len(h.Logs()) == 6 })
	wantTranscript(t, h,
		"request-headers: queue enqueue q x -> "+notFound,
		"request-headers: queue register q",
		"request-headers: queue dequeue q -> ERROR error status returned by host: empty",
		"request-headers: queue enqueue q x",
		"queue: queue dequeue q -> x",
		"queue: queue dequeue q -> ERROR error status returned by host: empty")
}

func TestMetrics(t *testing.T) {
	h := newProbe(t, func(c *hostsim.Config) { c.Workers = 2 })
	for range 2 { // one request for each worker
		send(h, "GET", "/", "", "probe-request-headers: metric counter c.a 2; metric gauge g 5; metric gauge g -2; metric histogram h 7")
	}
	got := h.Metrics()
	for name, want := range map[string]hostsim.Metric{
		"wasmcustom.c.a": {Kind: hostsim.Counter, Value: 4}, "wasmcustom.g": {Kind: hostsim.Gauge, Value: 6}, "wasmcustom.h": {Kind: hostsim.Histogram, Value: 2},
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("metrics: got %v, want three", got)
	}
}

func TestClockAndEnvironment(t *testing.T) {
	now := time.Unix(1700000000, 42)
	h := newProbe(t, func(c *hostsim.Config) {
		c.Clock = hostsim.NewVirtualClock(now)
		c.Plugins[0].Env = map[string]string{"FOO": "bar=baz", "EMPTY": ""}
	})
	send(h, "GET", "/", "", "probe-request-headers: now; env FOO; env EMPTY; env PATH")
	wantTranscript(t, h,
		"request-headers: now -> "+strconv.FormatInt(now.UnixNano(), 10),
		"request-headers: env FOO -> bar=baz", "request-headers: env EMPTY", "request-headers: env PATH")
}

// Ticks stop when their period is set to zero.
func TestTick(t *testing.T) {
	h := newProbe(t, func(c *hostsim.Config) {
		c.Plugins[0].Configuration = []byte("configure: tick 1\ntick: tick 0; say tick")
	})
	waitFor(t, func() bool { return len(h.Logs()) == 4 })
	wantTranscript(t, h, "configure: tick 1", // in the canary, and in the worker
		"configure: tick 1", "tick: tick 0", "tick: say tick -> tick")
}
