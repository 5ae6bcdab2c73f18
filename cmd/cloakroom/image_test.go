package main

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"cloakroom/hostsim"
)

// filterWasm is the filter; make build makes it.
const filterWasm = "../../build/cloakroom.wasm"

// static returns cmd/cloakroom built without C for an architecture, once.
var static = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cloakroom-image")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "cloakroom")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return binary, nil
})

func staticBinary(t *testing.T) string {
	t.Helper()
	binary, err := static()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

func TestMain(m *testing.M) {
	status := m.Run()
	if binary, err := static(); err == nil {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(status)
}

// startRegistry starts a registry in this process and returns its address.
func startRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// pushed pushes an image by the command, and returns the reference that it prints.
func pushed(t *testing.T, args ...string) name.Digest {
	t.Helper()
	got := run(t, nil, "", append([]string{"image", "push"}, args...)...)
	if got.status != 0 {
		t.Fatalf("got %+v", got)
	}
	ref, err := name.NewDigest(strings.TrimSpace(got.stdout))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// files returns the content of an image's only layer.
func files(t *testing.T, img v1.Image) map[string][]byte {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) != 1 {
		t.Fatalf("got %d layers, want 1", len(layers))
	}
	if kind, err := layers[0].MediaType(); err != nil || kind != types.OCILayer {
		t.Errorf("got a layer of type %s, %v; want %s", kind, err, types.OCILayer)
	}
	text, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	all := map[string][]byte{}
	for reader := tar.NewReader(text); ; {
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if all[h.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImageOfTheFilter pulls the pushed filter and runs requests through it.
func TestImageOfTheFilter(t *testing.T) {
	address := startRegistry(t)
	ref := pushed(t, "filter", address+"/cloakroom/filter:1.0", "--wasm", filterWasm)
	if _, err := remote.Head(ref.Tag("1.0")); err != nil {
		t.Error(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	all := files(t, img)
	if len(all) != 1 {
		t.Errorf("got %d files, want plugin.wasm alone", len(all))
	}
	service := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	h, err := hostsim.New(t.Context(), hostsim.Config{
		Plugins:  []hostsim.Plugin{{Wasm: all["plugin.wasm"], Configuration: []byte(`{"engine":{"service":{"cluster":"sessions","token":"t"}}}`)}},
		Routes:   []hostsim.Route{{Name: "main", Prefix: "/", Cluster: "sessions"}},
		Clusters: map[string]hostsim.Cluster{"sessions": hostsim.Handler(service)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	if answer.Code != http.StatusUnauthorized {
		t.Errorf("got %d without a session, want 401", answer.Code)
	}
	modulesListed(t, ref, "cloakroom/plugin", "github.com/tetratelabs/proxy-wasm-go-sdk")
}

// modulesListed sees that the list of an image's modules is attached to it.
func modulesListed(t *testing.T, ref name.Digest, of string, module string) {
	t.Helper()
	index, err := remote.Referrers(ref)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].ArtifactType != "application/vnd.cyclonedx+json" {
		t.Fatalf("%s: got the referrers %+v, want one list", ref, manifest.Manifests)
	}
	list, err := remote.Image(ref.Context().Digest(manifest.Manifests[0].Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := list.Layers()
	if err != nil {
		t.Fatal(err)
	}
	text, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	var bom struct {
		BomFormat  string
		Metadata   struct{ Component struct{ Name string } }
		Components []struct{ Name, Purl string }
	}
	if err := json.NewDecoder(text).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range bom.Components {
		found = found || c.Name == module && strings.HasPrefix(c.Purl, "pkg:golang/"+module+"@v")
	}
	if bom.BomFormat != "CycloneDX" || bom.Metadata.Component.Name != of || !found {
		t.Errorf("got %+v, want the modules of %s, %s among them", bom, of, module)
	}
}

// TestImageOfTheService pulls the pushed service, and starts the executable in it.
func TestImageOfTheService(t *testing.T) {
	address := startRegistry(t)
	ref := pushed(t, "service", address+"/cloakroom/service:1.0", "--binary", staticBinary(t))
	img, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := config.Config; c.User != "65532:65532" || len(c.ExposedPorts) != 1 || c.Labels["org.opencontainers.image.licenses"] != "Apache-2.0" {
		t.Errorf("got %+v", c)
	}
	all := files(t, img)
	if passwd := string(all["etc/passwd"]); !strings.Contains(passwd, ":65532:65532:") {
		t.Errorf("got /etc/passwd %q", passwd)
	}
	binary := filepath.Join(t.TempDir(), "cloakroom")
	if err := os.WriteFile(binary, all[strings.TrimPrefix(config.Config.Entrypoint[0], "/")], 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--store", "memory:", "--accounts", "off")
	command.Env = []string{"CLOAKROOM_SECRET_KEY=secret", "CLOAKROOM_TOKEN=token"}
	stderr, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	s := &served{log: bufio.NewReader(stderr)}
	response, err := http.Get("http://" + s.until(t, readyLine) + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/healthz: got %d, want 200", response.StatusCode)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	modulesListed(t, ref.Context().Digest(digest.String()), "cloakroom/cmd/cloakroom", "modernc.org/sqlite")
}

// TestImagesAreReproducible compares the files of two builds.
func TestImagesAreReproducible(t *testing.T) {
	for _, args := range [][]string{{"filter", "--wasm", filterWasm}, {"service", "--binary", staticBinary(t)}} {
		var builds [2]map[string]string
		var digests [2]string
		for i := range builds {
			dir := filepath.Join(t.TempDir(), "image")
			got := run(t, nil, "", append([]string{"image", "build", args[0], dir}, args[1:]...)...)
			if got.status != 0 || !regexp.MustCompile(`^sha256:[0-9a-f]{64}\n$`).MatchString(got.stdout) {
				t.Fatalf("got %+v", got)
			}
			builds[i], digests[i] = map[string]string{}, got.stdout
			if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				text, err := os.ReadFile(path)
				builds[i][strings.TrimPrefix(path, dir)] = string(text)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if digests[0] != digests[1] || len(builds[0]) != len(builds[1]) || len(builds[0]) < 6 {
			t.Errorf("%s: got %q of %d files and %q of %d", args[0], digests[0], len(builds[0]), digests[1], len(builds[1]))
		}
		for path, text := range builds[0] {
			if builds[1][path] != text {
				t.Errorf("%s: %s differs between two builds", args[0], path)
			}
		}
	}
}

// TestImageRefused sees that what cannot be built or pushed says what to do.
func TestImageRefused(t *testing.T) {
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	plain, secure := elsewhere(t, handler), elsewhere(t, handler)
	plain.Start()
	secure.StartTLS()
	refusing := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	silent := httptest.NewServer(nil)
	silent.Close()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	push := func(ref string) []string { return []string{"image", "push", "filter", ref, "--wasm", filterWasm} }
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no registry":        {push(strings.TrimPrefix(silent.URL, "http://") + "/filter:1"), "no registry answers at 127.0.0.1:"},
		"refused":            {push(refusing(http.StatusUnauthorized) + "/filter:1"), "docker login 127.0.0.1:"},
		"forbidden":          {push(refusing(http.StatusForbidden) + "/filter:1"), "DOCKER_CONFIG"},
		"no TLS":             {push(plain.Listener.Addr().String() + "/filter:1"), "--plain-http"},
		"unknown authority":  {push(secure.Listener.Addr().String() + "/filter:1"), "SSL_CERT_FILE"},
		"no tag":             {push("filter"), "write REGISTRY/NAME:TAG"},
		"no module":          {[]string{"image", "push", "filter", "127.0.0.1:1/filter:1", "--wasm", text}, text + ": this is no WebAssembly module"},
		"no binary":          {[]string{"image", "push", "service", "127.0.0.1:1/service:1", "--binary", "missing"}, "make image"},
		"no binary of Go's":  {[]string{"image", "push", "service", "127.0.0.1:1/service:1", "--binary", text}, text + ": this is no binary of Go's"},
		"a binary with C":    {[]string{"image", "push", "service", "127.0.0.1:1/service:1", "--binary", other}, "CGO_ENABLED=0"},
		"the same platform":  {[]string{"image", "push", "service", "127.0.0.1:1/service:1", "--binary", staticBinary(t), "--binary", staticBinary(t)}, "two binaries are for linux/"},
		"a folder with more": {[]string{"image", "build", "filter", filepath.Dir(text), "--wasm", filterWasm}, "not empty"},
	} {
		got := run(t, nil, "", c.args...)
		if got.status == 0 || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%s: got %+v, want an error with %q", name, got, c.want)
		}
	}
	args := append(push(plain.Listener.Addr().String()+"/filter:1"), "--plain-http")
	if got := run(t, nil, "", args...); got.status != 0 {
		t.Errorf("--plain-http: got %+v", got)
	}
}

// elsewhere returns a server whose address go-containerregistry does not take for this machine's,
// for which it needs no TLS.
func elsewhere(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	server.Listener = listener
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	return server
}
