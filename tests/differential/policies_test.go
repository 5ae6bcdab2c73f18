package differential

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
)

// policies are the ways to handle streams after a VM has failed.
var policies = map[string]hostsim.FailurePolicy{
	"FAIL_CLOSED": hostsim.FailClosed,
	"FAIL_OPEN":   hostsim.FailOpen,
	"FAIL_RELOAD": hostsim.FailReload,
}

// Envoy replaces a failed VM at the next stream after a back-off that counts from the VM's load: a
// second, and up to a half more at random.
const (
	minBackoff = time.Second
	maxBackoff = 3 * time.Second / 2
	oldEnough  = 2 * time.Second
)

// TestFailurePolicies makes VMs fail in every callback, repeatedly, in both hosts, and compares
// the responses.
func TestFailurePolicies(t *testing.T) {
	wasm := buildProbe(t)
	text, err := os.ReadFile(wasm)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	upstream := newUpstream(ended)
	t.Cleanup(func() { close(ended); _ = upstream.Config.Close() })
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := &simHost{}
			sim.one = sim.start(t, upstream.URL, hostsim.Plugin{Wasm: text, FailurePolicy: policy})
			names := []string{reference, older, simulator}
			hosts := []host{
				startEnvoy(t, testenv.Envoy140, wasm, upstream.URL, name),
				startEnvoy(t, testenv.Envoy136, wasm, upstream.URL, name),
				sim,
			}
			seen := make([]string, len(hosts))
			var all sync.WaitGroup
			for i, h := range hosts {
				all.Go(func() { seen[i] = failures(t, h, policy) })
			}
			all.Wait()
			for i := range hosts {
				if seen[i] != seen[0] {
					t.Errorf("%s\n%s\n%s\n%s", reference, seen[0], names[i], seen[i])
				}
			}
			if want := map[string]string{"FAIL_CLOSED": "afterwards: 503", "FAIL_OPEN": "afterwards: 200", "FAIL_RELOAD": "later: 200"}[name]; !strings.Contains(seen[0], want) {
				t.Errorf("%s does not show %q:\n%s", reference, want, seen[0])
			}
		})
	}
}

// failures runs the traps and returns the result of each request. With FailReload a request right
// after a trap gets a response from a new VM or an error, depending on the age of the failed one
// and the random part of the back-off: either counts as the same.
func failures(t *testing.T, h host, policy hostsim.FailurePolicy) string {
	var seen strings.Builder
	loaded, failed := age{to: time.Now()}, false // of the VM
	get := func(what string, headers ...string) {
		start := time.Now()
		answer := send(t, h.address(false), probeCase{Request: "POST /", Body: "hello", Headers: headers})
		status, rest, _ := strings.Cut(answer, "\n")
		if strings.Contains(rest, "len=5") {
			rest = "from the upstream"
		}
		got := fmt.Sprintf("%s %s", status, strings.Join(strings.Fields(hide(rest)), " "))
		served := status == "200"
		if what == "afterwards" && policy == hostsim.FailReload {
			if early, late := loaded.at(start, time.Now()); (served && late < minBackoff) || (!served && early > maxBackoff) {
				got = fmt.Sprintf("%s from a VM that is %s to %s old", got, early, late)
			} else {
				got = "replaced or not, depending on the back-off"
			}
		}
		if len(headers) > 0 {
			failed = true
		} else if failed && served {
			loaded, failed = age{start, time.Now()}, false
		}
		fmt.Fprintf(&seen, "%s: %s\n", what, got)
	}
	if policy == hostsim.FailReload {
		time.Sleep(oldEnough)
		get("trap in an old VM", "probe-request-headers: panic")
	}
	get("before")
	for _, callback := range []string{"request-headers", "request-body", "response-headers", "response-body", "call", "done"} {
		headers := []string{"probe-" + callback + ": panic"}
		if callback == "call" {
			headers = append(headers, "probe-request-headers: call calls /echo 1000; pause")
		}
		get("trap in "+callback, headers...)
		get("afterwards")
		if policy == hostsim.FailReload {
			time.Sleep(oldEnough)
			get("later")
		}
	}
	return seen.String()
}

// age is the age of a VM, which was loaded between two times.
type age struct{ from, to time.Time }

// at returns the minimum and the maximum age that the VM may have had between two times.
func (a age) at(from, to time.Time) (least, greatest time.Duration) {
	return from.Sub(a.to), to.Sub(a.from)
}
