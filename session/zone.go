package session

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"cloakroom/session/rawjson"
)

// A site with USE_TZ = False keeps dates without a zone, in its TIME_ZONE: those that are passed
// to set_expiry, and in SQLite expire_date. Django itself fails on a date with a zone there, and
// on one without where USE_TZ is True. Stores therefore return session data with zones, and write
// it as the site's Django reads it.

// ErrNoZone reports that a session expires at a date without a zone, and that the store's URL does
// not name the zone. The session may be live or not; it is neither read nor written.
var ErrNoZone = errors.New("session: " + ExpiryKey + " is a date without a zone, as with USE_TZ = False: add time_zone=TIME_ZONE to the query of the store's URL, with the project's TIME_ZONE")

// dateLayout is the common part of all forms of a date; a fraction and a zone may follow.
const dateLayout = "2006-01-02T15:04:05"

// splitDate splits a date as Python's isoformat writes it. It returns the separator, T or a space,
// so that it can be restored.
func splitDate(text string) (wall time.Time, separator byte, fraction, zone string, ok bool) {
	if len(text) < len(dateLayout) {
		return wall, 0, "", "", false
	}
	head, tail := text[:len(dateLayout)], text[len(dateLayout):]
	separator = head[10]
	wall, err := time.Parse(dateLayout, head[:10]+"T"+head[11:])
	if err != nil || separator != 'T' && separator != ' ' {
		return wall, 0, "", "", false
	}
	end := 0
	if strings.HasPrefix(tail, ".") {
		for end = 1; end < len(tail) && '0' <= tail[end] && tail[end] <= '9'; end++ {
		}
	}
	return wall, separator, tail[:end], tail[end:], true
}

func joinDate(wall time.Time, separator byte, fraction, zone string) string {
	text := []byte(wall.Format(dateLayout))
	text[10] = separator
	return string(text) + fraction + zone
}

// withZone returns the JSON of a date without a zone as one in UTC. Other JSON stays as it is.
func withZone(raw string, zone *time.Location) string {
	text, isText := rawjson.String(raw)
	wall, separator, fraction, suffix, ok := splitDate(text)
	if !isText || !ok || suffix != "" {
		return raw
	}
	return `"` + joinDate(FromWall(wall, zone), separator, fraction, "+00:00") + `"`
}

// InZone returns a time as local time in a zone; nil is UTC.
func InZone(at time.Time, zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	return at.In(zone)
}

// FromWall returns the instant, in UTC, at which the clocks in a zone show wall; a nil zone is
// UTC. If they show it twice it is the first, so that no session lives longer than its expiry.
func FromWall(wall time.Time, zone *time.Location) time.Time {
	if zone == nil {
		return wall
	}
	_, offset := wall.Add(-24 * time.Hour).In(zone).Zone() // before any change near wall
	at := wall.Add(-time.Duration(offset) * time.Second)
	if _, now := at.In(zone).Zone(); now == offset {
		return at
	}
	return time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone).UTC()
}

// LacksZone reports whether the expiry in data is a date without a zone.
func LacksZone(data []byte) bool {
	_, err := ExpiryOf(data)
	return errors.Is(err, ErrNoZone)
}

// lastZone is the zone in which a date comes last.
var lastZone = time.FixedZone("", -12*60*60)

// LatestExpiry is ExpiryOf, but takes a date whose zone is unknown as the latest possible.
func LatestExpiry(data []byte) (Expiry, error) { return ExpiryOf(Shown(data, lastZone)) }

// ExpiryOf parses the session's expiry in data. Data that is no object sets none.
func ExpiryOf(data []byte) (Expiry, error) {
	if !bytes.Contains(data, []byte(ExpiryKey)) {
		return Expiry{}, nil
	}
	members, _ := rawjson.Object(string(data), nil)
	for _, m := range members {
		if m.Name == ExpiryKey {
			return ParseExpiry(m.Value)
		}
	}
	return Expiry{}, nil
}

// withoutZone returns the JSON of a date that has a zone as local time of the given zone. Other
// JSON stays as it is.
func withoutZone(raw string, zone *time.Location) string {
	text, isText := rawjson.String(raw)
	_, separator, fraction, suffix, ok := splitDate(text)
	if !isText || !ok || suffix == "" {
		return raw
	}
	at, err := parseISO(text)
	if err != nil {
		return raw
	}
	return `"` + joinDate(at.at.In(zone), separator, fraction, "") + `"`
}

// Shown returns data as stores return it: its expiry has a zone. With a nil zone it returns data.
func Shown(data []byte, zone *time.Location) []byte { return mapExpiry(data, zone, withZone) }

// Stored is the reverse of Shown.
func Stored(data []byte, zone *time.Location) []byte { return mapExpiry(data, zone, withoutZone) }

// mapExpiry returns an object with another value of ExpiryKey, in the same place.
func mapExpiry(data []byte, zone *time.Location, f func(raw string, zone *time.Location) string) []byte {
	text := string(data)
	if zone == nil || !strings.Contains(text, ExpiryKey) {
		return data
	}
	members, err := rawjson.Object(text, nil)
	if err != nil {
		return data
	}
	for _, m := range members {
		if m.Name == ExpiryKey {
			if value := f(m.Value, zone); value != m.Value {
				return []byte(rawjson.MergePatch(text, `{"`+ExpiryKey+`":`+value+`}`))
			}
		}
	}
	return data
}

// DjangoPatch returns an object, or a merge patch of one, with the date under ExpiryKey in a form
// that every version of Django and Python reads: in UTC, with six fractional digits at most.
func DjangoPatch(patch []byte) []byte {
	return mapExpiry(patch, time.UTC, func(raw string, _ *time.Location) string { return djangoDate(raw) })
}

func djangoDate(raw string) string {
	text, isText := rawjson.String(raw)
	_, _, _, suffix, ok := splitDate(text)
	at, err := parseISO(text)
	if !isText || !ok || suffix == "" || err != nil {
		return raw
	}
	layout := dateLayout
	if at.at.Nanosecond() >= int(time.Microsecond) {
		layout += ".000000"
	}
	return `"` + at.at.Format(layout) + `+00:00"`
}
