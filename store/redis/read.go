package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"cloakroom/session"
	"cloakroom/session/django/pickle"
)

// stored is the stored value of a key, and its decoded session.
type stored struct {
	session.Session
	text string // the pickle
	ends int64  // the expiry, Unix milliseconds by the server's clock
}

// decode returns the session in readScript's result. Key and Expires are set even if the data
// cannot be read.
func (s *Store) decode(key string, result []any) (v stored, err error) {
	return s.decodeBy(pickle.Decode, key, result)
}

// reader decodes a pickle: pickle.Decode or DecodeLarge.
type reader func(text string) ([]byte, *session.Origin, error)

func (s *Store) decodeBy(read reader, key string, result []any) (v stored, err error) {
	v.Key = key
	if len(result) != 3 {
		return v, unavailable(fmt.Errorf("a script returned %d values", len(result)))
	}
	what, _ := result[0].(int64)
	v.text, _ = result[1].(string)
	v.ends, _ = result[2].(int64)
	if v.Expires = time.UnixMilli(v.ends).UTC(); v.ends == -1 {
		v.Expires = session.Never // Redis does not remove it by itself
	}
	if what == none || !v.Live(s.now()) {
		return v, session.ErrNotFound
	}
	switch what {
	case large:
		return v, session.ErrTooLarge
	case odd:
		return v, fmt.Errorf("%w: not a string in Redis", session.ErrUnreadable)
	}
	v.Data, v.Origin, err = read(v.text)
	v.Data = session.Shown(v.Data, s.zone)
	return v, err
}

func (s *Store) load(ctx context.Context, key string) (stored, error) {
	result, err := readScript.Run(ctx, s.client, []string{s.name(key)}, pickle.MaxBytes).Slice()
	if err != nil {
		return stored{}, unavailable(err)
	}
	v, err := s.decode(key, result)
	if err != nil {
		return stored{}, err
	}
	return v, nil
}

// Load implements session.Store.
func (s *Store) Load(ctx context.Context, key string) (session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	v, err := s.load(ctx, key)
	return v.Session, err
}

// batch is how many keys All requests at a time.
const batch = 100

// All implements session.Store. It keeps the keys that it has returned, since Redis may return one
// twice.
func (s *Store) All(ctx context.Context) iter.Seq2[session.Session, error] {
	return func(yield func(session.Session, error) bool) {
		given := map[string]bool{}
		for cursor := uint64(0); ; {
			names, next, err := s.scan(ctx, cursor)
			if err != nil {
				yield(session.Session{}, err)
				return
			}
			names = unseen(names, given)
			answers, err := s.readAll(ctx, names)
			if err != nil {
				yield(session.Session{}, err)
				return
			}
			for i, name := range names {
				v, err := s.decode(name[len(s.prefix):], answers[i])
				if errors.Is(err, session.ErrNotFound) {
					continue
				}
				if !yield(v.Session, err) {
					return
				}
			}
			if cursor = next; cursor == 0 {
				return
			}
		}
	}
}

func unseen(names []string, given map[string]bool) (fresh []string) {
	for _, name := range names {
		if !given[name] {
			given[name] = true
			fresh = append(fresh, name)
		}
	}
	return fresh
}

func (s *Store) scan(ctx context.Context, cursor uint64) (names []string, next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if names, next, err = s.client.Scan(ctx, cursor, s.pattern(), batch).Result(); err != nil {
		return nil, 0, unavailable(err)
	}
	return names, next, nil
}

// readAll reads many sessions in one round trip.
func (s *Store) readAll(ctx context.Context, names []string) ([][]any, error) {
	if len(names) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	commands, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, name := range names {
			readScript.Eval(ctx, p, []string{name}, pickle.MaxBytes)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	answers := make([][]any, len(names))
	for i, c := range commands {
		if answers[i], err = c.(*redis.Cmd).Slice(); err != nil {
			return nil, unavailable(err)
		}
	}
	return answers, nil
}
