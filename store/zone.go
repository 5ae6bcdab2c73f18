package store

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	_ "time/tzdata" // images may lack the time zone files
)

// zoneParameter is the parameter of a store's URL that names a zone.
const zoneParameter = "time_zone"

// takeZone removes the zone from a store's URL and returns it, or nil if there is none. net/url
// may be unable to parse such URLs, as with several hosts. Of the two URLs in cached+, only the
// first may name a zone.
func takeZone(rawURL string) (rest string, zone *time.Location, err error) {
	first, second, isTwo := strings.Cut(rawURL, " ")
	base, query, _ := strings.Cut(first, "?")
	var kept []string
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		if name != zoneParameter {
			kept = append(kept, parameter)
			continue
		}
		if value, err = url.QueryUnescape(value); err == nil && value != "" && value != "Local" && zone == nil {
			zone, err = time.LoadLocation(value)
		}
		if err != nil || zone == nil {
			return "", nil, fmt.Errorf("%w: %s must be the project's TIME_ZONE, such as Europe/Berlin, and be set once", ErrURL, zoneParameter)
		}
	}
	if zone == nil {
		return rawURL, nil, nil
	}
	if rest = base; len(kept) > 0 {
		rest += "?" + strings.Join(kept, "&")
	}
	if isTwo {
		rest += " " + second
	}
	return rest, zone, nil
}
