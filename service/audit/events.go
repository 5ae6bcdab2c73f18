package audit

import (
	"log/slog"

	"cloakroom/api"
)

// Event is the name of an event, from OWASP's Logging Vocabulary.
type Event string

// The events.
const (
	LoginSuccess    Event = "authn_login_success"
	LoginFail       Event = "authn_login_fail"
	SessionCreated  Event = "session_created"
	SessionRenewed  Event = "session_renewed"
	SessionExpired  Event = "session_expired"
	UseAfterExpire  Event = "session_use_after_expire"
	TokenReuse      Event = "authn_token_reuse"
	AuthzFail       Event = "authz_fail"
	AccountsChanged Event = "user_updated"
)

// kinds are the events' levels, and whether they are capped.
var kinds = map[Event]struct {
	level  slog.Level
	capped bool
}{
	LoginSuccess:    {slog.LevelInfo, false},
	LoginFail:       {slog.LevelWarn, true},
	SessionCreated:  {slog.LevelInfo, true},
	SessionRenewed:  {slog.LevelInfo, false},
	SessionExpired:  {slog.LevelInfo, false},
	UseAfterExpire:  {slog.LevelWarn, true},
	TokenReuse:      {slog.LevelWarn, false},
	AuthzFail:       {slog.LevelWarn, true},
	AccountsChanged: {slog.LevelInfo, true},
}

// Events returns all events.
func Events() []Event {
	all := make([]Event, 0, len(kinds))
	for e := range kinds {
		all = append(all, e)
	}
	return all
}

// Capped reports whether an event is written 100 times a second at most, with the others of which
// that is true. Without a bound are events that follow from a session that there was: each ends it,
// or stores a new key.
func (e Event) Capped() bool { return kinds[e].capped }

func (e Event) level() slog.Level { return kinds[e].level }

// Reason says why an event came about.
type Reason string

// The reasons of the service's own.
const (
	Revoked       Reason = "revoked"     // by a command, or by a call without another reason
	Application   Reason = "application" // the application deleted or replaced the cookie
	Expiry        Reason = "expiry"      // an upstream set an expiry that has passed
	Reuse         Reason = "reuse"       // a rotated key was used after its grace period
	Renewed       Reason = "renewed"     // under a key that had been replaced, after a login
	Inactive      Reason = "inactive"    // the account is not active
	NoAccount     Reason = "no_account"  // there is none
	Backend       Reason = "backend"     // logged in by a backend that is not configured
	PasswordHash  Reason = "password"    // the hash is not of the account's password
	ForeignUserID Reason = "user_id"     // the ID is not as the database writes it
	Account       Reason = "account"     // a login: there is no account, or it is not active
)

// Reasons returns the reasons that an event can have; none for most.
func (e Event) Reasons() []Reason {
	switch e {
	case SessionExpired:
		all := []Reason{Revoked, Application, Expiry, Reuse, Renewed}
		for _, reason := range api.Reasons() {
			all = append(all, Reason(reason))
		}
		return all
	case AuthzFail:
		return []Reason{Inactive, NoAccount, Backend, PasswordHash, ForeignUserID}
	case UseAfterExpire:
		return []Reason{Revoked}
	case LoginFail:
		return []Reason{Account}
	}
	return nil
}
