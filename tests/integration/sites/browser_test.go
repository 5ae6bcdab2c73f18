package sites

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"cloakroom/internal/testenv"
)

// browser is a Chromium of a site's own, since cookies of one host are those of all its ports.
type browser struct {
	t   *testing.T
	s   *site
	ctx context.Context
}

// step bounds each step in the browser.
const step = 60 * time.Second

// needBrowser leaves the test out where there is no browser, which make test says at its end; in CI it fails.
func needBrowser(t *testing.T) {
	t.Helper()
	_, _, err := testenv.Chromium()
	if err == nil {
		return
	}
	message := fmt.Sprintf("%s is left out: no browser (%v)", t.Name(), err)
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	if err := testenv.Summarize("browser", "!!! "+message); err != nil {
		t.Fatal(err)
	}
	t.Skip(message)
}

// browser starts a Chromium until the test ends.
func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	path, env, err := testenv.Chromium()
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Env(env...),
		chromedp.NoSandbox, chromedp.Flag("no-zygote", true), chromedp.DisableGPU, chromedp.WindowSize(1400, 1000))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return &browser{t, s, ctx}
}

// keep writes a file into build/test, whose texts make test shows at its end.
func keep(name string, content []byte) {
	if root, err := testenv.Root(); err == nil {
		_ = os.WriteFile(filepath.Join(root, "build", "test", name), content, 0o600)
	}
}

// do performs actions, in the step that what says.
func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.shot(what)
		b.t.Fatalf("%s: %v", what, err)
	}
}

// shot logs what the page shows, and keeps a picture of it.
func (b *browser) shot(what string) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	location, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil {
		keep("browser.png", picture)
	}
	b.t.Logf("%s: %s shows\n%.3000s", what, location, text)
}

// until waits until an expression is true, in whatever page the browser then is.
func until(expression string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (done chromedp.Void, err error) {
		for {
			if is, err := chromedp.Evaluate[bool](expression)(ctx, target); err == nil && is {
				return done, nil
			}
			select {
			case <-ctx.Done():
				return done, fmt.Errorf("%w: waiting for %.100s", ctx.Err(), expression)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

// at waits until the page is that of a path.
func at(path string) chromedp.Action[chromedp.Void] {
	return until(fmt.Sprintf("location.pathname + location.search == %q && document.readyState == 'complete'", path))
}

// key returns the session cookie's value.
func (b *browser) key() (key string) {
	b.t.Helper()
	cookies, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.s.url("/")}})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, cookie := range cookies.Cookies {
		if cookie.Name == "sessionid" {
			key = cookie.Value
		}
	}
	return key
}

// script runs JavaScript in the page and returns its result, a text.
func (b *browser) script(text string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	result, err := chromedp.Run(ctx, chromedp.Evaluate[string](text, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", text, err)
	}
	return result
}

// js runs JavaScript in the page.
func js(text string) chromedp.Action[chromedp.Void] { return chromedp.Evaluate[chromedp.Void](text) }
