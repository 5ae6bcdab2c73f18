package differential

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/hostsim"
	"cloakroom/tests/stack"
)

// policies are what becomes of streams when a VM has failed.
var policies = map[string]hostsim.FailurePolicy{
	"FAIL_CLOSED": hostsim.FailClosed,
	"FAIL_OPEN":   hostsim.FailOpen,
	"FAIL_RELOAD": hostsim.FailReload,
}

// oldEnough is how old a VM is for certain when Envoy replaces it: a second, and
// up to a half more.
const oldEnough = 2 * time.Second

// TestFailurePolicies has VMs fail in every callback, again and again, in both
// hosts: the clients get the same.
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
				startEnvoy(t, stack.Envoy140, wasm, upstream.URL, name),
				startEnvoy(t, stack.Envoy136, wasm, upstream.URL, name),
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

// failures plays the traps and gives what the client got of each request.
func failures(t *testing.T, h host, policy hostsim.FailurePolicy) string {
	var seen strings.Builder
	get := func(what string, headers ...string) {
		answer := send(t, h.address(false), probeCase{Request: "POST /", Body: "hello", Headers: headers})
		status, rest, _ := strings.Cut(answer, "\n")
		if strings.Contains(rest, "len=5") {
			rest = "from the upstream"
		}
		fmt.Fprintf(&seen, "%s: %s %s\n", what, status, strings.Join(strings.Fields(hide(rest)), " "))
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
