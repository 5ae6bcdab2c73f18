package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	tests := []struct {
		key, name string
		want      bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a", "a/b", false},
		{"shop/*b", "shop/b/c", false},
		{"", "", true},
		{"*", "", true},
		{"*", "a/b", true},
		{"api-*", "api-", true},
		{"api-*", "api-v1/x", true},
		{"api-*", "my-api-v1", false},
		{"httproute/shop/*", "httproute/shop/web/rule/0/match/0/a_test", true},
		{"httproute/shop/*", "httproute/shop", false},
		{"httproute/shop/*", "httproute/shopping/web", false},
		{"*/site/login", "a/site/login", true},
		{"*/site/login", "a/b/site/login", false}, // a route called "site/login" of another's
		{"shop/*/login", "shop/web/login", true},
		{"shop/*/login", "shop/web/x/login", false},
		{"shop/*/login", "shop//login", true},
		{"shop/*b*d/x", "shop/abcd/x", true},
		{"shop/*b*d/x", "shop/bd/x", true},
		{"shop/*b*d/x", "shop/db/x", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"*ab*", "aab/c", true},
		{"a*b*", "a/b", false}, // the first * is not at the end
		{"a?", "ab", false},
		{"[a]*", "a", false},
	}
	for _, tt := range tests {
		if got := Matches(tt.key, tt.name); got != tt.want {
			t.Errorf("Matches(%q, %q) = %v", tt.key, tt.name, got)
		}
	}
}

func TestOverlap(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a*", "a", true}, {"a*", "b*", false}, {"*", "", true},
		{"a*b", "a*c", false}, {"a*bc*", "a*cb*", true}, {"a/*/c", "a/b/*", true}, {"a/*/c", "a/b/*d", false},
		{"a/*/c", "a/b/d/*", false}, {"a*", "a/b/c", true}, {"a*c", "a/c", false}, {"*a", "b*", true}, {"*a*", "b", false},
	}
	for _, tt := range tests {
		if got := Overlap(tt.a, tt.b); got != tt.want {
			t.Errorf("Overlap(%q, %q) = %v", tt.a, tt.b, got)
		}
		if got := Overlap(tt.b, tt.a); got != tt.want {
			t.Errorf("Overlap(%q, %q) = %v", tt.b, tt.a, got)
		}
	}
}

// FuzzOverlap holds that patterns which match one name overlap, and that a name overlaps with what
// matches it only.
func FuzzOverlap(f *testing.F) {
	f.Add("a*/b", "a/*", "a/b")
	f.Add("a*b*", "a/b", "ab/b")
	f.Fuzz(func(t *testing.T, a, b, name string) {
		if len(a)+len(b)+len(name) > 200 || strings.Contains(name, "*") {
			return
		}
		if Matches(a, name) && Matches(b, name) && !Overlap(a, b) {
			t.Errorf("%q and %q match %q, and do not overlap", a, b, name)
		}
		if Overlap(a, name) != Matches(a, name) {
			t.Errorf("Overlap(%q, %q) is %v, and Matches is not", a, name, Overlap(a, name))
		}
	})
}

// TestPrecedence holds that a name's own key comes first, then the key with the most text before
// its *, then the one with the most text.
func TestPrecedence(t *testing.T) {
	c := parsed(t, `"routes":{"*":{"cookie":{"name":"any"}},"a*":{"cookie":{"name":"a"}},"a*z":{"cookie":{"name":"az"}},"ab*":{"cookie":{"name":"ab"}},"abz":{"cookie":{"name":"own"}},"*z":{"cookie":{"name":"z"}}}`)
	for name, want := range map[string]string{"": "any", "x": "any", "xz": "z", "ac": "a", "acz": "az", "ab": "ab", "aby": "ab", "abyz": "ab", "abz": "own", "a/z": "a"} {
		if got := c.Named(name).Cookie.Name; got != want {
			t.Errorf("the route %q has the configuration of %q, want that of %q", name, got, want)
		}
	}
	c = parsed(t, `"routes":{"a*":{"mode":"off"}}`)
	if got := c.Named("b"); got.Mode != Required || got.Name != "" {
		t.Errorf("a route that no key holds for has mode %v, and the name %q", got.Mode, got.Name)
	}
}

func TestGlobsRefused(t *testing.T) {
	many := make([]string, maxGlobs+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"r%d*":{}`, i)
	}
	for routes, want := range map[string]string{
		`"a**":{}`: "routes.a**: has two * in a row",
		`"` + strings.Repeat("a", maxGlobSize) + `*":{}`: "512 bytes at most",
		strings.Join(many, ","):                          "routes: 1001 keys with a * are more than the 1000",
		`"a*bc*":{},"a*cb*":{}`:                          "routes.a*bc* and routes.a*cb* hold for the same names",
		`"a/*/c":{},"a/*d":{}`:                           "",
		`"a*b":{},"a*c":{},"d*":{},"e*":{}`:              "",
		strings.Join(many[1:], ","):                      "",
	} {
		_, err := Parse(`{"engine":{"service":{"cluster":"s"}},"routes":{`+routes+`}}`, noEnv)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.80s: error %v, want %q in it", routes, err, want)
		}
	}
}

// parsed returns a configuration with these fields besides a session service.
func parsed(t testing.TB, fields string) *Config {
	t.Helper()
	c, err := Parse(`{"engine":{"service":{"cluster":"s"}},`+fields+`}`, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
