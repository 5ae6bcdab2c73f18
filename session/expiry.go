package session

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ExpiryKey is the key of the session's data under which set_expiry keeps the
// session's own expiry (django.contrib.sessions.backends.base).
const ExpiryKey = "_session_expiry"

// ErrExpiry is the error of a value under ExpiryKey that Django does not write.
var ErrExpiry = errors.New("session: " + ExpiryKey + " is neither a number of seconds nor an ISO 8601 date")

// Expiry is the expiry that a session's data sets. With its zero value the policy decides.
type Expiry struct {
	kind expiryKind
	age  time.Duration
	at   time.Time
}

type expiryKind uint8

const (
	byPolicy expiryKind = iota
	atBrowserClose
	afterAge
	atTime
)

// maxAge bounds ages to 100 years, so that a time.Duration can hold the sum of two.
const maxAge = 100 * 365 * 24 * time.Hour

// isoLayouts are the forms of datetime.isoformat. The second half has no zone: see Shown.
var isoLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999",
}

// ParseExpiry parses the JSON text under ExpiryKey: nothing or null, a number of seconds (0 means
// until the browser closes), or a date in a string. A date without a zone is ErrNoZone, and
// anything else is ErrExpiry.
func ParseExpiry(raw string) (Expiry, error) {
	switch {
	case raw == "" || raw == "null":
		return Expiry{}, nil
	case len(raw) >= 2 && raw[0] == '"' && raw[len(raw)-1] == '"':
		return parseISO(raw[1 : len(raw)-1])
	}
	seconds, err := strconv.ParseFloat(raw, 64)
	switch {
	case err != nil || seconds != seconds:
		return Expiry{}, ErrExpiry
	case seconds == 0:
		return Expiry{kind: atBrowserClose}, nil
	case seconds > maxAge.Seconds():
		return Expiry{kind: afterAge, age: maxAge}, nil
	case seconds < 0:
		return Expiry{kind: afterAge}, nil
	}
	return Expiry{kind: afterAge, age: time.Duration(seconds * float64(time.Second))}, nil
}

func parseISO(text string) (Expiry, error) {
	text = strings.TrimSpace(text)
	for i, layout := range isoLayouts {
		switch at, err := time.Parse(layout, text); {
		case err != nil:
		case i >= len(isoLayouts)/2:
			return Expiry{}, ErrNoZone
		default:
			return Expiry{kind: atTime, at: at.UTC()}, nil
		}
	}
	return Expiry{}, ErrExpiry
}

// Fixed reports whether the expiry is a date, which activity does not extend.
func (e Expiry) Fixed() bool { return e.kind == atTime }

// Policy is the expiry of sessions whose data sets none: SESSION_COOKIE_AGE and
// SESSION_EXPIRE_AT_BROWSER_CLOSE.
type Policy struct {
	// Age is how long a session lives after its last write.
	Age time.Duration
	// AtBrowserClose makes cookies expire when the browser closes. The store still deletes the
	// session after Age.
	AtBrowserClose bool
}

// End returns when a session written at now expires in the store, and whether its cookie expires
// with the browser (SessionBase.get_expiry_date and get_expire_at_browser_close).
func (p Policy) End(e Expiry, now time.Time) (at time.Time, browserClose bool) {
	switch e.kind {
	case atBrowserClose:
		return now.Add(p.Age), true
	case afterAge:
		return now.Add(e.age), false
	case atTime:
		return e.at, false
	}
	return now.Add(p.Age), p.AtBrowserClose
}

// Life returns the full lifetime of a session with sliding expiry, which each touch restores. It
// returns 0 for a session that expires at a fixed date.
func (p Policy) Life(e Expiry) time.Duration {
	switch e.kind {
	case afterAge:
		return e.age
	case atTime:
		return 0
	}
	return p.Age
}

// FixedExpiry returns the expiry of a session that ends at a date.
func FixedExpiry(at time.Time) Expiry { return Expiry{kind: atTime, at: at} }
