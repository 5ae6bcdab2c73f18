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

// The index of users is kept in Redis itself, apart from the sessions, by the process that follows
// the sessions' writes (see follow.go):
//
//	cloakroom.user:PREFIX:ID   a sorted set of the keys of a user's sessions, by expiry
//	cloakroom.opaque:PREFIX    the same of those that cannot be read, of any user
//	cloakroom.index:PREFIX     the follower's lease, and whether the index is complete
//	cloakroom.fence:PREFIX:N   written before a read of the index
//	cloakroom.ack:PREFIX:N     the follower's response
//
// A set may name sessions that have ended or belong to another user now, so readers check each
// session; it must not lack one. Redis reports writes to the follower in their order. So after the
// follower has responded to a fence, the index holds all sessions that were written before it.
// Without a response, or if Redis has evicted keys, or after any other error, the result is
// session.ErrNotIndexed, and the caller reads all sessions.

func (s *Store) own(kind string) string { return "cloakroom." + kind + ":" + s.prefix }

func (s *Store) userName(user string) string { return s.own("user") + ":" + user }

// fenceWait is the maximum wait for the follower's response.
const fenceWait = 2 * time.Second

// fenceKept is the expiry of a fence and its response.
const fenceKept = 10 * time.Second

// lease is the value of cloakroom.index.
type lease struct {
	epoch string // of one run without a gap
	ready bool   // all sessions are indexed
	stats stats
}

// stats are numbers of the server that reveal evictions.
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

// parseStats parses the response to INFO.
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

// same reports whether no eviction happened since before.
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

// fence waits until the follower has indexed all that was written before the call, and returns its
// epoch.
func (s *Store) fence(ctx context.Context) (epoch string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	text, err := s.client.Get(ctx, s.own("index")).Result()
	if l, ok := parseLease(text); err == nil && ok && l.ready {
		number := ":" + rand.Text()
		if err = s.client.Set(ctx, s.own("fence")+number, "", fenceKept).Err(); err == nil {
			var result []string
			if result, err = s.client.BLPop(ctx, fenceWait, s.own("ack")+number).Result(); err == nil && len(result) == 2 {
				return result[1], nil
			}
		}
	}
	return "", notIndexed(err)
}

// notIndexed maps errors of the index's own commands to ErrNotIndexed. A user may have the
// privileges for the sessions' commands, but not for these.
func notIndexed(err error) error {
	var refused redis.Error
	if err == nil || errors.Is(err, redis.Nil) || errors.As(err, &refused) {
		return session.ErrNotIndexed
	}
	return unavailable(err)
}

// indexed reads the index, and then checks that it is still complete.
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

// check reads the sessions that the index names. It returns the user's, and those that cannot be
// read, and removes those that no longer exist from the index.
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
	s.prune(ctx, user, gone)
	return keys, opaque, nil
}

// prune removes sessions that no longer exist from the index of a user. A later call removes what
// remains after an error.
func (s *Store) prune(ctx context.Context, user string, keys []any) {
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	_ = forgetScript.Run(ctx, s.client, []string{s.userName(user)}, append([]any{s.prefix}, keys...)...).Err()
}

var (
	// indexScript: KEYS set, session; ARGV the session's key, the prefix of sessions. Adds a
	// session to a set until its expiry, and removes expired ones. For each new one it checks
	// three others, so that sets do not grow by sessions that were deleted: at most about half as
	// many deleted ones as live ones stay.
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
	// leaseScript: KEYS lease; ARGV its epoch, the new value, its expiry in milliseconds; no value
	// removes it. Returns whether the epoch held the lease.
	leaseScript = redis.NewScript(`
local before = redis.call('GET', KEYS[1])
if not before or string.sub(before, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
`)
)
