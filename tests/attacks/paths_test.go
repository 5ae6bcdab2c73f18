package attacks

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/service"
	"cloakroom/store/feed"
	"cloakroom/store/memory"
)

// TestPathsOfOtherServers sends, to envoy/bootstrap.yaml as it is, paths that match a route on
// which a session is optional, and that a server takes for one on which it is required: servers
// that drop what follows a ; in a part of the path, decode it, or take \ for /.
func TestPathsOfOtherServers(t *testing.T) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	bootstrap, err := os.ReadFile(filepath.Join(root, "envoy", "bootstrap.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	upstream := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "path=%s", servletPath(r.URL.Path))
	}), false)
	sessions, err := service.New(service.Config{Store: memory.New(time.Now), Feed: feed.New(), Token: token, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	servicePort := portOf(t, listen(t, sessions, false))
	envoys(t, func(t *testing.T, version string) {
		ports, err := testenv.FreePorts(2)
		if err != nil {
			t.Fatal(err)
		}
		envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{
			Version: version, AdminPort: ports[1], Env: []string{"CLOAKROOM_TOKEN=" + token},
			Bootstrap: testenv.ReplacePorts(string(bootstrap), map[int]int{10000: ports[0], 9901: ports[1], 8000: portOf(t, upstream), 8002: portOf(t, upstream), 8081: servicePort}),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = envoy.Stop() })
		address := fmt.Sprintf("127.0.0.1:%d", ports[0])
		passed := 0
		for _, p := range []string{
			"/login/", "/login/;a=1", "/login/..;/admin", "/login/..;x=1/admin", "/login/.;/../admin", "/login/%2e%2e;/admin", "/login/..%3b/admin", "/login/..%3B/admin",
			"/login/;/../admin", "/login;/../admin", "/login/../admin", "/login/%2e%2e/admin", "/login/%2E%2E%2Fadmin", "/login/..%2fadmin", "/login/..%5cadmin", `/login/..\admin`,
			"/login//../admin", "/login/./../admin", "/login/%252e%252e/admin", "/login/..%00/admin", "/login/...//admin", "/login/..%c0%afadmin", "/login/..\u2215admin",
			"/healthz;/../admin", "/healthz/../admin", "/login/x/..;/..;/admin", "/login/..;/..;/..;/admin", "/;/admin", "/login/?a=;b", "/login/?x=/..;/admin",
		} {
			status, _, body, err := raw(address, "GET "+p+" HTTP/1.1\r\nHost: site.test\r\nSec-Fetch-Mode: cors\r\nConnection: close\r\n\r\n")
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %v", p, err)
			}
			if seen, ok := strings.CutPrefix(body, "path="); ok && status == 200 {
				passed++
				if !strings.HasPrefix(seen, "/login/") {
					t.Errorf("%s passes without a session, and is %s to the server", p, seen)
				}
			}
		}
		if passed < 3 {
			t.Errorf("%d paths pass: the login page's are to", passed)
		}
	})
}

// servletPath returns a path as servers take it that know path parameters: without what follows a
// ; in each part, and then cleaned.
func servletPath(text string) string {
	parts := strings.Split(strings.ReplaceAll(text, `\`, "/"), "/")
	for i, part := range parts {
		parts[i], _, _ = strings.Cut(part, ";")
	}
	cleaned := path.Clean("/" + strings.Join(parts, "/"))
	if cleaned != "/" && parts[len(parts)-1] == "" {
		cleaned += "/"
	}
	return cleaned
}
