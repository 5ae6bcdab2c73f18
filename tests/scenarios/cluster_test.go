package scenarios

import (
	"net/http/httptest"
	"strings"
	"testing"

	"cloakroom/hostsim"
	"cloakroom/internal/testenv"
)

// TestHostsimWithoutCluster holds that the simulator, as Envoy (tests/outage.TestCauses), refuses a
// call to a cluster that it lacks in a way that the filter distinguishes.
func TestHostsimWithoutCluster(t *testing.T) {
	wasm, err := testenv.Module()
	if err != nil {
		t.Fatal(err)
	}
	host, err := hostsim.New(t.Context(), hostsim.Config{
		Plugins: []hostsim.Plugin{{Wasm: wasm, Configuration: []byte(`{"engine":{"service":{"cluster":"outbound|8081||sessions"}}}`), Name: "cloakroom"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := host.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "sessionid="+strings.Repeat("k", 32))
	w := httptest.NewRecorder()
	host.ServeHTTP(w, r)
	if w.Code != 503 {
		t.Errorf("status %d, want 503", w.Code)
	}
	var log strings.Builder
	for _, entry := range host.Logs() {
		log.WriteString(entry.Message + "\n")
	}
	if want := "cluster outbound|8081||sessions: it is not in Envoy's configuration"; !strings.Contains(log.String(), want) {
		t.Errorf("the log has no %q:\n%s", want, log.String())
	}
}
