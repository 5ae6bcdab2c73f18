package filter

import (
	"strconv"
	"time"

	"cloakroom/api"
	"cloakroom/filter/config"
)

// endOf returns when a session ends, by the store and by the limits. One without a stamp
// is not limited yet: its next response adds the stamp.
func endOf(e *config.Expiry, r *LookupResult) time.Time {
	at := r.expires
	if e.Idle > 0 && !r.seen.IsZero() {
		at = earlier(at, r.seen.Add(e.Idle))
	}
	if e.Absolute > 0 && !r.created.IsZero() {
		at = earlier(at, r.created.Add(e.Absolute))
	}
	return at
}

// limitOf returns which limit has ended a session, one of api.Reasons.
func limitOf(e *config.Expiry, r *LookupResult, now time.Time) string {
	if e.Absolute > 0 && !r.created.IsZero() && !r.created.Add(e.Absolute).After(now) {
		return api.ReasonAbsolute
	}
	return api.ReasonIdle
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// stampDue reports whether a session has to be stamped: it is not yet, or was
// last seen long enough ago.
func stampDue(e *config.Expiry, r *LookupResult, now time.Time) bool {
	return ((e.Absolute > 0 || e.CycleEvery > 0) && r.created.IsZero()) || (e.Idle > 0 && now.Sub(r.seen) >= e.RefreshEvery)
}

// slideDue reports whether the store's expiry has to be moved: RefreshEvery after it was, or
// after a quarter of the session's life where that is shorter, so that no session that is used
// ends.
func slideDue(e *config.Expiry, r *LookupResult, now time.Time) bool {
	life := e.Policy.Life(r.expiry)
	return e.SaveEveryRequest && !r.expiry.Fixed() && r.expires.Sub(now) <= life-min(e.RefreshEvery, life/4)
}

// cycleDue reports whether the session is to get a new key.
func cycleDue(e *config.Expiry, r *LookupResult, now time.Time) bool {
	made := r.cycled
	if made.IsZero() {
		made = r.created
	}
	return e.CycleEvery > 0 && !made.IsZero() && now.Sub(made) >= e.CycleEvery
}

// stamp parses a stamp of the session service's; the zero time where it is none.
func stamp(text string) time.Time {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}
