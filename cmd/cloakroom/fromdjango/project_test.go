package fromdjango

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

const head = `
SECRET_KEY = "a secret' key"
USE_TZ = True
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
print("noise of the project")
`

const engine = "\nSESSION_ENGINE = 'django.contrib.sessions.backends."

// signed is a project that needs no store.
const signed = head + engine + "signed_cookies'\n"

// project writes a project with the settings, and returns its folder.
func project(t *testing.T, settings string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"conf.py": settings,
		"urls.py": "from django.urls import path\nurlpatterns = [path('enter/', lambda r: None, name='enter')]\n",
	}
	maps.Copy(all, files)
	if strings.Contains(settings, "ca.pem") {
		all["ca.pem"], all["key.pem"] = certificate(t)
	}
	for name, text := range all {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// certificate returns a self-signed certificate, and its key.
func certificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func python(t *testing.T) string {
	t.Helper()
	path, err := testenv.Python()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// row is a project, and the expected result of its settings.
type row struct {
	name, settings string
	// want are in the result's text (lines returns it), or in the error where refused. $DIR is the
	// project's folder, $QDIR the same in a query.
	want    []string
	refused bool
	files   map[string]string
	env     map[string]string
	// not are texts that are in neither.
	not []string
	o   Options
}

// all checks the translation of each row.
func all(t *testing.T, rows []row) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if r.env == nil {
				t.Parallel()
			}
			r.run(t)
		})
	}
}

func (r row) run(t *testing.T) {
	dir := project(t, r.settings, r.files)
	for name, value := range r.env {
		t.Setenv(name, strings.ReplaceAll(value, "$DIR", dir))
	}
	o := r.o
	o.Project, o.Module = dir, "conf"
	if o.Python == "" {
		o.Python = python(t)
	}
	result, err := Translate(t.Context(), o)
	if (err != nil) != r.refused {
		t.Fatalf("got %v, want refused: %v", err, r.refused)
	}
	var text string
	if err == nil {
		text = lines(result)
		check(t, result)
	} else if text = err.Error(); !errors.Is(err, ErrSettings) {
		t.Errorf("got %v, want an error that wraps ErrSettings", err)
	}
	for _, want := range r.want {
		if want = places(dir).Replace(want); !strings.Contains(text, want) {
			t.Errorf("got\n%s\nwant %q in it", text, want)
		}
	}
	for _, not := range r.not {
		if strings.Contains(text, not) {
			t.Errorf("got\n%s\nwant no %q in it", text, not)
		}
	}
}

// places replaces $DIR and $QDIR.
func places(dir string) *strings.Replacer {
	return strings.NewReplacer("$QDIR", url.QueryEscape(dir), "$DIR", dir)
}

// lines returns a result as text, a line for each value.
func lines(r *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "serve %s\nfilter %v\nhost_env_keys %s\n", strings.Join(r.Serve, " "), r.Filter, strings.Join(r.HostEnv, ","))
	for _, name := range slices.Sorted(maps.Keys(r.Environment)) {
		fmt.Fprintf(&b, "env %s=%s\n", name, r.Environment[name])
	}
	for _, page := range r.Pages {
		fmt.Fprintf(&b, "page %s %s %s %s\n", page.Name, page.Match, page.Value, page.Mode)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note %s\n", note)
	}
	return b.String()
}

// check fails the test unless the service can parse the arguments.
func check(t *testing.T, r *Result) {
	t.Helper()
	codec, err := django.NewCodec("x")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel() // the arguments are parsed, but no connection is made
	if i := slices.Index(r.Serve, "--store"); i > 0 {
		if _, err := store.Open(ended, r.Serve[i+1], store.Options{Codec: codec}); errors.Is(err, store.ErrURL) {
			t.Errorf("--store %s: %v", r.Serve[i+1], err)
		}
	}
	if i := slices.Index(r.Serve, "--accounts"); i > 0 && r.Serve[i+1] != "off" {
		if _, _, err := store.OpenUsers(ended, r.Serve[i+1], session.DjangoUsers("auth_user")); errors.Is(err, store.ErrURL) {
			t.Errorf("--accounts %s: %v", r.Serve[i+1], err)
		}
	}
}
