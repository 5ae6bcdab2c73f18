package fromdjango

import (
	"fmt"
	"strings"
)

// location is a setting that may be a path, a URL, or the name of one.
type location struct {
	// Setting is the text of the setting; "" if it is not set.
	Setting string
	// URL is where Django redirects to, in the language of LANGUAGE_CODE.
	URL string
	// Languages are the URLs in each of LANGUAGES, without repetition; empty if they do not depend
	// on the language.
	Languages []string
	// Answered reports whether a view handles the path.
	Answered bool
	// Prefixed are the paths with a language prefix that a view handles.
	Prefixed []string
}

// isURL reports whether it is a URL with a host.
func (l location) isURL() bool {
	return strings.HasPrefix(l.URL, "http://") || strings.HasPrefix(l.URL, "https://")
}

// location returns a URL as the filter redirects to it.
func (t *translation) location(name string, l location, otherwise string) (string, error) {
	refuse := func(why string) (string, error) { return "", fmt.Errorf("%s is %q: %s", name, l.Setting, why) }
	switch {
	case l.URL == "":
		return otherwise, nil
	case l.isURL():
	case strings.HasPrefix(l.URL, "//") || strings.HasPrefix(l.URL, `/\`):
		return refuse("browsers take it for another host; write https:// before it")
	case l.URL[0] != '/' && strings.Contains(strings.Split(l.URL, "/")[0], ":"):
		return refuse("it is no http: or https: URL; write one, or a path")
	case l.URL[0] != '/':
		return refuse("browsers look for it beside each page; write it with a slash at its beginning")
	}
	if strings.Contains(l.URL, "#") {
		return refuse("it has a fragment (#), which the filter cannot put after the query; leave it out")
	}
	if len(l.Languages) > 1 {
		t.note("%s %q depends on the language (i18n_patterns), and the filter redirects everybody to %s, that of LANGUAGE_CODE: to keep the visitor's, let a view outside of i18n_patterns redirect to it, and name that view's path", name, l.Setting, l.URL)
	}
	return l.URL, nil
}
