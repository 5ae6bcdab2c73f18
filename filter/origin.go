package filter

import (
	"slices"
	"strings"
)

// mayLogOut reports whether a state-changing request comes from this site itself, by the rules
// of Go's net/http.CrossOriginProtection, or from a trusted origin. Browsers send Sec-Fetch-Site,
// older ones Origin alone; a request with neither comes from no browser.
func mayLogOut(h Headers, trusted []string) bool {
	site, origin := h.Get("sec-fetch-site"), h.Get("origin")
	switch {
	case site == "same-origin" || site == "none", site == "" && origin == "":
		return true
	case origin != "" && slices.ContainsFunc(trusted, func(pattern string) bool { return matchesOrigin(pattern, origin) }):
		return true
	}
	scheme, host, ok := strings.Cut(origin, "://")
	return site == "" && ok && sameHost(scheme, host, h.Get(":authority"))
}

// sameHost reports whether two hosts are the same, where a port that is the scheme's own may be
// left out.
func sameHost(scheme, a, b string) bool {
	port := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// matchesOrigin reports whether an origin is one that a pattern of CSRF_TRUSTED_ORIGINS means: a
// scheme and a host, of which a leading "*." means the domain and all its subdomains.
func matchesOrigin(pattern, origin string) bool {
	scheme, host, _ := strings.Cut(pattern, "://")
	gotScheme, gotHost, _ := strings.Cut(origin, "://")
	if !strings.EqualFold(scheme, gotScheme) {
		return false
	}
	domain, wildcard := strings.CutPrefix(host, "*.")
	if rest := len(gotHost) - len(domain); wildcard && rest > 0 && gotHost[rest-1] == '.' {
		gotHost = gotHost[rest:]
	}
	return sameHost(scheme, domain, gotHost)
}
