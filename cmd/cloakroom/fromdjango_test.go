package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"cloakroom/internal/testenv"
)

// djangoProject writes a project and returns the arguments that name it.
func djangoProject(t *testing.T, settings string) []string {
	t.Helper()
	python, err := testenv.Python()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf')\n",
		"conf.py":   "ROOT_URLCONF = 'urls'\nINSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions']\nLOGIN_URL = '/enter/'\n" + settings,
		"urls.py":   "from django.urls import path\nurlpatterns = [path('enter/', lambda r: None)]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"config", "from-django", "--python", filepath.Dir(filepath.Dir(python)), "--project", dir}
}

// TestFromDjango checks that the output is YAML, whatever characters keys contain, and that a
// shell reads the same values from the comments.
func TestFromDjango(t *testing.T) {
	args := djangoProject(t, `SECRET_KEY = "it's\n\tmine\\ #\x7f"
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': "it's mine"}}
`)
	for name, more := range map[string][]string{"configuration": nil, "Envoy": {"--envoy"}, "Istio": {"--istio"}} {
		t.Run(name, func(t *testing.T) {
			got := run(t, nil, "", append(append(args, "--with-secrets"), more...)...)
			if got.status != 0 {
				t.Fatalf("got %+v", got)
			}
			var comments []string
			for line := range strings.Lines(got.stdout) {
				if strings.HasPrefix(line, "#") {
					comments = append(comments, strings.TrimSuffix(line, "\n"))
					continue
				}
				break
			}
			var line string
			for _, comment := range comments {
				if strings.HasPrefix(comment, "#   CLOAKROOM_SECRET_KEY=") {
					line = strings.TrimPrefix(comment, "#   ")
				}
			}
			out, err := exec.Command("bash", "-c", line+"; printf %s \"$CLOAKROOM_SECRET_KEY\"").CombinedOutput()
			if want := "it's\n\tmine\\ #\x7f"; err != nil || string(out) != want {
				t.Errorf("the shell reads %q, %v, of %q, want %q", out, err, line, want)
			}
			var v any
			if err := yaml.Unmarshal([]byte(got.stdout), &v); err != nil {
				t.Errorf("%v\n%s", err, got.stdout)
			}
			text := strings.Join(comments, "\n")
			for _, want := range []string{", of conf.", "cloakroom migrate --store ", "cloakroom serve --store ", "#   CLOAKROOM_TOKEN=\n", " environment", "it%27s%20mine"} {
				if !strings.Contains(text, want) {
					t.Errorf("the comments are\n%s\nwant %q in them", text, want)
				}
			}
			if got := strings.Contains(text, "login: path /enter/, mode: optional"); got != (more == nil) {
				t.Errorf("the comments have the login page: %v, want %v", got, more == nil)
			}
		})
	}
}

// TestFromDjangoSigned checks that Envoy's environment is complete for signed cookies.
func TestFromDjangoSigned(t *testing.T) {
	args := djangoProject(t, "SECRET_KEY = 'k'\nSECRET_KEY_FALLBACKS = ['f']\nSESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'\n")
	got := run(t, nil, "", args...)
	want := "# In Envoy's environment, and in host_env_keys of its vm_config.environment_variables:\n#   CLOAKROOM_SECRET_KEY=\n#   CLOAKROOM_SECRET_KEY_FALLBACKS=\n\n"
	if got.status != 0 || !strings.Contains(got.stdout, want) || strings.Contains(got.stdout, "cloakroom serve") {
		t.Errorf("got %+v, want %q in it", got, want)
	}
	for flag, want := range map[string]string{
		"--envoy": `host_env_keys: ["CLOAKROOM_SECRET_KEY","CLOAKROOM_SECRET_KEY_FALLBACKS"]`,
		"--istio": "- {name: CLOAKROOM_SECRET_KEY, valueFrom: HOST}\n    - {name: CLOAKROOM_SECRET_KEY_FALLBACKS, valueFrom: HOST}\n",
	} {
		if got := run(t, nil, "", append(args, flag)...); got.status != 0 || !strings.Contains(got.stdout, want) || strings.Contains(got.stdout, "sessions.default") || strings.Contains(got.stdout, "name: sessions") {
			t.Errorf("%s: got %+v, want %q in it, and no session service", flag, got, want)
		}
	}
	var result struct {
		HostEnv []string `json:"host_env_keys"`
		Module  string
	}
	asJSON := run(t, nil, "", append(args, "--json")...)
	if err := json.Unmarshal([]byte(asJSON.stdout), &result); err != nil || len(result.HostEnv) != 2 || result.Module != "conf" {
		t.Errorf("--json: got %+v, %v", asJSON, err)
	}
}

func TestFromDjangoUsage(t *testing.T) {
	args := djangoProject(t, "SECRET_KEY = 'k'\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db'}}\n")
	for _, c := range []struct {
		name   string
		more   []string
		status int
		want   string // in standard error, or output
	}{
		{"two forms", []string{"--envoy", "--istio"}, 2, "--envoy and --istio can't be used together"},
		{"no port", []string{"--envoy", "--app", "django"}, 2, `--app "django": write a host and a port`},
		{"a port that is none", []string{"--istio", "--service", "sessions:0"}, 2, `--service "sessions:0"`},
		{"a public path", []string{"--public", "docs"}, 1, `--public "docs"`},
		{"another service", []string{"--envoy", "--service", "127.0.0.1:9000", "--app", "django:80", "--port", "80", "--admin-port", "81", "--wasm", "/srv/f.wasm"}, 0, "--listen 127.0.0.1:9000\n"},
		{"a name for a service", []string{"--envoy", "--app", "django:80"}, 0, "type: STRICT_DNS"},
		{"Istio's service", []string{"--istio", "--service", "s.ns.svc.cluster.local:9000", "--site", "shop.test", "--namespace", "gate", "--image", "oci://r.test/f@sha256:" + strings.Repeat("1", 64)}, 0, "cluster: outbound|9000||s.ns.svc.cluster.local"},
		{"an image by its tag", []string{"--istio", "--image", "oci://r.test/f:1"}, 2, `--image "oci://r.test/f:1": write the image by its digest`},
		{"some paths private", []string{"--envoy", "--private", "/admin/*"}, 0, "mode: optional\n"},
		{"some paths private, in Istio", []string{"--istio", "--private", "/admin/*"}, 0, "private: {mode: required}"},
		{"some paths private, as routes", []string{"--private", "/admin/*"}, 0, "private: prefix /admin/, mode: required\n"},
		{"paths with commas", []string{"--public", "/a,b/", "--public", "/c/*"}, 0, "public: path /a,b/, mode: optional\n#   public-2: prefix /c/, mode: optional\n"},
	} {
		got := run(t, nil, "", append(args, c.more...)...)
		if got.status != c.status || !strings.Contains(got.stdout+got.stderr, c.want) {
			t.Errorf("%s: got %+v, want status %d and %q", c.name, got, c.status, c.want)
		}
	}
}
