package config

import "testing"

func TestIsOriginPattern(t *testing.T) {
	for text, want := range map[string]bool{
		"https://a.test": true, "http://a.test:8000": true, "https://*.a.test": true, "null": true, "https://*.a.test:1": true,
		"": false, "a.test": false, "https://": false, "https://*.": false, "https://a.test/": false, "*": false, "https://*": false, "https://a*.test": false,
		"ftp://a.test": false, "https://u@a.test": false, "https://a.test, https://b.test": false, "NULL": false,
	} {
		if got := isOriginPattern(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
