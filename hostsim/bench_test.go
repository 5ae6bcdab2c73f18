package hostsim_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"cloakroom/hostsim"
)

// BenchmarkRequest measures requests through the probe: with a local reply of the plugin, and
// proxied to a handler in this process.
func BenchmarkRequest(b *testing.B) {
	h, err := hostsim.New(b.Context(), hostsim.Config{
		Plugins:  []hostsim.Plugin{{Wasm: probeWasm}},
		LogLevel: hostsim.Error,
		Routes:   []hostsim.Route{{Prefix: "/", Cluster: "app"}},
		Clusters: map[string]hostsim.Cluster{"app": hostsim.Handler(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }))},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close(b.Context())
	for name, script := range map[string]string{"answered": "reply 204 -1", "proxied": ""} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set("probe-request-headers", script)
				rec := httptest.NewRecorder()
				if h.ServeHTTP(rec, r); rec.Code != http.StatusNoContent {
					b.Fatalf("got %d, want 204", rec.Code)
				}
			}
		})
	}
}
