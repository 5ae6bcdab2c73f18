package fromdjango

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// djangoPage is one of Django's own views, or of a library's, that visitors without a session use.
type djangoPage struct {
	// Kind is login, password-reset, and so on.
	Kind string
	// Name is the name of the pattern.
	Name string
	// Paths are those in each language, with part for each variable part.
	Paths []string
}

// Page is a path, or several, that must be open to visitors without a session, or closed to them:
// a route of its own.
type Page struct {
	// Name is the name of the route.
	Name string `json:"name"`
	// Match is the kind of Value: path, prefix or regex (RE2, of the whole path).
	Match string `json:"match"`
	Value string `json:"value"`
	// Mode is the filter's mode: optional, off, or required.
	Mode string `json:"mode"`
}

// pages collects the paths for visitors without a session: the login page, Django's pages for a
// forgotten password and for the language, static files, and those of --public. Those of --private
// are last.
func (t *translation) pages(public, private []string) error {
	t.loginPage()
	for _, page := range t.Public {
		if page.Kind != "login" {
			t.add(page.Kind, "optional", slices.DeleteFunc(page.Paths, t.covers)...)
		}
	}
	if t.Undeclared {
		t.note("allauth's pages for people without a session, such as those of signing up and of a second factor, have no routes: it declares them from Django 5.1 on (login_not_required); name each with --public")
	}
	for _, path := range public {
		if err := t.named("public", "optional", path, "set mode: optional in the configuration instead"); err != nil {
			return err
		}
	}
	t.assets("STATIC_URL", "static", "off", t.StaticURL)
	if t.assets("MEDIA_URL", "media", "optional", t.MediaURL) {
		t.note("MEDIA_URL: the route media admits people without a session, as Django's own view of media does; leave it out where files are for users alone")
	}
	for _, path := range private {
		if err := t.named("private", "required", path, "leave it out"); err != nil {
			return err
		}
		t.Filter["mode"] = "optional"
		t.note("--private: the paths for people with a session alone are those of the routes named private, and mode: optional is for all others, those of other services included")
	}
	return nil
}

// covers reports whether a path already has a route, or must not have one: /[^/]+/… could match
// any path.
func (t *translation) covers(path string) bool {
	return strings.HasPrefix(path, "/"+part) || slices.ContainsFunc(t.Pages, func(p Page) bool { return p.Match == "path" && p.Value == path })
}

// loginPage adds the page that LOGIN_URL names.
func (t *translation) loginPage() {
	l := t.Login
	if l.isURL() {
		t.note("LOGIN_URL %s is a URL with a host: where that is this one, name the page's path with --public", l.URL)
		return
	}
	if l.URL == "" {
		l.URL = "/accounts/login/"
		t.note("LOGIN_URL is empty: %s, Django's default, is taken", l.URL)
	}
	if !l.Answered && len(l.Prefixed) == 0 {
		t.note("LOGIN_URL %q: no pattern of ROOT_URLCONF answers %s%s", l.Setting, l.URL, t.otherLogin())
	}
	var paths []string
	for _, url := range slices.Concat([]string{l.URL}, l.Languages, l.Prefixed) {
		path, _, _ := strings.Cut(url, "?")
		paths = append(paths, path)
	}
	t.add("login", "optional", paths...)
}

// otherLogin returns a hint at the project's login pages.
func (t *translation) otherLogin() string {
	var names []string
	for _, page := range t.Public {
		if page.Kind == "login" {
			names = append(names, fmt.Sprintf("%s (%s)", page.Name, page.Paths[0]))
		}
	}
	if len(names) == 0 {
		return "; another service must serve it"
	}
	return "; set LOGIN_URL to " + strings.Join(names, " or ") + ", unless another service does"
}

