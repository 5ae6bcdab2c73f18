package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"cloakroom/session"
)

// The index of users is kept in Redis itself, by whoever follows the sessions' writes (see
// follow.go), apart from the sessions:
//
//	cloakroom.user:PREFIX:ID   a sorted set of the keys of a user's sessions, by their ends
//	cloakroom.opaque:PREFIX    the same of those that cannot be read, and could be anybody's
//	cloakroom.index:PREFIX     who follows, and whether the index is complete: a lease
//	cloakroom.fence:PREFIX:N   written by who is going to read the index
//	cloakroom.ack:PREFIX:N     the follower's response
//
// A set may name sessions that have ended or are another's by now, and is checked by reading
// them; it must not lack one. Redis tells the follower of the writes in their order. So when the
// follower has responded to a fence, the index has all sessions that were written before it.
// Where there is no response, or Redis has evicted keys, or anything else is not as it should be,
// the answer is session.ErrNotIndexed, and all sessions are read.

func (s *Store) own(kind string) string { return "cloakroom." + kind + ":" + s.prefix }

func (s *Store) userName(user string) string { return s.own("user") + ":" + user }

// fenceWait is how long the follower's response is waited for.
const fenceWait = 2 * time.Second

// fenceKept is after how long Redis removes a fence and its response.
const fenceKept = 10 * time.Second

// lease is what cloakroom.index holds.
type lease struct {
	epoch string // of one time of following, without a gap
	ready bool   // all sessions are indexed
	stats stats
}

// stats are numbers of the server's by which an eviction is noticed.
type stats struct {
	evicted  int64 // keys, so far
	commands int64 // so far: CONFIG RESETSTAT sets both back
}

func (l lease) String() string {
	return fmt.Sprintf("%s %t %d %d", l.epoch, l.ready, l.stats.evicted, l.stats.commands)
}

func parseLease(text string) (l lease, ok bool) {
	n, err := fmt.Sscanf(text, "%s %t %d %d", &l.epoch, &l.ready, &l.stats.evicted, &l.stats.commands)
	return l, err == nil && n == 4
}

// parseStats reads what INFO answers.
func parseStats(info string) (s stats, err error) {
	for name, to := range map[string]*int64{"evicted_keys:": &s.evicted, "total_commands_processed:": &s.commands} {
		_, rest, found := strings.Cut(info, "\n"+name)
		number, _, _ := strings.Cut(rest, "\r")
		if *to, err = strconv.ParseInt(number, 10, 64); !found || err != nil {
			return s, fmt.Errorf("INFO stats lacks %s", name)
		}
	}
	return s, nil
}

// same reports whether nothing was evicted since before.
func (s stats) same(before stats) bool {
	return s.evicted == before.evicted && s.commands >= before.commands
}

var _ session.UserIndex = (*Store)(nil)

// UserKeys implements session.UserIndex.
func (s *Store) UserKeys(ctx context.Context, user string) (keys, opaque []string, err error) {
	if user == "" {
		return nil, nil, nil
	}
	epoch, err := s.fence(ctx)
	if err != nil {
		return nil, nil, err
	}
	names, opaque, err := s.indexed(ctx, epoch, user)
	if err != nil {
		return nil, nil, err
	}
	keys, more, err := s.check(ctx, user, names)
	return keys, append(opaque, more...), err
}

// fence waits until the follower has indexed all that was written before it, and returns its
// epoch.
func (s *Store) fence(ctx context.Context) (epoch string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	text, err := s.client.Get(ctx, s.own("index")).Result()
	if l, ok := parseLease(text); err == nil && ok && l.ready {
		number := ":" + rand.Text()
		if err = s.client.Set(ctx, s.own("fence")+number, "", fenceKept).Err(); err == nil {
			var answer []string
			if answer, err = s.client.BLPop(ctx, fenceWait, s.own("ack")+number).Result(); err == nil && len(answer) == 2 {
				return answer[1], nil
			}
		}
	}
	return "", notIndexed(err)
}

