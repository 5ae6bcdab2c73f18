package session

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"cloakroom/session/rawjson"
)

// A site with USE_TZ = False keeps dates without a zone, in its TIME_ZONE: those that set_expiry
// takes, and in SQLite expire_date. Django itself fails on a date that has a zone there, and on
// one that has none where USE_TZ is True. Stores therefore return session data with zones, and
// write it as the site's Django reads it.

// ErrNoZone says that a session ends at a date without a zone, and that the store's URL does not
// name the zone. The session may be live or not; it is neither read nor written.
var ErrNoZone = errors.New("session: " + ExpiryKey + " is a date without a zone, as with USE_TZ = False: add time_zone=TIME_ZONE to the query of the store's URL, with the project's TIME_ZONE")

// dateLayout is what all forms of a date have in common; a fraction and a zone may follow.
const dateLayout = "2006-01-02T15:04:05"

// splitDate splits a date as Python's isoformat writes it. Neither T nor a space is lost in
// fraction and zone.
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

// InZone returns a time as a zone's clocks show it; nil is UTC.
func InZone(at time.Time, zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	return at.In(zone)
}

// FromWall returns when a zone's clocks show what wall is in UTC, in UTC; a nil zone is UTC.
// Of what they show twice it is the first, so that no session lives for longer than it says.
func FromWall(wall time.Time, zone *time.Location) time.Time {
	if zone == nil {
		return wall
	}
	_, offset := wall.Add(-24 * time.Hour).In(zone).Zone() // before any change that concerns wall
	at := wall.Add(-time.Duration(offset) * time.Second)
	if _, now := at.In(zone).Zone(); now == offset {
		return at
	}
	return time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone).UTC()
}

// LacksZone reports whether data says that the session ends at a date without a zone.
func LacksZone(data []byte) bool {
	_, err := ExpiryOf(data)
	return errors.Is(err, ErrNoZone)
}

// lastZone is the one in which a date comes last.
var lastZone = time.FixedZone("", -12*60*60)

// LatestExpiry is ExpiryOf where a date of which the zone is not known is the latest that it can
// be.
func LatestExpiry(data []byte) (Expiry, error) { return ExpiryOf(Shown(data, lastZone)) }

// ExpiryOf parses what data says of the session's end. Data that is no object says nothing.
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

// withoutZone returns the JSON of a date that has a zone as the zone's clocks show it. Other JSON
// stays as it is.
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

// Shown returns data as stores return it: what it says of the session's end has a zone. With a
// nil zone it is data.
func Shown(data []byte, zone *time.Location) []byte { return mapExpiry(data, zone, withZone) }

// Stored is the reverse of Shown.
func Stored(data []byte, zone *time.Location) []byte { return mapExpiry(data, zone, withoutZone) }

// mapExpiry returns an object with another value under ExpiryKey, in the same place.
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

// DjangoPatch returns an object, or a merge patch of one, with the date under ExpiryKey as every
// version of Django and Python reads it: in UTC, with no more than six digits of a second.
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
