package hostsim_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cloakroom/hostsim"
)

func TestFaults(t *testing.T) {
	call := []string{"probe-request-headers: call calls /echo 1000; pause", "probe-call: effective last; resume"}
	for _, c := range []struct {
		name   string
		fault  hostsim.Fault
		header []string
		status []int // of each request in turn
		log    string
	}{
		{"a trap the second time", hostsim.Fault{On: "proxy_on_request_headers", Do: "trap", Nth: 2}, nil, []int{200, 503, 503}, "a trap by Config.Faults"},
		{"a trap in a host call", hostsim.Fault{On: "proxy_get_property", Do: "trap"}, []string{"probe-request-headers: prop request/path"}, []int{503}, "a trap by Config.Faults"},
		{"a failed compare-and-swap", hostsim.Fault{On: "proxy_set_shared_data", Do: "cas_mismatch", Every: 2}, []string{"probe-request-headers: shset k v 0; shset k w 0"}, []int{200}, "shset k w 0 -> ERROR error status returned by host: cas mismatch"},
		{"no memory", hostsim.Fault{On: "proxy_on_memory_allocate", Do: "fail", Nth: 3}, []string{"probe-request-headers: prop request/path; prop request/path"}, []int{200}, "ERROR"},
		{"a refused callout", hostsim.Fault{On: "callout", Do: "refuse"}, call, []int{200}, "status=503 upstream connect error"},
		{"a callout to another cluster", hostsim.Fault{On: "callout", Cluster: "others", Do: "refuse"}, call, []int{200}, "status=200"},
		{"a callout to another path", hostsim.Fault{On: "callout", Path: "/other", Do: "refuse"}, call, []int{200}, "status=200"},
		{"a response that is cut off", hostsim.Fault{On: "callout", Cluster: "calls", Do: "reset"}, call, []int{200}, "call: answer headers=false"},
		{"a late response", hostsim.Fault{On: "callout", Do: "late"}, []string{"probe-request-headers: call calls /echo 1000", "probe-done: say done"}, []int{200}, "done: say done -> done\ncall: answer headers=true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newProbe(t, func(config *hostsim.Config) { config.Faults.Faults = []hostsim.Fault{c.fault} })
			for i, want := range c.status {
				if got := send(h, "GET", "/", "", c.header...).StatusCode; got != want {
					t.Errorf("request %d: got %d, want %d; the log:\n%s", i+1, got, want, transcript(h))
				}
			}
			waitFor(t, func() bool { return strings.Contains(transcript(h), c.log) })
		})
	}
}

// A delayed callout is sent by the clock, or times out if the delay is longer than its timeout.
func TestDelayedCallout(t *testing.T) {
	for delay, want := range map[time.Duration]string{400 * time.Millisecond: "status=200", 2 * time.Second: "status=504"} {
		clock := hostsim.NewVirtualClock(time.Unix(1700000000, 0))
		h := newProbe(t, func(c *hostsim.Config) {
			c.Clock = clock
			c.Faults.Faults = []hostsim.Fault{{On: "callout", Do: "delay", By: delay}}
		})
		answered := make(chan int)
		go func() {
			answered <- send(h, "GET", "/", "", "probe-request-headers: call calls /echo 1000; pause", "probe-call: effective last; resume").StatusCode
		}()
		waitFor(t, func() bool { return strings.Contains(transcript(h), "call calls") })
		for done := false; !done; {
			select {
			case <-answered:
				done = true
			case <-time.After(time.Millisecond):
				clock.Advance(100 * time.Millisecond)
			}
		}
		if !strings.Contains(transcript(h), want) {
			t.Errorf("delayed by %s: no %q in the log:\n%s", delay, want, transcript(h))
		}
	}
}

// A run with the same seed is the same.
func TestFaultsBySeed(t *testing.T) {
	run := func(seed uint64) string {
		h := newProbe(t, func(c *hostsim.Config) {
			c.Faults = hostsim.Faults{Seed: seed, Faults: []hostsim.Fault{{On: "proxy_get_property", Do: "internal_failure", Share: 0.5}}}
		})
		for range 64 {
			send(h, "GET", "/", "", "probe-request-headers: prop request/path")
		}
		return transcript(h)
	}
	first := run(1)
	if run(1) != first {
		t.Error("two runs with one seed differ")
	}
	if run(2) == first {
		t.Error("two runs with different seeds are the same")
	}
	if n := strings.Count(first, "ERROR"); n < 16 || n > 48 {
		t.Errorf("%d of 64 failed, want about half", n)
	}
}

func TestFaultsAreChecked(t *testing.T) {
	for _, c := range []struct {
		fault hostsim.Fault
		want  string
	}{
		{hostsim.Fault{On: "proxy_on_", Do: "late"}, `do: "late": want trap`},
		{hostsim.Fault{On: "callout", Do: "trap"}, "want delay, refuse, reset, late with callout"},
		{hostsim.Fault{On: "proxy_get_property", Do: "delay"}, "want trap, not_found, bad_argument"},
		{hostsim.Fault{On: "fd_write", Do: "trap"}, "neither a callback nor a host call"},
		{hostsim.Fault{On: "callout", Do: "refuse", Share: 2}, "share must be from 0 to 1"},
	} {
		_, err := hostsim.New(t.Context(), hostsim.Config{Plugins: []hostsim.Plugin{{Wasm: probeWasm}}, Faults: hostsim.Faults{Faults: []hostsim.Fault{c.fault}}})
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, hostsim.ErrLoad) {
			t.Errorf("%s: got %v, want %q", fmt.Sprint(c.fault), err, c.want)
		}
	}
}
