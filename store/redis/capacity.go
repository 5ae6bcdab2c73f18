package redis

import (
	"context"
	"strconv"
	"strings"

	"cloakroom/session"
)

var _ session.Bounded = (*Store)(nil)

// Capacity implements session.Bounded.
func (s *Store) Capacity(ctx context.Context) (c session.Capacity, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	text, err := s.client.Info(ctx, "memory").Result()
	if err != nil {
		return c, unavailable(err)
	}
	policy := ""
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "used_memory":
			c.Used, err = strconv.ParseInt(value, 10, 64)
		case "maxmemory":
			c.Max, err = strconv.ParseInt(value, 10, 64)
		case "maxmemory_policy":
			policy = value
		}
		if err != nil {
			return session.Capacity{}, unavailable(err)
		}
	}
	if c.Max > 0 && policy != "noeviction" {
		c.Evicts = policy
	}
	return c, nil
}
