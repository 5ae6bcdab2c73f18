package planes

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
)

// tricks are paths that match, or look as if they matched, a route on which no session is needed,
// and that a server may take for another. The first three are the login page's own.
var tricks = []string{
	"/login/", "/login/form", "/login/?next=/admin",
	"/login/../admin", "/login/./../admin", "/login//../admin", "/login/../../admin", "/login/x/../../admin", "/login/../admin/..%2flogin/",
	"/login/..%2fadmin", "/login/..%2Fadmin", "/login/%2e%2e/admin", "/login/%2E%2E/admin", "/login/%2e%2e%2fadmin", "/login/.%2e/admin", "/login/%2e./admin",
	"/login%2f..%2fadmin", "/login%2f../admin", "/%2flogin/../admin", "/login/%2f../admin", "/login/..%2f..%2fadmin",
	"/login/..%5cadmin", `/login/..\admin`, `/login\..\admin`, "/login/%5c../admin", "/login/..%5Cadmin",
	"/login/%252e%252e/admin", "/login/..%252fadmin", "/login/%25252e%25252e/admin", "/login/..%255cadmin",
	"/login/..;/admin", "/login/..;x=1/admin", "/login/.;/../admin", "/login;/../admin", "/login/;/../admin", "/login/%2e%2e;/admin", "/login/..%3b/admin", "/login/..%3B/admin", "/login/x/..;/..;/admin",
	"/login/..%00/admin", "/login/%00../admin", "/login/..%0d%0a/admin", "/login/..%09/admin", "/login/..%20/admin", "/login/... /admin",
	"/login/..%c0%af/admin", "/login/..%c0%afadmin", "/login/%c0%ae%c0%ae/admin", "/login/..\u2215admin", "/login/..%ef%bc%8fadmin",
	"/LOGIN/", "/Login/../admin", "/LOGIN/..%2fadmin", "/login", "/loginx", "/login.", "/login/.../admin",
	"/healthz/", "/healthz/../admin", "/healthz%2f..%2fadmin", "/healthz;/../admin", "/HEALTHZ", "/healthz/..;/admin", "/healthz?/../admin", "/healthz%00",
	"//login/../admin", "/.//login/../admin", "/;/login/../admin", "http://site.example.com/login/..%2fadmin", "http://site.example.com/login/../admin", "http://other.example.com/admin",
	"/login/#/../admin", "/login/?/../../admin", "/login/&/../admin", "/login/:/../admin", "/login/~/../admin", "*", "login/../admin", "",
}

// paths sends them without a session: whatever reaches a service is the login page to it.
func (p *plane) paths(t *testing.T, _ *site, g *gateway) {
	passed := 0
	for _, trick := range tricks {
		r, err := g.send(http.MethodGet, trick, asScript("")...)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", trick, err)
		}
		if r.seen == nil {
			continue
		}
		passed++
		if served := servletPath(r.seen.Path); served != "/login" && !strings.HasPrefix(served, "/login/") {
			t.Errorf("%s passes without a session, as %s, which is %s to the service", trick, r.seen.Path, served)
		}
	}
	if passed < 3 {
		t.Errorf("%d paths pass: the login page's are to", passed)
	}
}

// servletPath returns a request's path as servers take it that decode it, know path parameters, and
// take \ for /.
func servletPath(uri string) string {
	raw, _, _ := strings.Cut(uri, "?")
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		decoded = raw
	}
	parts := strings.Split(strings.ReplaceAll(decoded, `\`, "/"), "/")
	for i, part := range parts {
		parts[i], _, _ = strings.Cut(part, ";")
	}
	cleaned := path.Clean("/" + strings.Join(parts, "/"))
	if cleaned != "/" && parts[len(parts)-1] == "" {
		cleaned += "/"
	}
	return cleaned
}
