package scenarios

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"cloakroom/internal/testenv"
)

//go:embed bootstrap.yaml.tmpl
var bootstrapText string

var bootstrap = template.Must(template.New("bootstrap").Funcs(template.FuncMap{"json": toJSON}).Parse(bootstrapText))

// toJSON is YAML, too.
func toJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

func TestEnvoy136(t *testing.T) { testEnvoy(t, testenv.Envoy136) }
func TestEnvoy140(t *testing.T) { testEnvoy(t, testenv.Envoy140) }

// listener is one scenario's part of the bootstrap.
type listener struct {
	Port, Service, Upstream int
	Config                  string
	Routes                  []route
}

// testEnvoy runs the corpus through one Envoy with a listener for each scenario, all of which
// share one VM, and then the first one again: the VM must have survived all of them.
func testEnvoy(t *testing.T, version string) {
	corpus := loadCorpus(t, "envoy")
	backends := make([]*backend, len(corpus))
	for i := range corpus {
		backends[i] = newBackend(t, &corpus[i], time.Now)
	}
	// After the backends, which would take them otherwise.
	ports, err := testenv.FreePorts(len(corpus) + 1)
	if err != nil {
		t.Fatal(err)
	}
	listeners := make([]listener, len(corpus))
	for i := range corpus {
		s := &corpus[i]
		listeners[i] = listener{
			Port: ports[i+1], Service: portOf(t, backends[i].service), Upstream: portOf(t, backends[i].upstream.URL),
			Config: string(s.config(t, "sessions"+strconv.Itoa(i))), Routes: s.Routes,
		}
	}
	envoy, err := startEnvoy(t, version, ports[0], listeners)
	if err != nil {
		t.Fatal(err)
	}
	defer envoy.Stop()
	for i, b := range backends {
		b.accessLog = func() []access { return accessLog(envoy.Log(), "s"+strconv.Itoa(i)) }
	}
	for i := range corpus {
		t.Run(corpus[i].Name, func(t *testing.T) {
			count("envoy " + version)
			play(t, &corpus[i], backends[i], "127.0.0.1:"+strconv.Itoa(listeners[i].Port))
		})
	}
	t.Run("alive after all", func(t *testing.T) {
		i := slices.IndexFunc(corpus, func(s scenario) bool { return s.Name == "a live session is admitted" })
		play(t, &corpus[i], backends[i], "127.0.0.1:"+strconv.Itoa(listeners[i].Port))
	})
	checkLog(t, envoy.Log(), backends)
}

// checkLog checks that Envoy's log contains no secrets.
func checkLog(t *testing.T, log string, backends []*backend) {
	for _, line := range strings.Split(log, "\n") {
		for _, bad := range []string{"VM failed", "Uncaught", "[critical]", "panic", "goroutine "} {
			if strings.Contains(line, bad) {
				t.Errorf("Envoy's log: %s", line)
			}
		}
	}
	for _, b := range backends {
		for _, name := range b.leaks(log) {
			t.Errorf("%s's key is in Envoy's log", name)
		}
	}
	if strings.Contains(log, serviceToken) {
		t.Error("the token is in Envoy's log")
	}
}

func startEnvoy(t *testing.T, version string, adminPort int, listeners []listener) (*testenv.Envoy, error) {
	wasm, err := testenv.Wasm()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := bootstrap.Execute(&text, map[string]any{"AdminPort": adminPort, "Listeners": listeners, "Wasm": wasm, "AccessFormat": accessFormat}); err != nil {
		t.Fatal(err)
	}
	return testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{Version: version, Bootstrap: text.String(), AdminPort: adminPort, Args: []string{"--file-flush-interval-msec", "10"}})
}

func portOf(t *testing.T, address string) int {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
