package outage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session/sessiontest"
)

// TestCauses makes the session service unusable for many reasons. The client gets 503 in each;
// Envoy's log names the cause, and its access log the rejection.
func TestCauses(t *testing.T) {
	answers := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, tt := range map[string]struct {
		service http.HandlerFunc // nil: nothing listens
		cluster string           // the filter's setting, if not the service's cluster
		want    string
		details string // "": unavailable
	}{
		"a wrong token":       {service: answers(401, `{"error":"no such token"}`), want: "refuses the token with 401"},
		"a cluster mistyped":  {cluster: "sesions", want: "cluster sesions: it is not in Envoy's configuration", details: "no_cluster"},
		"nothing listens":     {want: "it answers 503: upstream connect error"},
		"no response":         {service: func(http.ResponseWriter, *http.Request) { <-release }, want: "no response within engine.service.timeout"},
		"another server":      {service: answers(200, "<!doctype html><title>Welcome</title>"), want: "not one of cloakroom serve's"},
		"another path":        {service: answers(404, "404 page not found\n"), want: "it answers 404: 404 page not found"},
		"store unavailable":   {service: answers(503, `{"error":"store: connection refused"}`), want: `it answers 503: {"error":"store: connection refused"}`},
		"line breaks in it":   {service: answers(500, "one\r\n[critical] two\x00\n"), want: "it answers 500: one  [critical] two"},
		"a connection lost":   {service: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: "it answers 503: upstream connect error"},
		"a very long message": {service: answers(500, strings.Repeat("x", 1<<20)), want: "it answers 500: " + strings.Repeat("x", 200)},
	} {
		for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
			t.Run(name+"/"+version, func(t *testing.T) {
				t.Parallel()
				ports, err := testenv.FreePorts(1)
				if err != nil {
					t.Fatal(err)
				}
				if tt.service != nil {
					ports[0] = testenv.Listen(t, tt.service)
				}
				cluster := "sessions"
				if tt.cluster != "" {
					cluster = tt.cluster
				}
				site := testenv.NewSite(t, testenv.SiteConfig{FilterConfig: testenv.FilterConfig{
					Version: version, Workers: 1, Upstream: ports[0], Clusters: map[string][]int{"sessions": ports}, AccessLog: "details=%RESPONSE_CODE_DETAILS%\n",
					Config: map[string]any{"engine": map[string]any{"service": map[string]any{"cluster": cluster, "token": token}}},
				}})
				envoy := site.Envoys[0]
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site.Bases[0]+"/", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Cookie", "sessionid="+sessiontest.Key(t))
				r.Header.Set("Sec-Fetch-Mode", "cors")
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				var problem struct{ Status int }
				if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || response.StatusCode != 503 || problem.Status != 503 {
					t.Errorf("the client got %d, %+v, %v", response.StatusCode, problem, err)
				}
				wants := []string{"no usable answer from the session service at cluster " + cluster + ": ", tt.want, "details=cloakroom_" + cmp.Or(tt.details, "unavailable")}
				deadline := time.Now().Add(30 * time.Second)
				for _, want := range wants {
					for !strings.Contains(envoy.Log(), want) && time.Now().Before(deadline) {
						time.Sleep(10 * time.Millisecond)
					}
					if !strings.Contains(envoy.Log(), want) {
						t.Errorf("Envoy's log has no %q:\n%s", want, envoy.LogTail(20))
					}
				}
			})
		}
	}
}
