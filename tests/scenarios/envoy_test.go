package scenarios

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"cloakroom/tests/stack"
)

//go:embed bootstrap.yaml.tmpl
var bootstrapText string

var bootstrap = template.Must(template.New("bootstrap").Funcs(template.FuncMap{"json": toJSON}).Parse(bootstrapText))

// toJSON is YAML, too.
func toJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

func TestEnvoy136(t *testing.T) { testEnvoy(t, stack.Envoy136) }
func TestEnvoy140(t *testing.T) { testEnvoy(t, stack.Envoy140) }

// listener is one scenario's place in the bootstrap.
type listener struct {
	Port                      int
	Service, Upstream, Config string
	Routes                    []route
}

// testEnvoy plays the corpus through one Envoy with a listener for each
// scenario, all of which share one VM: the last request finds it alive after
// everything that went before.
func testEnvoy(t *testing.T, version string) {
	var corpus []scenario
	for _, s := range loadCorpus(t) {
		if s.runsOn("envoy") {
			corpus = append(corpus, s)
		}
	}
	wasm, err := stack.Wasm()
	if err != nil {
		t.Fatal(err)
	}
	backends := make([]*backend, len(corpus))
	for i := range corpus {
		backends[i] = newBackend(t, &corpus[i])
	}
	// After the backends, which would take them otherwise.
	ports, err := stack.FreePorts(len(corpus) + 1)
	if err != nil {
		t.Fatal(err)
	}
	listeners := make([]listener, len(corpus))
	for i := range corpus {
		s := &corpus[i]
		listeners[i] = listener{
			Port: ports[i+1], Service: portOf(t, backends[i].service.URL), Upstream: portOf(t, backends[i].upstream.URL),
			Config: string(s.config(t, "sessions"+strconv.Itoa(i))), Routes: s.Routes,
		}
	}
	var text bytes.Buffer
	if err := bootstrap.Execute(&text, map[string]any{"AdminPort": ports[0], "Listeners": listeners, "Wasm": wasm}); err != nil {
		t.Fatal(err)
	}
	envoy, err := stack.StartEnvoy(t.Context(), stack.EnvoyConfig{Version: version, Bootstrap: text.String(), AdminPort: ports[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer envoy.Stop()
	for i := range corpus {
		t.Run(corpus[i].Name, func(t *testing.T) {
			count("envoy " + version)
			play(t, &corpus[i], backends[i], "127.0.0.1:"+strconv.Itoa(ports[i+1]))
		})
	}
	log := envoy.Log()
	for _, line := range strings.Split(log, "\n") {
		if strings.Contains(line, "VM failed") || strings.Contains(line, "[critical]") || strings.Contains(line, "panic") {
			t.Errorf("Envoy's log: %s", line)
		}
	}
	for _, b := range backends {
		for name, key := range b.keys {
			if strings.Contains(log, key) {
				t.Errorf("%s's key stands in Envoy's log", name)
			}
		}
	}
}

func portOf(t *testing.T, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}
