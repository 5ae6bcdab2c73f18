package filter

import "testing"

func TestMayLogOut(t *testing.T) {
	trusted := []string{"https://www.example.com", "https://*.sub.example.com", "http://localhost:8000", "https://*.ports.test:8443"}
	tests := []struct {
		site, origin string
		want         bool
	}{
		{"", "", true},
		{"same-origin", "", true},
		{"none", "", true},
		{"same-origin", "https://other.test", true},
		{"same-site", "", false},
		{"cross-site", "", false},
		{"cross-site", "https://site.test", false},
		{"Same-Origin", "", false},
		{"", "https://site.test", true},
		{"", "http://site.test", true},
		{"", "https://SITE.test", true},
		{"", "https://site.test:443", true},
		{"", "http://site.test:80", true},
		{"", "https://site.test:80", false},
		{"", "https://site.test:8443", false},
		{"", "https://site.test.evil.example", false},
		{"", "https://evil.example/site.test", false},
		{"", "site.test", false},
		{"", "null", false},
		{"cross-site", "null", false},
		{"", "https://www.example.com", true},
		{"same-site", "https://www.example.com", true},
		{"cross-site", "https://www.example.com:443", true},
		{"", "http://www.example.com", false},
		{"", "https://www.example.com:8443", false},
		{"", "https://www.example.com.evil.test", false},
		{"", "https://wwwxexample.com", false},
		{"cross-site", "https://sub.example.com", true},
		{"cross-site", "https://a.b.sub.example.com", true},
		{"cross-site", "https://A.SUB.example.com", true},
		{"cross-site", "https://evilsub.example.com", false},
		{"cross-site", "https://.sub.example.com", true}, // no host has this name
		{"cross-site", "http://localhost:8000", true},
		{"cross-site", "http://localhost", false},
		{"cross-site", "https://a.ports.test:8443", true},
		{"cross-site", "https://a.ports.test", false},
	}
	for _, tt := range tests {
		h := Headers{{":authority", "site.test"}}
		if tt.site != "" {
			h = append(h, [2]string{"sec-fetch-site", tt.site})
		}
		if tt.origin != "" {
			h = append(h, [2]string{"origin", tt.origin})
		}
		if got := mayLogOut(h, trusted); got != tt.want {
			t.Errorf("Sec-Fetch-Site %q, Origin %q: %v, want %v", tt.site, tt.origin, got, tt.want)
		}
	}
	hidden := Headers{{":authority", "site.test:443"}, {"origin", "null"}}
	if mayLogOut(hidden, trusted) || !mayLogOut(hidden, []string{"null"}) {
		t.Error("a hidden origin is to be trusted where null is named, and there alone")
	}
	if h := (Headers{{":authority", "site.test:443"}, {"origin", "https://site.test"}}); !mayLogOut(h, nil) {
		t.Error("the site's own port in :authority makes another site of it")
	}
}
