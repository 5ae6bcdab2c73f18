package hostsim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cloakroom/hostsim"
)

// virtual returns a change of a configuration that sets its clock.
func virtual(clock *hostsim.VirtualClock) func(*hostsim.Config) {
	return func(c *hostsim.Config) { c.Clock = clock }
}

func TestVirtualTicks(t *testing.T) {
	clock := hostsim.NewVirtualClock(time.Unix(1700000000, 0))
	h := newProbe(t, func(c *hostsim.Config) {
		c.Clock = clock
		c.Plugins[0].Configuration = []byte("configure: tick 1000\ntick: now")
	})
	clock.Advance(999 * time.Millisecond)
	if logs := transcript(h); strings.Contains(logs, "tick: now") {
		t.Errorf("it ticked too early:\n%s", logs)
	}
	clock.Advance(2001 * time.Millisecond)
	wantTranscript(t, h, "configure: tick 1000", "configure: tick 1000", // once in the canary
		"tick: now -> 1700000001000000000", "tick: now -> 1700000002000000000", "tick: now -> 1700000003000000000")
}

// A callout that hangs times out by the clock.
func TestVirtualCalloutTimeout(t *testing.T) {
	clock := hostsim.NewVirtualClock(time.Unix(1700000000, 0))
	h := newProbe(t, virtual(clock))
	answered := make(chan *http.Response)
	go func() {
		answered <- send(h, "GET", "/", "", "probe-request-headers: call calls /hang 5000; pause", "probe-call: effective last; resume")
	}()
	waitFor(t, func() bool { return strings.Contains(transcript(h), "call calls /hang") })
	clock.Advance(4999 * time.Millisecond)
	if strings.Contains(transcript(h), "call: answer") {
		t.Error("the callout timed out too early")
	}
	clock.Advance(time.Millisecond)
	if resp := <-answered; resp.StatusCode != 200 {
		t.Errorf("got %d, want 200", resp.StatusCode)
	}
	if want := "status=504 upstream request timeout"; !strings.Contains(transcript(h), want) {
		t.Errorf("no %q in the log:\n%s", want, transcript(h))
	}
}

func TestVirtualRouteTimeout(t *testing.T) {
	clock := hostsim.NewVirtualClock(time.Unix(1700000000, 0))
	arrived := make(chan struct{})
	h := newProbe(t, func(c *hostsim.Config) {
		c.Clock = clock
		c.Clusters["app"] = hostsim.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-r.Context().Done()
		}))
	})
	answered := make(chan *http.Response)
	go func() { answered <- send(h, "GET", "/", "") }()
	<-arrived
	clock.Advance(15 * time.Second) // Envoy's default
	if resp := <-answered; resp.StatusCode != 504 || resp.Header.Get("Date") != "Tue, 14 Nov 2023 22:13:35 GMT" {
		t.Errorf("got %d at %s, want 504 by the host's clock", resp.StatusCode, resp.Header.Get("Date"))
	}
}

func TestVirtualReload(t *testing.T) {
	clock := hostsim.NewVirtualClock(time.Unix(1700000000, 0))
	h := newProbe(t, func(c *hostsim.Config) {
		c.Clock = clock
		c.Plugins[0].FailurePolicy = hostsim.FailReload
	})
	for i, step := range []struct {
		wait time.Duration
		trap string
		want int
	}{
		{0, "panic", 503}, {999 * time.Millisecond, "", 503}, {time.Millisecond, "", 200}, {0, "panic", 503}, {0, "", 503}, {time.Hour, "", 200},
	} {
		clock.Advance(step.wait)
		if got := send(h, "GET", "/", "", "probe-request-headers: "+step.trap).StatusCode; got != step.want {
			t.Errorf("step %d: got %d, want %d", i+1, got, step.want)
		}
	}
	if err := h.Failed(); err != nil {
		t.Errorf("the VM was replaced, but Failed says: %v", err)
	}
}

// Timers run in the order of their times, and stopped ones do not run.
func TestVirtualClock(t *testing.T) {
	clock := hostsim.NewVirtualClock(time.Unix(0, 0))
	var order []string
	add := func(name string, d time.Duration) hostsim.Timer {
		return clock.AfterFunc(d, func() { order = append(order, name+"@"+clock.Now().UTC().Format("05")) })
	}
	add("b", 2*time.Second)
	add("a", time.Second)
	add("b2", 2*time.Second)
	stopped := add("never", time.Second)
	clock.AfterFunc(time.Second, func() { add("nested", time.Second) })
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop is true once, while the timer waits")
	}
	clock.Advance(3 * time.Second)
	if got, want := strings.Join(order, " "), "a@01 b@02 b2@02 nested@02"; got != want || clock.Now() != time.Unix(3, 0) {
		t.Errorf("got %s at %s, want %s", got, clock.Now(), want)
	}
}
