package fromdjango

import (
	"os"
	"path/filepath"
	"testing"

	"cloakroom/internal/testenv"
)

// TestVersions translates the same projects with each Django.
func TestVersions(t *testing.T) {
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct{ name, python, packages string }{
		{"4.2", "build/venv/bin/python", "build/django-4.2"},
		{"6.1", "build/venv-django6/bin/python", ""},
	} {
		t.Run(v.name, func(t *testing.T) {
			interpreter := filepath.Join(root, v.python)
			if _, err := os.Stat(interpreter); err != nil && v.name == "6.1" {
				t.Skip("it needs Python 3.12; make setup says how to name one")
			}
			if v.packages != "" {
				t.Setenv("PYTHONPATH", filepath.Join(root, v.packages))
			}
			pages := site("i18n_patterns(path('enter/', Login.as_view(), name='enter'), path('', include(reset)))")
			o := Options{Python: interpreter, Secrets: true}
			const is = "import django\nassert django.__version__.startswith('"
			for _, r := range []row{
				{settings: head + postgres + languages + "LOGIN_URL = 'enter'\nAUTHENTICATION_BACKENDS = ['django.contrib.auth.backends.AllowAllUsersModelBackend']\nSTATIC_URL = 'static/'", files: pages, want: []string{
					"serve serve --store postgres://me:p%2Fw@db.test:5433/app --auth-backends django.contrib.auth.backends.AllowAllUsersModelBackend --inactive-backends",
					"login:map[url:/en/enter/]", "page password-reset-confirm regex /(?:de|en|pt-br)/reset/[^/]+/[^/]+/ optional\n", "page static prefix /static/ off\n"}},
				{settings: at("'rediss://u:p@cache/3?ssl_cert_reqs=none'", "'socket_timeout': 2"), want: stores("rediss://u:p@cache/3?read_timeout=2s&skip_verify=true&write_timeout=2s")},
				{settings: signed + "SECRET_KEY_FALLBACKS = ['a']", want: []string{"env CLOAKROOM_SECRET_KEY_FALLBACKS=a\n"}},
			} {
				r.settings, r.o = is+v.name+"')\n"+r.settings, o
				r.run(t)
			}
		})
	}
}
