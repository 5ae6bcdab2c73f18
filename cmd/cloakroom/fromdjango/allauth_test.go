package fromdjango

import (
	"path/filepath"
	"testing"

	"cloakroom/internal/testenv"
)

// TestAllauth translates the pages of django-allauth for visitors without a session.
func TestAllauth(t *testing.T) {
	sites, err := testenv.VenvPython("venv-sites")
	if err != nil {
		t.Fatal(err)
	}
	root, err := testenv.Root()
	if err != nil {
		t.Fatal(err)
	}
	const at = "from django.conf.urls.i18n import i18n_patterns\nfrom django.urls import include, path\nurlpatterns = "
	const settings = signed + `
INSTALLED_APPS += ["django.contrib.messages", "allauth", "allauth.account", "allauth.mfa", "rest_framework"]
MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"context_processors": ["django.template.context_processors.request"]}}]
LANGUAGES = [("de", "Deutsch"), ("en", "English")]
LOGIN_URL = "account_login"
`
	own := "\nfrom allauth.account.views import LoginView\nfrom rest_framework.views import APIView\nclass Login(LoginView): pass\n"
	all(t, []row{
		{name: "below a path", o: Options{Python: sites}, settings: settings, files: map[string]string{"urls.py": at + "[path('accounts/', include('allauth.urls'))]"}, want: []string{
			"page login path /accounts/login/ optional\n", "page allauth regex /accounts/(?:2fa/authenticate|confirm-email|confirm-email/[^/]+|inactive|login/code/confirm)/ optional\n",
			`page allauth-2 regex /accounts/(?:logout|password/reset|password/reset/done|password/reset/key/[^/]+-[^/]+|password/reset/key/done|signup)/ optional`}},
		{name: "in languages", o: Options{Python: sites}, settings: settings, files: map[string]string{"urls.py": at + "i18n_patterns(path('', include('allauth.account.urls')))"}, want: []string{
			"page login regex /(?:de|en-us|en)/login/ optional\n", "page allauth-8 regex /en/(?:password/reset|password/reset/done|password/reset/key/[^/]+-[^/]+|password/reset/key/done|signup)/ optional\n"}},
		{name: "views of the project's, and of an API", o: Options{Python: sites}, settings: settings, files: map[string]string{"urls.py": own + at + "[path('enter/', Login.as_view(), name='account_login'), path('api/', APIView.as_view(), name='api')]"},
			want: []string{"page login path /enter/ optional\n"}, not: []string{"/api/", "page allauth"}},
		{name: "anywhere", o: Options{Python: sites}, settings: settings, files: map[string]string{"urls.py": own + at + "[path('enter/', Login.as_view(), name='account_login'), path('<slug:site>/', include('allauth.account.urls'))]"},
			want: []string{"page login"}, not: []string{"page allauth"}},
		{name: "Django 4.2", o: Options{Python: sites}, settings: settings, env: map[string]string{"PYTHONPATH": filepath.Join(root, "build", "django-4.2")},
			files: map[string]string{"urls.py": at + "[path('accounts/', include('allauth.urls'))]"}, want: []string{"note allauth's pages for people without a session"}, not: []string{"page allauth"}},
	})
}
