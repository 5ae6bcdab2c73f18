package envoy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

// TestLive has a response on the route live that is longer than Envoy's own timeout of a route,
// 15 s: all of it arrives.
func TestLive(t *testing.T) {
	text, err := os.ReadFile("bootstrap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const seconds = 17
	app := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range seconds {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
				return
			}
		}
		fmt.Fprint(w, "data: end\n\n")
	}))
	sessions := memory.New(time.Now)
	handler, err := service.New(service.Config{Store: sessions, Feed: feed.New(), Token: "a token", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	servicePort := serve(t, handler)
	key := sessiontest.Key(t)
	if err := sessions.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"_auth_user_id":"7"}`), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			free, err := testenv.FreePorts(2)
			if err != nil {
				t.Fatal(err)
			}
			envoy, err := testenv.StartEnvoy(context.WithoutCancel(t.Context()), testenv.EnvoyConfig{
				Version: version, AdminPort: free[1], Env: []string{"CLOAKROOM_TOKEN=a token"},
				Bootstrap: testenv.ReplacePorts(string(text), map[int]int{10000: free[0], 9901: free[1], 8000: app, 8081: servicePort}),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = envoy.Stop() })
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(free[0])+"/live/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", "sessionid="+key)
			r.Header.Set("Sec-Fetch-Mode", "cors")
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(bufio.NewReader(response.Body))
			if response.StatusCode != 200 || err != nil || !strings.HasSuffix(string(body), "data: end\n\n") {
				t.Errorf("got %d, %v, the end %.40q", response.StatusCode, err, string(body[max(0, len(body)-40):]))
			}
		})
	}
}

// serve serves a handler and returns its port.
func serve(t *testing.T, h http.Handler) int {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
