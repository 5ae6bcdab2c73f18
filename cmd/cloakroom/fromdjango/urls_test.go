package fromdjango

import (
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// site returns a urls.py with patterns.
func site(patterns string) map[string]string {
	return map[string]string{"urls.py": `
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import views
from django.urls import include, path, re_path
from django.utils.translation import gettext_lazy as _
page = lambda request: None
class Login(views.LoginView): pass
reset = [
    path('forgotten/', views.PasswordResetView.as_view(), name='password_reset'),
    path('forgotten/sent/', views.PasswordResetDoneView.as_view(), name='password_reset_done'),
    path('reset/<uidb64>/<token>/', views.PasswordResetConfirmView.as_view(), name='password_reset_confirm'),
    path('reset/done/', views.PasswordResetCompleteView.as_view(), name='password_reset_complete'),
]
urlpatterns = ` + patterns + "\n"}
}

const languages = "LANGUAGES = [('en', 'English'), ('de', 'German'), ('pt-br', 'Portuguese')]\nLANGUAGE_CODE = 'en'\n"

// TestLocations translates every kind of LOGIN_URL and LOGOUT_REDIRECT_URL.
func TestLocations(t *testing.T) {
	login := site("[path('enter/', Login.as_view(), name='enter')]")
	i18n := site("i18n_patterns(path('enter/', page, name='enter'))")
	all(t, []row{
		{name: "names", files: login, settings: signed + "LOGIN_URL = 'enter'\nLOGOUT_REDIRECT_URL = 'enter'", want: []string{"login:map[url:/enter/] logout:map[redirect:/enter/]", "page login path /enter/ optional\n"}, not: []string{"note LOGIN_URL"}},
		{name: "lazy", files: login, settings: "from django.urls import reverse_lazy\n" + signed + "LOGIN_URL = reverse_lazy('enter')", want: []string{"login:map[url:/enter/]"}},
		{name: "a path", files: login, settings: signed + "LOGIN_URL = '/enter/'", want: []string{"login:map[url:/enter/]"}, not: []string{"note LOGIN_URL"}},
		{name: "a path with a query", files: login, settings: signed + "LOGIN_URL = '/enter/?by=mail'", want: []string{"login:map[url:/enter/?by=mail]", "page login path /enter/ optional\n"}, not: []string{"note LOGIN_URL"}},
		{name: "Unicode", files: site("[path('einlaß/', page, name='enter')]"), settings: signed + "LOGIN_URL = 'enter'", want: []string{"login:map[url:/einla%C3%9F/]", "page login path /einla%C3%9F/ optional\n"}, not: []string{"note LOGIN_URL"}},
		{name: "Unicode, a path", files: site("[path('einlaß/', page)]"), settings: signed + "LOGIN_URL = '/einlaß/'", want: []string{"login:map[url:/einla%C3%9F/]"}, not: []string{"note LOGIN_URL"}},
		{name: "another host", files: login, settings: signed + "LOGIN_URL = 'https://sso.test/in?x=1'", want: []string{"login:map[url:https://sso.test/in?x=1]", "note LOGIN_URL https://sso.test/in?x=1 is a URL with a host"}, not: []string{"page login"}},
		{name: "below a prefix", files: login, settings: signed + "LOGIN_URL = 'enter'\nFORCE_SCRIPT_NAME = '/app'", want: []string{"login:map[url:/app/enter/]", "page login path /app/enter/ optional\n"}, not: []string{"note LOGIN_URL"}},
		{name: "other origins", files: login, settings: signed + "CSRF_TRUSTED_ORIGINS = ['https://*.example.com', 'http://localhost:8000']", want: []string{"logout:map[redirect:/ trusted_origins:[https://*.example.com http://localhost:8000]]"}},
		{name: "nothing", files: login, settings: signed + "LOGIN_URL = ''\nLOGOUT_REDIRECT_URL = None", want: []string{"login:map[url:/accounts/login/] logout:map[redirect:/]", "note LOGIN_URL is empty"}},
		{name: "a path that nothing answers", files: site("[path('', page)]"), settings: signed, want: []string{`note LOGIN_URL "/accounts/login/": no pattern of ROOT_URLCONF answers /accounts/login/; another service must serve it`}},
		{name: "a path that nothing answers, and a login page", files: site("[path('a/', include(([path('in/', Login.as_view(), name='in')], 'app'))), path('enter/', Login.as_view(), name='enter')]"), settings: signed, want: []string{"set LOGIN_URL to app:in (/a/in/) or enter (/enter/), unless another service does"}},
		{name: "a path that nothing answers, and Django's admin", files: map[string]string{"urls.py": "from django.contrib import admin\nfrom django.urls import path\nurlpatterns = [path('admin/', admin.site.urls)]"},
			settings: signed + "INSTALLED_APPS += ['django.contrib.admin', 'django.contrib.messages']", want: []string{"set LOGIN_URL to admin:login (/admin/login/)"}},
		{name: "by language", files: i18n, settings: signed + languages + "LOGIN_URL = 'enter'",
			want: []string{"login:map[url:/en/enter/]", "page login regex /(?:de|en|pt-br)/enter/ optional\n", `note LOGIN_URL "enter" depends on the language (i18n_patterns), and the filter redirects everybody to /en/enter/`, "let a view outside of i18n_patterns redirect to it"}},
		{name: "by language, but for the default", files: site("i18n_patterns(path('enter/', page, name='enter'), prefix_default_language=False)"), settings: signed + languages + "LOGIN_URL = 'enter'",
			want: []string{"login:map[url:/enter/]", "page login regex /(?:de/enter|enter|pt-br/enter)/ optional\n", "depends on the language"}},
		{name: "a path that is redirected to a language's", files: i18n, settings: signed + languages + "LOGIN_URL = '/enter/'",
			want: []string{"login:map[url:/enter/]", "page login regex /(?:de/enter|en/enter|enter|pt-br/enter)/ optional\n"}, not: []string{"note LOGIN_URL"}},
		{name: "a translated path", files: site("[path(_('enter/'), page, name='enter')]"), settings: signed + languages + "LOGIN_URL = 'enter'", want: []string{"login:map[url:/enter/]", "page login path /enter/"}},
		{name: "without translations", files: i18n, settings: signed + languages + "USE_I18N = False\nLOGIN_URL = 'enter'", want: []string{"login:map[url:/enter/]"}, not: []string{"depends on the language"}},

		{name: "a name that is none", refused: true, files: login, settings: signed + "LOGIN_URL = 'leave'", want: []string{"LOGIN_URL: ", "NoReverseMatch: Reverse for 'leave' not found.", "name a pattern in ROOT_URLCONF, or write the path"}},
		{name: "a name that is none, after the logout", refused: true, files: login, settings: signed + "LOGOUT_REDIRECT_URL = 'leave'", want: []string{"LOGOUT_REDIRECT_URL: ", "NoReverseMatch"}},
		{name: "a relative path", refused: true, files: login, settings: signed + "LOGIN_URL = 'enter/'", want: []string{`LOGIN_URL is "enter/": browsers look for it beside each page; write it with a slash at its beginning`}},
		{name: "a relative path with dots", refused: true, files: login, settings: signed + "LOGIN_URL = '../enter/'", want: []string{`LOGIN_URL is "../enter/"`}},
		{name: "a relative path after the logout", refused: true, files: login, settings: signed + "LOGOUT_REDIRECT_URL = 'bye/'", want: []string{`LOGOUT_REDIRECT_URL is "bye/"`}},
		{name: "two slashes", refused: true, files: login, settings: signed + "LOGIN_URL = '//sso.test/'", want: []string{`LOGIN_URL is "//sso.test/": browsers take it for another host`}},
		{name: "a backslash", files: login, settings: signed + `LOGIN_URL = '/\\sso.test/'`, want: []string{"login:map[url:/%5Csso.test/]"}},
		{name: "a scheme", refused: true, files: login, settings: signed + "LOGIN_URL = 'javascript:alert(1).x'", want: []string{"LOGIN_URL is ", "no http: or https: URL"}},
		{name: "a fragment", refused: true, files: login, settings: signed + "LOGIN_URL = '/enter/#form'", want: []string{`LOGIN_URL is "/enter/#form": it has a fragment`}},
		{name: "no URLs", refused: true, settings: signed + "del ROOT_URLCONF", want: []string{"ROOT_URLCONF"}},
		{name: "an error among the URLs", refused: true, files: map[string]string{"urls.py": "\n\nimport nothing_at_all\n"}, settings: signed, want: []string{"ROOT_URLCONF: ModuleNotFoundError: No module named 'nothing_at_all' (urls.py, line 3); install nothing_at_all for "}},
	})
}

// TestPages translates the paths for visitors without a session.
func TestPages(t *testing.T) {
	i18n := "[path('i18n/', include('django.conf.urls.i18n'))] + i18n_patterns(path('', include(reset)), path('enter/', page, name='enter'))"
	all(t, []row{
		{name: "a forgotten password", files: site("[path('accounts/', include(reset))]"), settings: signed, want: []string{
			"page password-reset path /accounts/forgotten/ optional\npage password-reset-done path /accounts/forgotten/sent/ optional\n" +
				"page password-reset-confirm regex /accounts/reset/[^/]+/[^/]+/ optional\npage password-reset-complete path /accounts/reset/done/ optional\n"}},
		{name: "Django's own patterns", files: site("[path('accounts/', include('django.contrib.auth.urls'))]"), settings: signed, want: []string{
			"page login path /accounts/login/ optional\n", "page password-reset path /accounts/password_reset/ optional\n", "page password-reset-confirm regex /accounts/reset/[^/]+/[^/]+/ optional\n"}},
		{name: "old patterns", files: site(`[re_path(r'^r/(?P<uidb64>[0-9A-Za-z_\-]+)/(?P<token>[0-9A-Za-z]{1,13}-[0-9A-Za-z]{1,20})\.x/$', views.PasswordResetConfirmView.as_view(), name='confirm')]`), settings: signed,
			want: []string{`page password-reset-confirm regex /r/[^/]+/[^/]+\.x/ optional`}},
		{name: "in two places", files: site("[path('a/', include((reset, 'a'))), path('b/', include((reset, 'b'), namespace='b'))]"), settings: signed,
			want: []string{"page password-reset path /a/forgotten/ optional\n", "page password-reset-2 path /b/forgotten/ optional\n"}},
		{name: "with an argument before them", files: site("[path('<slug:site>/', include(reset))]"), settings: signed, not: []string{"password-reset"}},
		{name: "languages", files: site(i18n), settings: signed + languages + "LOGIN_URL = 'enter'", want: []string{
			"page set-language path /i18n/setlang/ optional\n", "page password-reset regex /(?:de|en|pt-br)/forgotten/ optional\n",
			"page password-reset-confirm regex /(?:de|en|pt-br)/reset/[^/]+/[^/]+/ optional\n"}},
		{name: "a catalog of texts", files: site("[path('js/', __import__('django.views.i18n').views.i18n.JavaScriptCatalog.as_view(), name='js')]"), settings: signed, want: []string{"page javascript-catalog path /js/ optional\n"}},

		{name: "assets", settings: signed + "STATIC_URL = 'static/'\nMEDIA_URL = '/media/'", want: []string{"page static prefix /static/ off\n", "page media prefix /media/ optional\n", "note MEDIA_URL"}},
		{name: "assets below a prefix", settings: signed + "STATIC_URL = 'static/'\nFORCE_SCRIPT_NAME = '/app'", want: []string{"page static prefix /app/static/ off\n"}},
		{name: "assets elsewhere", settings: signed + "STATIC_URL = 'https://cdn.test/'\nMEDIA_URL = '//cdn.test/'", not: []string{"page static", "page media"}},
		{name: "no assets", settings: signed, not: []string{"page static", "page media"}},
		{name: "assets everywhere", settings: signed + "STATIC_URL = '/'\nMEDIA_URL = ''", not: []string{"page static", "page media"}},
		{name: "the login page among the assets", settings: signed + "STATIC_URL = '/enter/'\nLOGIN_URL = 'enter'", not: []string{"page static"}, want: []string{"note STATIC_URL /enter/ has the page /enter/ under it"}},

		{name: "named ones", settings: signed, o: Options{Public: []string{"/", "/pricing/", "/docs/*"}}, want: []string{"page public path / optional\npage public-2 path /pricing/ optional\npage public-3 prefix /docs/ optional\n"}},
		{name: "private ones", settings: signed + "STATIC_URL = '/admin/static/'", o: Options{Private: []string{"/admin/*", "/me/"}}, want: []string{"mode:optional", "page static prefix /admin/static/ off\npage private prefix /admin/ required\npage private-2 path /me/ required\n"}},
		{name: "all private", refused: true, settings: signed, o: Options{Private: []string{"/*"}}, want: []string{`--private "/*": every path would be private; leave it out`}},
		{name: "half a private part", refused: true, settings: signed, o: Options{Private: []string{"/adm*"}}, want: []string{`--private "/adm*": write /adm/*`}},
		{name: "all", refused: true, settings: signed, o: Options{Public: []string{"/*"}}, want: []string{`--public "/*": every path would be public`}},
		{name: "half a part", refused: true, settings: signed, o: Options{Public: []string{"/doc*"}}, want: []string{`--public "/doc*": write /doc/*`}},
		{name: "no path", refused: true, settings: signed, o: Options{Public: []string{"docs/"}}, want: []string{`--public "docs/": write a path`}},
		{name: "a query", refused: true, settings: signed, o: Options{Public: []string{"/docs?x"}}, want: []string{`--public "/docs?x"`}},
		{name: "a semicolon", refused: true, settings: signed, o: Options{Public: []string{"/a;b"}}, want: []string{`--public "/a;b"`}},
	})
}

// TestManyLanguages checks that each path is in one expression, and that Envoy accepts the size of
// each expression.
func TestManyLanguages(t *testing.T) {
	var r translation
	var paths []string
	for i := range 100 {
		paths = append(paths, "/"+strconv.FormatInt(int64(1000+i*7919), 36)+"/accounts/login/")
	}
	r.add("login", "optional", slices.Clone(paths)...)
	if len(r.Pages) < 2 || r.Pages[1].Name != "login-2" {
		t.Errorf("got %v, want several pages", r.Pages)
	}
	for _, path := range append(paths, "/rs/accounts/logon/", "/a/accounts/login/", "/rs/accounts/login/x") {
		matches := 0
		for _, page := range r.Pages {
			if size := programSize(page.Value); size > maxProgram {
				t.Errorf("%s: size %d", page.Value, size)
			}
			if regexp.MustCompile("^(?:" + page.Value + ")$").MatchString(path) {
				matches++
			}
		}
		if want := map[bool]int{true: 1}[slices.Contains(paths, path)]; matches != want {
			t.Errorf("%s: in %d expressions, want %d", path, matches, want)
		}
	}
}

func TestAlternatives(t *testing.T) {
	for want, paths := range map[string][]string{
		"/a/":                          {"/a/"},
		"/a/[^/]+/":                    {"/a/<part>/"},
		"/(?:de|en)/a\\.b/":            {"/de/a.b/", "/en/a.b/"},
		"/(?:a|de/a)/":                 {"/a/", "/de/a/"},
		"/(?:|a)":                      {"/", "/a"},
		"/app/(?:de|de-at)/x/[^/]+/y/": {"/app/de/x/<part>/y/", "/app/de-at/x/<part>/y/"},
		"/(?:a|b)":                     {"/a", "/b"},
		`/a\*/`:                        {"/a*/"},
	} {
		if got := alternatives(paths); got != want {
			t.Errorf("alternatives(%q): got %s, want %s", paths, got, want)
		}
	}
}
