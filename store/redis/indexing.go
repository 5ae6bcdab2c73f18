package redis

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"cloakroom/session"
	"cloakroom/session/django/pickle"
)

// index reads sessions and adds them to the sets that they belong to.
func (f *follower) index(ctx context.Context, names []string) error {
	values, err := f.read(ctx, names)
	if err != nil {
		return err
	}
	s := f.store
	var sets, of []string
	for i, name := range names {
		if set := s.setOf(values[i]); set != "" {
			sets, of = append(sets, set), append(of, name)
		}
	}
	if len(sets) == 0 {
		return nil
	}
	_, err = f.conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, set := range sets {
			indexScript.EvalSha(ctx, p, []string{set, of[i]}, of[i][len(s.prefix):], s.prefix)
		}
		return nil
	})
	return err
}

// read reads values up to the maximum size of a session. It returns "" for one that cannot be a
// session.
func (f *follower) read(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	commands, _ := f.conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, name := range names {
			p.GetRange(ctx, name, 0, pickle.MaxBytes)
		}
		return nil
	})
	values := make([]string, len(names))
	for i, c := range commands {
		var err error
		if values[i], err = c.(*redis.StringCmd).Result(); err != nil && !strings.HasPrefix(err.Error(), "WRONGTYPE") {
			return nil, err
		}
	}
	return values, nil
}

// setOf returns the set that a session belongs to, by its value, or "".
func (s *Store) setOf(value string) string {
	switch {
	case value == "":
		return ""
	case len(value) > pickle.MaxBytes:
		return s.own("opaque")
	}
	data, _, err := pickle.Decode(value)
	if session.IsOpaque(err) {
		return s.own("opaque")
	}
	if user := session.UserOf(data); err == nil && user != "" {
		return s.userName(user)
	}
	return ""
}
