package filter

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"cloakroom/api"
	"cloakroom/filter/config"
	"cloakroom/session/rawjson"
)

// tokens are the tokens of a session's user that a result has.
type tokens struct {
	minted  []minted
	missing string // why there is none of the route that the look-up was for
}

// minted is a token of the session service's.
type minted struct {
	wanted string        // config.Token.Wanted of the routes that it is for
	value  string        // "Bearer " and the token
	life   time.Duration // as it was minted
	// until is when it ends by this host's clock; zero: not known, and it cannot be used.
	until time.Time
}

const bearer = "Bearer "

// maxTokens bounds the tokens that a cached session has: of routes with different ones.
const maxTokens = 8

func (m *minted) size() int { return 96 + len(m.value) + len(m.wanted) }

// parseTokens returns the token of an answer, which is of no route yet.
func parseTokens(answer []rawjson.Member) tokens {
	raw := value(answer, "token")
	if raw == "" && value(answer, "token_missing") == "" {
		return tokens{}
	}
	text, isText := rawjson.String(raw)
	seconds, err := strconv.ParseInt(value(answer, "token_ttl"), 10, 64)
	if !isText || !isToken(text) || err != nil || seconds <= 0 || seconds > int64(api.MaxTokenTTL/time.Second) {
		missing, _ := rawjson.String(value(answer, "token_missing"))
		return tokens{missing: strings.Clone(loggable(missing))}
	}
	return tokens{minted: []minted{{value: bearer + text, life: time.Duration(seconds) * time.Second}}}
}

// isToken reports whether text has the form of a token: three parts in base64url.
func isToken(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i] | ' '; (c < 'a' || c > 'z') && (text[i] < '0' || text[i] > '9') && !strings.ContainsRune("-_.", rune(text[i])) {
			return false
		}
	}
	return strings.Count(text, ".") == 2 && len(text) <= api.MaxTokenBytes
}

// Minted sets which token the call asked for that a result is the answer to (config.Token.Wanted;
// one that was not asked for is of no route), and when it was sent, by which the token ends: the session service's clock may be another. It is
// to be called once, before the result is used.
func (r *LookupResult) Minted(wanted string, sent time.Time) {
	for i := range r.tokens.minted {
		m := &r.tokens.minted[i]
		m.wanted, m.until = wanted, sent.Add(m.life)
	}
}

// KeepTokens takes over the tokens that are still valid of an older result for the same session,
// for the routes of which it has none: unless anything that a token holds may have changed.
func (r *LookupResult) KeepTokens(old *LookupResult, now time.Time) {
	if len(old.tokens.minted) == 0 || r.user != old.user || r.text != old.text || r.attributes != old.attributes {
		return
	}
	for _, m := range old.tokens.minted {
		if len(r.tokens.minted) < maxTokens && m.until.After(now) && r.tokens.of(m.wanted) == nil {
			r.tokens.minted = append(r.tokens.minted, m)
		}
	}
}

func (t *tokens) of(wanted string) *minted {
	i := slices.IndexFunc(t.minted, func(m minted) bool { return m.wanted == wanted })
	if i < 0 {
		return nil
	}
	return &t.minted[i]
}

// TokenKey returns what distinguishes the look-up that the stream waits for from others of
// CoalesceKey: the token that it asks for. Empty: none.
func (s *Stream) TokenKey() string {
	if s.route == nil || (s.waiting != forLookup && s.waiting != forVerify) {
		return ""
	}
	return s.route.Identity.Token.Wanted()
}

// wantsToken reports whether a cached result of a user's session lacks the route's token, or has
// one that has less than a third of its life left: then the session is looked up again.
func (s *Stream) wantsToken(r *LookupResult, now time.Time) bool {
	wanted := s.route.Identity.Token.Wanted()
	if wanted == "" || r.user == "" {
		return false
	}
	m := r.tokens.of(wanted)
	return m == nil || m.until.Sub(now) < m.life/3 || m.until.Sub(now) > m.life // the clock was set back
}

// tokenEdit returns the edit that hands the route's token on; wanted is false where the route has
// none. Without a token that is valid the edit has no value.
func (s *Stream) tokenEdit(r *LookupResult, now time.Time) (edit Edit, wanted bool) {
	of := &s.route.Identity.Token
	if !of.InUse() {
		return Edit{}, false
	}
	from := &r.tokens
	if s.tokens != nil {
		from = s.tokens
	}
	edit = Edit{Op: Set, Name: of.Header}
	if m := from.of(of.Wanted()); m == nil || !m.until.After(now) || m.until.Sub(now) > m.life {
		s.reason = from.missing
	} else if of.Header == config.Authorization {
		edit.Value = m.value
	} else {
		edit.Value = m.value[len(bearer):]
	}
	return edit, true
}

// Renewed is Cached with a result whose token was to be renewed, which has failed: it is handed on
// while it is valid.
func (s *Stream) Renewed(r *LookupResult, now time.Time) (action Action, usable bool) {
	if edit, _ := s.tokenEdit(r, now); edit.Value == "" || !r.Live() || s.isOver(r, now) {
		return Action{}, false
	}
	if s.waiting == forLookup || (s.waiting == forVerify && r.answers(s.handle)) {
		return s.LookedUp(r, now), true
	}
	return Action{}, false
}

// untokened returns why a request is refused whose session has no token, for the operator.
func (s *Stream) untokened() string {
	why := s.reason
	if why == "" {
		why = "the last one has ended, and there was no other"
	}
	return "no token of the user from the session service at cluster " + s.route.Service.Cluster + ", which the route wants (identity.token): " + why
}
