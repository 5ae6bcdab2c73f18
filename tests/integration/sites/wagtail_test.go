package sites

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"cloakroom/internal/testenv"
)

// TestWagtail edits a page in Wagtail with a browser. Its pages are for everybody, /admin/ for those with a
// session.
func TestWagtail(t *testing.T) {
	needBrowser(t)
	t.Parallel()
	for _, tt := range []struct {
		version, venv string
		// preview says that previews are in the session. Wagtail 8 has a table for them.
		preview bool
	}{
		{"7", "venv-sites", true},
		{"8", "venv-wagtail8", false},
	} {
		t.Run(tt.version, func(t *testing.T) {
			t.Parallel()
			python, err := testenv.VenvPython(tt.venv)
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, config{settings: "wagtails", python: python, login: "/admin/login/", accounts: []string{"ann"}, args: []string{"--private", "/admin/*"}})
			s.strangers(t, "/admin/", s.login)
			s.edit(t, tt.preview)
		})
	}
}

// edit logs in, edits, previews and publishes a page, and logs out.
func (s *site) edit(t *testing.T, inSession bool) {
	t.Helper()
	const path = "/admin/pages/3/edit/"
	text := strings.Repeat("süß und 20 KB groß ", 1000) + "."
	if s.published(t, text) {
		t.Fatal("the text is there before it was written")
	}
	b := s.browser(t)
	b.do("log in", chromedp.Navigate(s.url("/admin/")), at("/admin/login/?next=/admin/"), chromedp.SendKeys(chromedp.CSS("#id_username"), "ann"),
		chromedp.SendKeys(chromedp.CSS("#id_password"), password+"\n"), at("/admin/"))
	key := b.key()

	b.do("edit", chromedp.Navigate(s.url(path)), at(path), chromedp.WaitVisible(chromedp.CSS("#id_body")),
		js(fmt.Sprintf("document.querySelector('#id_body').value = %q; for (const e of ['input', 'change']) document.querySelector('#id_body').dispatchEvent(new Event(e, {bubbles: true}))", text)))
	b.do("preview", chromedp.Click(chromedp.CSS(`button[aria-label="Toggle preview"]`)),
		until(fmt.Sprintf("[...document.querySelectorAll('iframe')].some(f => f.contentDocument?.querySelector('article')?.textContent == %q)", text)))
	if size := s.sessionSize(t); inSession && size < len(text) {
		t.Errorf("got a session of %d bytes, want the preview in it", size)
	}
	if s.published(t, text) {
		t.Error("the text is published by its preview")
	}
	if got, want := b.script("fetch('/go/whoami').then(r => r.text())"), `["`+s.ids[0]+`"]`; strings.TrimSpace(got) != want {
		t.Errorf("the Go service: got %s, want %s", got, want)
	}

	b.do("publish", js(`document.querySelector('[name="action-publish"]').click()`), until(`/published/.test(document.querySelector('.messages')?.innerText)`), at("/admin/pages/1/"))
	if !s.published(t, text) {
		t.Error("the text is not published")
	}
	if b.key() != key {
		t.Error("the session has another key than before")
	}
	b.do("log out", js(`document.querySelector('form[action="/admin/logout/"]').requestSubmit()`), at("/admin/login/"))
	s.refuses(t, path, s.login, key)
	b.do("the page without a session", chromedp.Navigate(s.url("/")), until(fmt.Sprintf("document.querySelector('article').textContent == %q", text)))
}

// published reports whether the page has a text, for people without a session.
func (s *site) published(t *testing.T, text string) bool {
	t.Helper()
	got := s.visitor(t).page("/")
	if got.Status != http.StatusOK || !strings.Contains(got.Body, "<h1>The news</h1>") {
		t.Fatalf("the page without a session: got %d %.300q, want 200", got.Status, got.Body)
	}
	return strings.Contains(got.Body, text)
}

// sessionSize returns the size of the account's session.
func (s *site) sessionSize(t *testing.T) int {
	t.Helper()
	var all []struct{ Bytes int }
	out := s.sessions(t, "list --json --user "+s.ids[0])
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		t.Fatalf("got %v, %s, want one session", err, out)
	}
	return all[0].Bytes
}