// notIndexed makes ErrNotIndexed of what the index's own commands answer. Rights to them may be
// lacking where those to the sessions are there.
func notIndexed(err error) error {
	var refused redis.Error
	if err == nil || errors.Is(err, redis.Nil) || errors.As(err, &refused) {
		return session.ErrNotIndexed
	}
	return unavailable(err)
}

// indexed reads the index, and then whether it is complete still.
func (s *Store) indexed(ctx context.Context, epoch, user string) (keys, opaque []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var ofUser, unread *redis.StringSliceCmd
	var holder, info *redis.StringCmd
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		ofUser = p.ZRange(ctx, s.userName(user), 0, -1)
		unread = p.ZRange(ctx, s.own("opaque"), 0, -1)
		holder = p.Get(ctx, s.own("index"))
		info = p.Info(ctx, "stats")
		return nil
	})
	if err != nil {
		return nil, nil, notIndexed(err)
	}
	l, ok := parseLease(holder.Val())
	now, err := parseStats(info.Val())
	if !ok || err != nil || !l.ready || l.epoch != epoch || !now.same(l.stats) {
		return nil, nil, session.ErrNotIndexed
	}
	return ofUser.Val(), unread.Val(), nil
}

// check reads the sessions that the index names. It returns those that are the user's, and those
// that cannot be read, and removes from the index what is gone.
func (s *Store) check(ctx context.Context, user string, named []string) (keys, opaque []string, err error) {
	var gone []any
	for ; len(named) > 0; named = named[min(batch, len(named)):] {
		part := named[:min(batch, len(named))]
		names := make([]string, len(part))
		for i, key := range part {
			names[i] = s.name(key)
		}
		answers, err := s.readAll(ctx, names)
		if err != nil {
			return nil, nil, err
		}
		for i, key := range part {
			switch v, err := s.decode(key, answers[i]); {
			case errors.Is(err, session.ErrUnavailable):
				return nil, nil, err
			case errors.Is(err, session.ErrNotFound):
				gone = append(gone, key)
			case session.IsOpaque(err):
				opaque = append(opaque, key)
			case err == nil && session.UserOf(v.Data) == user:
				keys = append(keys, key)
			}
		}
	}
	s.forget(ctx, user, gone)
	return keys, opaque, nil
}

// forget removes from the index of a user the sessions that are gone. What stays after an error
// is removed another time.
func (s *Store) forget(ctx context.Context, user string, keys []any) {
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_ = forgetScript.Run(ctx, s.client, []string{s.userName(user)}, append([]any{s.prefix}, keys...)...).Err()
}

var (
	// indexScript: KEYS set, session; ARGV the session's key, the prefix of sessions. Adds a
	// session to a set until it ends, and removes what has ended. Of a new one's companions it
	// looks at a few, so that sets do not grow by sessions that were deleted: with three looks
	// for each new one, about half as many as are live stay.
	indexScript = redis.NewScript(prelude + `
local set, at = KEYS[1], ends(KEYS[2])
if at == -2 then return 0 end
redis.call('ZREMRANGEBYSCORE', set, '-inf', ms())
local added = redis.call('ZADD', set, 'GT', at == -1 and 'inf' or at, ARGV[1])
if added == 1 and redis.call('ZCARD', set) > 1 then
	for _, key in ipairs(redis.call('ZRANDMEMBER', set, 3)) do
		if redis.call('EXISTS', ARGV[2] .. key) == 0 then redis.call('ZREM', set, key) end
	end
end
local last = redis.call('ZRANGE', set, -1, -1, 'WITHSCORES')[2]
if not last then return 0 end
if last == 'inf' then redis.call('PERSIST', set) else redis.call('PEXPIREAT', set, string.format('%.0f', last)) end
return 1
`)
	// forgetScript: KEYS set; ARGV the prefix of sessions, sessions' keys.
	forgetScript = redis.NewScript(`
for i = 2, #ARGV do
	if redis.call('EXISTS', ARGV[1] .. ARGV[i]) == 0 then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return 1
`)
	// leaseScript: KEYS lease; ARGV its epoch, what it is to hold, for how many milliseconds;
	// none removes it. Answers whether it was the epoch's.
	leaseScript = redis.NewScript(`
local before = redis.call('GET', KEYS[1])
if not before or string.sub(before, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
`)
)
