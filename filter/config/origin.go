package config

import "strings"

// isOriginPattern reports whether text is an origin of CSRF_TRUSTED_ORIGINS' form: "null", or a
// scheme and a host, which may begin with "*.".
func isOriginPattern(text string) bool {
	if text == "null" {
		return true
	}
	scheme, host, ok := strings.Cut(text, "://")
	host = strings.TrimPrefix(host, "*.")
	return ok && (scheme == "http" || scheme == "https") && host != "" && !strings.ContainsAny(host, "/?#*@ ,")
}