// named adds a path of --public or --private; with * at its end, all paths with that prefix. If
// that is every path, it fails, and suggests instead.
func (t *translation) named(flag, mode, path, instead string) error {
	prefix, all := strings.CutSuffix(path, "*")
	switch {
	case !strings.HasPrefix(path, "/") || strings.ContainsAny(prefix, "*?#; "):
		return fmt.Errorf("--%s %q: write a path, such as /pricing/, or the beginning of some, such as /docs/*", flag, path)
	case all && strings.Trim(prefix, "/") == "":
		return fmt.Errorf("--%s %q: every path would be %s; %s", flag, path, flag, instead)
	case all && !strings.HasSuffix(prefix, "/"):
		return fmt.Errorf("--%s %q: write %s/*, so that no other path begins with it", flag, path, prefix)
	case all:
		t.page(Page{flag, "prefix", prefix, mode})
	default:
		t.page(Page{flag, "path", path, mode})
	}
	return nil
}

// assets adds a prefix of files, and reports whether it did. The prefix / would match every path.
func (t *translation) assets(setting, name, mode, url string) bool {
	if !strings.HasPrefix(url, "/") || strings.HasPrefix(url, "//") || url == "/" {
		return false
	}
	prefix := strings.TrimRight(url, "/") + "/"
	for _, other := range t.Pages {
		if strings.HasPrefix(other.Value, prefix) {
			t.note("%s %s has the page %s under it, and gets no route: its files need a session", setting, url, other.Value)
			return false
		}
	}
	t.page(Page{name, "prefix", prefix, mode})
	return true
}

// maxProgram bounds regular expressions. Envoy rejects those that RE2 compiles to more than 100
// instructions.
const maxProgram = 80

// add adds paths as one page, or as several if their regular expression would be too large.
func (t *translation) add(name, mode string, paths ...string) {
	slices.Sort(paths)
	paths = slices.Compact(paths)
	if len(paths) == 0 {
		return
	}
	if len(paths) == 1 && !strings.Contains(paths[0], part) {
		t.page(Page{name, "path", paths[0], mode})
		return
	}
	expression := alternatives(paths)
	if half := len(paths) / 2; half > 0 && programSize(expression) > maxProgram {
		t.add(name, mode, paths[:half]...)
		t.add(name, mode, paths[half:]...)
		return
	}
	t.page(Page{name, "regex", expression, mode})
}

// programSize returns about how many instructions RE2 compiles an expression to. Go's has as many,
// except for characters of more than one byte.
func programSize(expression string) int {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return 0 // quoted text is always valid
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}
	return len(program.Inst) + 4*strings.Count(expression, "[^/]+")
}

// page adds a page under a unique name.
func (t *translation) page(p Page) {
	name := p.Name
	for n := 2; slices.ContainsFunc(t.Pages, func(other Page) bool { return other.Name == p.Name }); n++ {
		p.Name = fmt.Sprintf("%s-%d", name, n)
	}
	t.Pages = append(t.Pages, p)
}

// part is the script's placeholder for a variable part of a path.
const part = "<part>"

// alternatives returns a regular expression for paths. Their common parts are outside of the
// parentheses.
func alternatives(paths []string) string {
	if len(paths) == 1 {
		return quoteParts(paths[0])
	}
	first := paths[0]
	head := len(first)
	for _, path := range paths {
		for !strings.HasPrefix(path, first[:head]) {
			head--
		}
	}
	head = strings.LastIndexByte(first[:head], '/') + 1
	tail := len(first) - head
	for _, path := range paths {
		for !strings.HasSuffix(path[head:], first[len(first)-tail:]) {
			tail--
		}
	}
	if slash := strings.IndexByte(first[len(first)-tail:], '/'); slash < 0 {
		tail = 0
	} else {
		tail -= slash
	}
	middles := make([]string, len(paths))
	for i, path := range paths {
		middles[i] = quoteParts(path[head : len(path)-tail])
	}
	return quoteParts(first[:head]) + "(?:" + strings.Join(middles, "|") + ")" + quoteParts(first[len(first)-tail:])
}

func quoteParts(path string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(path), part, `[^/]+`)
}
