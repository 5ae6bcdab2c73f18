package testenv_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloakroom/internal/testenv"
)

const bootstrap = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}
static_resources:
  clusters:
  - {name: nobody, type: STATIC, %s: 1s}
`

func TestEnvoy(t *testing.T) {
	for _, version := range []string{testenv.Envoy136, testenv.Envoy140} {
		t.Run(version, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			ports, err := testenv.FreePorts(1)
			if err != nil {
				t.Fatal(err)
			}
			envoy, err := testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{
				Version: version, AdminPort: ports[0], Workers: 2, Bootstrap: fmt.Sprintf(bootstrap, ports[0], "connect_timeout"),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer envoy.Stop()
			info, err := envoy.Admin(t.Context(), "/server_info")
			if err != nil || !strings.Contains(info, version) {
				t.Errorf("/server_info: %v, %.200q; want the version %s", err, info, version)
			}
			for name, want := range map[string]uint64{"server.concurrency": 2, "server.live": 1, "no.such": 0} {
				if got, err := envoy.Stat(t.Context(), name); got != want || err != nil {
					t.Errorf("%s: got %d, %v; want %d", name, got, err, want)
				}
			}
			if err := envoy.Stop(); err != nil {
				t.Error(err)
			}
			gone(t, envoy.PID())
			if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) != 0 || err != nil {
				t.Errorf("files are left: %v, %v", left, err)
			}
		})
	}
}

func TestEnvoySaysWhatIsWrong(t *testing.T) {
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = testenv.StartEnvoy(t.Context(), testenv.EnvoyConfig{
		Version: testenv.Envoy140, AdminPort: ports[0], Bootstrap: fmt.Sprintf(bootstrap, ports[0], "conect_timeout"),
	})
	if want := "conect_timeout"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error that names %s", err, want)
	}
	if err != nil && strings.Contains(err.Error(), "][info][") {
		t.Errorf("the error contains what Envoy logs on any start: %v", err)
	}
}
