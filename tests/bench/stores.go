package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/django"
	"cloakroom/store"
)

const (
	// stored is how many sessions the lookups are spread over.
	stored = 10_000
	// storeConnections is the load's; more would measure the queue before
	// Django's eight threads.
	storeConnections = 8
)

// lookups is one engine's store, with the two servers that look up sessions in it.
type lookups struct {
	testenv.Engine
	ours, theirs nextRequest
	stops        []func() error
}

// stores compares lookups of the session service with Django's own, in a view that does nothing
// else, under gunicorn with two workers of four threads.
func (c *cli) stores(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "cloakroom-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	postgres, err := testenv.StartPostgres(ctx, testenv.PostgresConfig{})
	if err != nil {
		return "", err
	}
	defer postgres.Stop()
	redis, err := testenv.StartRedis(ctx, testenv.RedisConfig{Server: testenv.Valkey})
	if err != nil {
		return "", err
	}
	defer redis.Stop()
	secretKey := rand.Text()
	engines, err := testenv.Engines(dir, secretKey, postgres, redis)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Look-ups over HTTP, %d sessions, %d connections; load, server and store share the machine. Medians of %d rounds, [lowest–highest].\n\n", stored, storeConnections, c.Rounds)
	fmt.Fprintln(&out, "| store | cloakroom serve: look-ups/s | p50 | p99 | Django view: look-ups/s | p50 | p99 | times |")
	fmt.Fprintln(&out, "|---|---|---|---|---|---|---|---|")
	for _, e := range engines {
		if e.Store == "" {
			continue // nothing to look up
		}
		l := &lookups{Engine: e}
		err := l.start(ctx, secretKey)
		var ours, theirs []turn
		for round := 0; round < c.Rounds && err == nil; round++ {
			fmt.Fprintf(os.Stderr, "\rround %d of %d: %-30s", round+1, c.Rounds, e.Name)
			ours, theirs, err = l.round(ctx, c.Load, round, ours, theirs)
		}
		l.stop()
		if err != nil {
			return "", fmt.Errorf("%s: %w", e.Name, err)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s | %s | %.1f |\n", e.Name,
			rate(ours), spread(ours, p50), spread(ours, p99), rate(theirs), spread(theirs, p50), spread(theirs, p99), perSecond(ours)/perSecond(theirs))
	}
	fmt.Fprint(os.Stderr, "\r")
	return out.String(), nil
}

// start fills the store and starts both.
func (l *lookups) start(ctx context.Context, secretKey string) error {
	ports, err := testenv.FreePorts(2)
	if err != nil {
		return err
	}
	site, err := testenv.StartDjangoSite(ctx, l.Engine, ports[0], 2)
	if err != nil {
		return err
	}
	l.stops = append(l.stops, site.Stop)
	token := rand.Text()
	service, err := testenv.StartService(ctx, testenv.ServiceConfig{Port: ports[1], Store: l.Store, SecretKey: secretKey, Token: token, Bare: true})
	if err != nil {
		return err
	}
	l.stops = append(l.stops, service.Stop)
	keys, err := fill(ctx, l.Store, secretKey)
	if err != nil {
		return err
	}
	l.ours = func(ctx context.Context) (*http.Request, error) {
		key, err := drawn(keys)
		if err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+strconv.Itoa(ports[1])+"/v1/lookup", strings.NewReader(`{"key":"`+key+`"}`))
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return r, err
	}
	l.theirs = func(ctx context.Context) (*http.Request, error) {
		key, err := drawn(keys)
		if err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(ports[0])+"/django/peek", nil)
		if err == nil {
			r.Header.Set("Cookie", "sessionid="+key)
		}
		return r, err
	}
	return nil
}

func drawn(keys []string) (string, error) {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(len(keys))))
	if err != nil {
		return "", err
	}
	return keys[i.Int64()], nil
}

// fill stores the sessions of users who have logged in.
func fill(ctx context.Context, url, secretKey string) (keys []string, err error) {
	codec, err := django.NewCodec(secretKey)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, url, store.Options{Codec: codec})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	const data = `{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend",` +
		`"_auth_user_hash":"6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f6","username":"example_user","cart":[1,2,3]}`
	for range stored {
		key, err := session.NewKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		if err := s.Create(ctx, session.Session{Key: key, Data: []byte(data), Expires: time.Now().Add(time.Hour)}); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// round measures both, in alternating order.
func (l *lookups) round(ctx context.Context, during time.Duration, round int, ours, theirs []turn) ([]turn, []turn, error) {
	sides := []struct {
		next  nextRequest
		turns *[]turn
	}{{l.ours, &ours}, {l.theirs, &theirs}}
	for i := range sides {
		s := sides[(round+i)%2]
		if _, err := requests(ctx, s.next, storeConnections, 200*time.Millisecond); err != nil {
			return nil, nil, err
		}
		start := time.Now()
		took, err := requests(ctx, s.next, storeConnections, during)
		if err != nil {
			return nil, nil, err
		}
		*s.turns = append(*s.turns, turn{
			perSecond: float64(len(took)) / time.Since(start).Seconds(), p50: quantile(took, 0.5), p99: quantile(took, 0.99),
		})
	}
	return ours, theirs, nil
}

func (l *lookups) stop() {
	for i := len(l.stops) - 1; i >= 0; i-- {
		_ = l.stops[i]()
	}
}

// rate returns the requests per second, with the spread.
func rate(turns []turn) string {
	low, high := turns[0].perSecond, turns[0].perSecond
	for _, t := range turns {
		low, high = min(low, t.perSecond), max(high, t.perSecond)
	}
	return fmt.Sprintf("%.0f [%.0f–%.0f]", perSecond(turns), low, high)
}
