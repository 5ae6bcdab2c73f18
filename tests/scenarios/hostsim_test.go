package scenarios

import (
	"net/http/httptest"
	"testing"
	"time"

	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
)

func TestHostsim(t *testing.T) {
	wasm, err := testenv.Module()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range loadCorpus(t, "hostsim") {
		t.Run(s.Name, func(t *testing.T) {
			count("hostsim")
			b := newBackend(t, &s, time.Now)
			var routes []hostsim.Route
			for _, r := range s.Routes {
				metadata := map[string]map[string]any{}
				for namespace, fields := range r.Metadata {
					metadata[namespace] = plain(fields).(map[string]any)
				}
				routes = append(routes, hostsim.Route{Name: r.Name, Path: r.Path, Prefix: r.Prefix, Cluster: "upstream", Metadata: metadata})
			}
			host, err := hostsim.New(t.Context(), hostsim.Config{
				Plugins: []hostsim.Plugin{{Wasm: wasm, Configuration: s.config(t, "sessions"), Name: "cloakroom"}}, Routes: routes, AccessLog: b.loggedBySim,
				Clusters: map[string]hostsim.Cluster{"sessions": hostsim.URL(b.service), "upstream": hostsim.URL(b.upstream.URL)},
			})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(host)
			server.Config.MaxHeaderBytes = 56 << 10 // net/http adds 4 KiB; Envoy's limit is 60
			listenHTTP2(server)
			server.Start()
			play(t, &s, b, server.Listener.Addr().String())
			if err := host.Failed(); err != nil {
				t.Errorf("the VM failed: %v", err)
			}
			for _, entry := range host.Logs() {
				for _, name := range b.leaks(entry.Message) {
					t.Errorf("%s's key is in the log: %s", name, entry.Message)
				}
			}
			server.CloseClientConnections()
			server.Close()
			if err := host.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
