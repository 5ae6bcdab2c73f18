package e2e

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

// TestFromDjango runs Envoy with the output of from-django for the demonstration's settings, with
// the same Django and the same session service.
func TestFromDjango(t *testing.T) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	cloakroom, err := testenv.Cloakroom()
	if err != nil {
		t.Fatal(err)
	}
	free, err := testenv.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	at := func(port int) string { return "127.0.0.1:" + strconv.Itoa(theSite.ports[port]) }
	command := exec.Command(cloakroom, "config", "from-django", "--envoy", "--project", filepath.Join("demo", "django"), "--python", filepath.Join("build", "venv"),
		"--port", strconv.Itoa(free[0]), "--admin-port", strconv.Itoa(free[1]), "--app", at(8000), "--service", at(8081), "--public", "/open/*")
	command.Dir = root
	command.Env = append(command.Environ(), "CLOAKROOM_DEMO_DATABASE="+strings.TrimPrefix(theSite.store, "sqlite://"), "CLOAKROOM_SECRET_KEY="+secretKey)
	bootstrap, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, bootstrap)
	}
	if want := "cloakroom serve --store " + theSite.store + " --listen " + at(8081) + "\n"; !strings.Contains(string(bootstrap), want) {
		t.Errorf("got\n%s\nwant %q in it, as the service was started", bootstrap, want)
	}
	before := theSite.ports[10000]
	theSite.ports[10000] = free[0]
	t.Cleanup(func() { theSite.ports[10000] = before })
	for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
		t.Run(version, func(t *testing.T) {
			envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{Version: version, Bootstrap: string(bootstrap), AdminPort: free[1], Env: []string{"CLOAKROOM_TOKEN=" + token}})
			if err != nil {
				t.Fatal(err)
			}
			defer envoy.Stop()
			v := newVisitor(t)
			get := func(path string, status int, location string) {
				t.Helper()
				got := v.Do(theSite.url(path), nil, "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
				if got.Status != status || got.Header.Get("Location") != location {
					t.Errorf("%s: got %d to %q, want %d to %q", path, got.Status, got.Header.Get("Location"), status, location)
				}
			}
			get("/", 302, "/login/?next=/")
			get("/login/", 200, "")
			get("/login/more", 302, "/login/?next=/login/more")
			get("/open/page", 404, "") // by Django
			get("/open;/page", 400, "")
			get("/opening", 302, "/login/?next=/opening")
			v.login()
			get("/", 200, "")
			get("/session/", 200, "")
		})
	}
}
