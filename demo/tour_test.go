package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

var csrfField = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([^"]+)"`)

// tour follows the README's instructions, as a browser does.
func (d *running) tour() {
	t := d.t
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	get := func(path string) (at, body string) { return visit(t, browser, d.url+path, nil) }

	at, page := get("")
	token := csrfField.FindStringSubmatch(page)
	if at != "/login/?next=/" || token == nil {
		t.Fatalf("/ leads to %s, want the login page", at)
	}
	if at, page = visit(t, browser, d.url+"login/", url.Values{
		"csrfmiddlewaretoken": token[1:], "username": {"demo"}, "password": {"cloakroom"}, "next": {"/"},
	}); at != "/" || !strings.Contains(page, "You are demo") {
		t.Fatalf("the login leads to %s, want the home page of demo", at)
	}
	at, page = get("go/whoami")
	for _, want := range []string{"Hello, demo", "demo@example.com", "<div>editors</div>", "<div>auth.view_group</div><div>auth.view_user</div>", "visits"} {
		if at != "/go/whoami" || !strings.Contains(page, want) {
			t.Errorf("%s: %q lacks %q", at, page, want)
		}
	}
	for path, want := range map[string]string{"go/staff": "For the staff only: the proxy has let you in", "go/editors": "For the group editors only: the proxy has let you in"} {
		if _, page = get(path); !strings.Contains(page, want) {
			t.Errorf("%s: %q, want %q", path, page, want)
		}
	}
	here, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	old := jar.Cookies(here)
	if at, _ = visit(t, browser, d.url+"logout/", url.Values{}); at != "/login/" {
		t.Errorf("the logout leads to %s, want /login/", at)
	}
	jar.SetCookies(here, old)
	for _, path := range []string{"", "go/whoami"} {
		if at, _ = get(path); at != "/login/?next=/"+path {
			t.Errorf("with the old cookie /%s leads to %s, want the login page", path, at)
		}
	}
}

// visit loads a page, or posts a form, and returns where that led.
func visit(t *testing.T, browser *http.Client, address string, form url.Values) (at, body string) {
	t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Sec-Fetch-Mode", "navigate")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	answer, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Request.URL.RequestURI(), string(text)
}
