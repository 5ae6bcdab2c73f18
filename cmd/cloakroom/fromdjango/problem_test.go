package fromdjango

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestProblems checks each reason why settings cannot be read: the errors contain Python's own
// line, where it happened, and what to do.
func TestProblems(t *testing.T) {
	const start = "could not import conf in $DIR: "
	all(t, []row{
		{name: "a module of the project's", refused: true, settings: "import nowhere_at_all", want: []string{start + "ModuleNotFoundError: No module named 'nowhere_at_all' (conf.py, line 1); install nowhere_at_all for ", "--python", "--project"}},
		{name: "a driver", refused: true, settings: head + postgres + "import sys\nsys.modules['psycopg'] = sys.modules['psycopg2'] = None",
			want: []string{"INSTALLED_APPS: django.core.exceptions.ImproperlyConfigured: Error loading psycopg2 or psycopg module; install that driver for ", "or name the project's own interpreter with --python"}},
		{name: "an app", refused: true, settings: head + "INSTALLED_APPS += ['shop']", want: []string{"INSTALLED_APPS: ModuleNotFoundError: No module named 'shop'; install shop for ", "--python"}},
		{name: "a library of the cache's", refused: true, settings: at("'redis://a'", "") + "import sys\nsys.modules['redis'] = None", want: []string{"CACHES['default'] BACKEND: ModuleNotFoundError: ", "install redis"}},
		{name: "a variable", refused: true, settings: "import os\n\nx = os.environ['SITE_DATABASE']", want: []string{start + "KeyError: 'SITE_DATABASE' (conf.py, line 3); set SITE_DATABASE, and whatever else is in the environment"}},
		{name: "a variable that a library names", refused: true, settings: "from django.core.exceptions import ImproperlyConfigured\nraise ImproperlyConfigured('Set the X environment variable')", want: []string{"ImproperlyConfigured: Set the X environment variable (conf.py, line 2); run this with the environment"}},
		{name: "a folder", refused: true, settings: "import os\nos.listdir('/no/such/folder')", want: []string{start + "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/folder' (conf.py, line 2); run this where the project's files and folders are"}},
		{name: "a folder of logs", refused: true, settings: head + "LOGGING = {'version': 1, 'handlers': {'f': {'class': 'logging.FileHandler', 'filename': '/no/such/log'}}}",
			want: []string{"INSTALLED_APPS: ValueError: Unable to configure handler 'f', caused by FileNotFoundError: [Errno 2] No such file or directory: '/no/such/log'; run this where"}},
		{name: "an error", refused: true, settings: "1/0", want: []string{start + "ZeroDivisionError: division by zero (conf.py, line 1)"}},
		{name: "an error further in", refused: true, settings: "import own\n", files: map[string]string{"own.py": "def f():\n    raise ValueError('of own')\nf()\n"}, want: []string{"ValueError: of own (own.py, line 2)"}},
		{name: "an error of several lines", refused: true, settings: "raise ValueError('''one\n\n  two''')", want: []string{"ValueError: one two (conf.py"}},
		{name: "no Python", refused: true, settings: "x = = 1", want: []string{start + "SyntaxError: invalid syntax (conf.py, line 1)"}},
		{name: "sys.exit", refused: true, settings: "import sys\nsys.exit('set SITE first')", want: []string{start + "SystemExit: set SITE first (conf.py, line 2); the settings end the process"}},
		{name: "sys.exit without an error", refused: true, settings: "import sys\nsys.exit(0)", want: []string{"SystemExit: 0"}},
		{name: "os._exit", refused: true, settings: "import os, sys\nprint('no more', file=sys.stderr, flush=True)\nos._exit(3)", want: []string{"run in $DIR, ended with: no more"}},
		{name: "os._exit without an error", refused: true, settings: "import os\nos._exit(0)", want: []string{"is no interpreter of Python, or the settings ended it: it printed \"\""}},
		{name: "an app that fails", refused: true, settings: head + "INSTALLED_APPS += ['own']", files: map[string]string{"own/__init__.py": "", "own/models.py": "import sys\nsys.exit(2)"}, want: []string{"INSTALLED_APPS: SystemExit: 2 (own/models.py, line 2)"}},
		{name: "a backend that fails", refused: true, settings: head + sqlite + "AUTHENTICATION_BACKENDS = ['own.No']", files: own, want: []string{"AUTHENTICATION_BACKENDS, own.No: ImportError: "}},
		{name: "no user model", refused: true, settings: head + sqlite + "AUTH_USER_MODEL = 'auth.Nobody'", want: []string{"AUTH_USER_MODEL", "auth.Nobody"}},

		{name: "noise", settings: signed + "import os, subprocess\nos.write(1, b'{')\nsubprocess.run(['echo', '{}'])\nprint('{')", want: []string{"signed_cookies"}},
		{name: "threads that do not end", settings: signed + "import threading, time\nthreading.Thread(target=lambda: time.sleep(3600)).start()", want: []string{"signed_cookies"}},
		{name: "a look at the command", settings: signed + "import sys\nassert sys.argv[1] != 'test' and len(sys.argv) == 2", want: []string{"signed_cookies"}},
	})
}

