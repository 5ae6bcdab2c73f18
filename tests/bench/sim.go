package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cloakroom/internal/testenv"
)

// sim compares `cloakroom sim` with Envoy: one worker each, with the same upstream and the plugin
// that does nothing.
func (c *cli) sim(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "cloakroom-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	noop, err := buildPlugin(ctx, "noop", dir)
	if err != nil {
		return "", err
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer upstream.Close()
	ports, err := testenv.FreePorts(3)
	if err != nil {
		return "", err
	}
	envoy, err := testenv.StartFilter(ctx, testenv.FilterConfig{
		Version: testenv.Envoy140, Wasm: noop, Port: ports[0], Admin: ports[1], Workers: 1,
		Upstream: upstream.Listener.Addr().(*net.TCPAddr).Port,
	})
	if err != nil {
		return "", err
	}
	defer envoy.Stop()
	sim, err := startSim(ctx, noop, upstream.URL, ports[2])
	if err != nil {
		return "", err
	}
	defer sim.Stop()
	hosts := []struct {
		side
		pid int
	}{
		{side{Name: "envoy", what: "Envoy " + testenv.Envoy140, Port: ports[0]}, envoy.PID()},
		{side{Name: "sim", what: "cloakroom sim", Port: ports[2]}, sim.PID()},
	}
	turns := map[string][]turn{}
	for round := range c.Rounds {
		for i := range hosts {
			h := hosts[(round+i)%len(hosts)]
			fmt.Fprintf(os.Stderr, "\rround %d of %d: %-20s", round+1, c.Rounds, h.what)
			t, err := c.turn(ctx, h.pid, h.requests("none"), nil)
			if err != nil {
				return "", fmt.Errorf("%s: %w", h.what, err)
			}
			turns[h.Name] = append(turns[h.Name], t)
		}
	}
	fmt.Fprint(os.Stderr, "\r")
	var out strings.Builder
	fmt.Fprintf(&out, "A plugin that does nothing, before one upstream, %d connections; medians of %d rounds, [lowest–highest].\n\n", c.Connections, c.Rounds)
	fmt.Fprintln(&out, "| host | requests/s | CPU for each request | p50 under load | one at a time, p50 |")
	fmt.Fprintln(&out, "|---|---|---|---|---|")
	for _, h := range hosts {
		t := turns[h.Name]
		fmt.Fprintf(&out, "| %s | %.0f | %s | %s | %s |\n", h.what, perSecond(t), spread(t, cpu), spread(t, p50), spread(t, serial))
	}
	fmt.Fprintf(&out, "\n`cloakroom sim` serves %.2f of Envoy's requests per second.\n", perSecond(turns["sim"])/perSecond(turns["envoy"]))
	return out.String(), nil
}

func startSim(ctx context.Context, wasm, upstream string, port int) (*testenv.Process, error) {
	path, err := testenv.Cloakroom()
	if err != nil {
		return nil, err
	}
	root, err := testenv.Root()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	return testenv.Start(ctx, testenv.Command{
		Name: "cloakroom sim", Path: path, Ready: testenv.Answers("http://"+address+"/", "ok"),
		Args: []string{"sim", "--wasm", wasm, "--upstream", upstream, "--listen", address, "--log-level", "error", "--cache", filepath.Join(root, "build", "wazero")},
	})
}
