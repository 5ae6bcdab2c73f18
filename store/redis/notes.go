package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cloakroom/session"
)

// noteScript: KEYS key; ARGV number, expires (Unix milliseconds), text, now. Keeps the larger
// number, the later expiry and the text of an existing note that has not expired. 527 is
// session.MaxNoteText.
var noteScript = redis.NewScript(`
local number, ends, text = ARGV[1], ARGV[2], ARGV[3]
local before = redis.call('GET', KEYS[1])
if before then
	local was, untill, old = string.match(before, '^(%-?%d+) (%d+) (.*)$')
	if was and tonumber(untill) > tonumber(ARGV[4]) then
		if tonumber(was) > tonumber(number) then number = was end
		if tonumber(untill) > tonumber(ends) then ends = untill end
		if string.find(old, text, 1, true) then text = old
		elseif old ~= '' then text = string.sub(old .. ' ' .. text, -527) end
	end
end
redis.call('SET', KEYS[1], number .. ' ' .. ends .. ' ' .. text, 'PXAT', ends)
return 1
`)

// noteName returns the name of a note, which no session can have: names of sessions begin with
// their prefix, which comes later in it.
func (s *Store) noteName(key string) string { return "cloakroom.note:" + s.prefix + ":" + key }

// Notes implements session.Notes.
func (s *Store) Notes(ctx context.Context, keys ...string) ([]session.Note, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.noteName(key)
	}
	values, err := s.client.MGet(ctx, names...).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	notes := make([]session.Note, len(keys))
	for i, value := range values {
		text, _ := value.(string)
		number, rest, _ := strings.Cut(text, " ")
		millis, text, _ := strings.Cut(rest, " ")
		n, err1 := strconv.ParseInt(number, 10, 64)
		at, err2 := strconv.ParseInt(millis, 10, 64)
		if expires := time.UnixMilli(at).UTC(); err1 == nil && err2 == nil && expires.After(s.now()) {
			notes[i] = session.Note{Number: n, Text: text, Expires: expires}
		}
	}
	return notes, nil
}

// SetNote implements session.Notes.
func (s *Store) SetNote(ctx context.Context, key string, n session.Note) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := noteScript.Run(ctx, s.client, []string{s.noteName(key)}, n.Number, millis(n.Expires), n.Text, millis(s.now())).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// ClearNotes implements session.Notes. Redis has already removed the expired ones.
func (s *Store) ClearNotes(ctx context.Context, _ int) (int, error) { return 0, s.Ping(ctx) }