// TestModule checks how the settings module is found.
func TestModule(t *testing.T) {
	const setdefault = "import os\ndef main():\n    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf')\n"
	for _, c := range []struct {
		name, manage, env, module string
		want                      string // in the error; empty: none
	}{
		{"manage.py", setdefault, "", "", ""},
		{"manage.py that assigns it", "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'conf'\n", "elsewhere", "", ""},
		{"manage.py, but for the environment", strings.Replace(setdefault, "conf", "nowhere", 1), "conf", "", ""},
		{"no manage.py", "", "conf", "", ""},
		{"the argument first", strings.Replace(setdefault, "conf", "nowhere", 1), "nowhere", "conf", ""},
		{"nothing", "", "", "", "DJANGO_SETTINGS_MODULE: it is not set, and there is no $DIR/manage.py; name the settings module as the argument"},
		{"manage.py that computes it", strings.Replace(setdefault, "'conf'", "'conf.' + x", 1), "", "", "DJANGO_SETTINGS_MODULE: $DIR/manage.py does not set it to one text; name"},
		{"manage.py with two", setdefault + "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'test')", "", "", "does not set it to one text"},
		{"manage.py that is no Python", "x = = 1", "", "", "DJANGO_SETTINGS_MODULE: SyntaxError"},
		{"a file", "", "", "site/conf.py", "site/conf.py is a file: name the module as Python imports it, such as project.settings"},
		{"a module that is not there", "", "", "site.settings", "could not import site.settings in $DIR: ModuleNotFoundError"},
		{"a package that is not there", "", "", "nosite.settings", "ModuleNotFoundError: No module named 'nosite'; name the folder with manage.py in it with --project"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{}
			if c.manage != "" {
				files["manage.py"] = c.manage
			}
			t.Setenv("DJANGO_SETTINGS_MODULE", c.env)
			if c.env == "" {
				os.Unsetenv("DJANGO_SETTINGS_MODULE")
			}
			dir := project(t, signed, files)
			result, err := Translate(t.Context(), Options{Python: python(t), Project: dir, Module: c.module})
			switch want := places(dir).Replace(c.want); {
			case want == "" && (err != nil || result.Module != "conf"):
				t.Errorf("got %+v, %v, want the module conf", result, err)
			case want != "" && (!errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), want)):
				t.Errorf("got %v, want ErrSettings with %q", err, want)
			}
		})
	}
}

// TestInterpreter checks every form of --python.
func TestInterpreter(t *testing.T) {
	venv := filepath.Dir(filepath.Dir(python(t)))
	dir := project(t, signed, map[string]string{"empty/x": "", "not-python": "#!/bin/sh\necho hello\n", "home/x": ""})
	for name, target := range map[string]string{"link": python(t), ".venv": venv, "home/env": venv} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "not-python"), 0o700); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare")
	if out, err := exec.Command(python(t), "-m", "venv", "--without-pip", bare).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("HOME", filepath.Join(dir, "home"))
	elsewhere := t.TempDir()
	for _, c := range []struct{ name, python, cwd, want string }{
		{"absolute", python(t), elsewhere, ""},
		{"an environment", venv, elsewhere, ""},
		{"relative to the working folder", ".venv/bin/python", dir, ""},
		{"relative to the working folder, an environment", ".venv", dir, ""},
		{"relative to the working folder, from below", "../.venv", filepath.Join(dir, "empty"), ""},
		{"at home", "~/env", elsewhere, ""},
		{"at home, the program", "~/env/bin/python", elsewhere, ""},
		{"relative to the project", ".venv/bin/python", elsewhere, "a path is relative to the working folder: write $DIR/.venv/bin/python"},
		{"none on the PATH", "no-such-python", elsewhere, "--python: exec: \"no-such-python\": executable file not found in $PATH; name the project's interpreter, or the folder"},
		{"none", "/no/such/python", elsewhere, "--python: stat /no/such/python: no such file or directory; name the project's interpreter"},
		{"a folder", "empty", dir, "the folder $DIR/empty has no bin/python: it is no virtual environment"},
		{"no Python", "./not-python", dir, "$DIR/not-python is no interpreter of Python, or the settings ended it: it printed \"hello\\n\""},
		{"not executable", "./conf.py", dir, "permission denied"},
		{"without Django", bare, elsewhere, "ModuleNotFoundError: No module named 'django'; name the project's own interpreter with --python $DIR/.venv"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(c.cwd)
			_, err := Translate(t.Context(), Options{Python: c.python, Project: dir, Module: "conf"})
			switch want := places(dir).Replace(c.want); {
			case want == "" && err != nil:
				t.Error(err)
			case want != "" && (!errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), want)):
				t.Errorf("got %v, want ErrSettings with %q", err, want)
			}
		})
	}
}
