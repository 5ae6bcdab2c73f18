package redis_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/redis"
)

// servers by their names; both run as long as the tests.
var servers = map[string]*testenv.RedisServer{testenv.Redis: nil, testenv.Valkey: nil}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	for name := range servers {
		s, err := testenv.StartRedis(context.Background(), testenv.RedisConfig{Server: name, Args: []string{"--requirepass", "pass word"}})
		if err != nil {
			log.Print(err)
			return 1
		}
		defer s.Stop()
		servers[name] = s
	}
	return m.Run()
}

var prefixes atomic.Int32

// fresh returns the URL of an empty store, by a new prefix.
func fresh(server string) string {
	return fmt.Sprintf("redis://:pass%%20word@%s/0?key_prefix=test%%5B*%%5D%d", servers[server].Address(), prefixes.Add(1))
}

func open(t *testing.T, url string, now func() time.Time) *redis.Store {
	t.Helper()
	s, err := redis.Open(t.Context(), url, redis.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// client returns a client of the server that bypasses the store.
func client(t *testing.T, server string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: servers[server].Address(), Password: "pass word"})
	t.Cleanup(func() { c.Close() })
	return c
}

// each runs a test with each of the servers.
func each(t *testing.T, test func(t *testing.T, server string)) {
	for name := range servers {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		traits := sessiontest.Traits{Resolution: time.Millisecond, Python: true, Forgets: true}
		sessiontest.RunWith(t, traits, func(t *testing.T, now func() time.Time) session.Store {
			return open(t, fresh(server), now)
		})
	})
}

func keep(v session.Session) (session.Session, error) { return v, nil }

// TestEnd checks that Redis expires a session when it ends, and that the store returns the expiry
// to the millisecond.
func TestEnd(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		s, c := open(t, "redis://:pass%20word@"+servers[server].Address()+"?version=7", time.Now), client(t, server)
		v := session.Session{Key: sessiontest.Key(t), Data: []byte(`{}`), Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond)}
		if err := s.Create(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		name := ":7:django.contrib.sessions.cache" + v.Key
		for range 200 {
			if got, err := s.Load(t.Context(), v.Key); err != nil || !got.Expires.Equal(v.Expires) {
				t.Fatalf("got %v, %v, want %v", got.Expires, err, v.Expires)
			}
		}
		if left, err := c.PTTL(t.Context(), name).Result(); err != nil || left > time.Hour || left < 50*time.Minute {
			t.Errorf("got %v, %v left, want an hour", left, err)
		}
		if err := c.Persist(t.Context(), name).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Update(t.Context(), v.Key, keep); err != nil || got.Expires.Year() != 9999 {
			t.Errorf("without an end: got %v, %v, want the year 9999", got.Expires, err)
		}
		if _, err := s.Update(t.Context(), v.Key, func(v session.Session) (session.Session, error) {
			v.Expires = time.Time{}
			return v, nil
		}); err != nil {
			t.Errorf("got %v, want none", err)
		}
		if n := c.Exists(t.Context(), name).Val(); n != 0 {
			t.Errorf("a session that was ended is still stored")
		}
	})
}

func TestUnreadable(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		s, c := open(t, "redis://:pass%20word@"+servers[server].Address()+"?key_prefix=odd", time.Now), client(t, server)
		const prefix = "odd:1:django.contrib.sessions.cache"
		want := map[string]error{}
		for key, row := range map[string]struct {
			value any
			want  error
		}{
			"empty":  {"", session.ErrNotFound},
			"int":    {42, session.ErrUnreadable},
			"text":   {"text", session.ErrUnreadable},
			"calls":  {"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.", session.ErrUnreadable},
			"list":   {"\x80\x04].", session.ErrUnreadable},
			"large":  {strings.Repeat("x", 10<<20), session.ErrTooLarge},
			"as is":  {"\x80\x04}.", nil},
			"python": {python(t), nil},
		} {
			if err := c.Set(t.Context(), prefix+key, row.value, time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			want[key] = row.want
		}
		if err := c.LPush(t.Context(), prefix+"other type", "x").Err(); err != nil {
			t.Fatal(err)
		}
		want["other type"] = session.ErrUnreadable
		for key, want := range want {
			if _, err := s.Load(t.Context(), key); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", key, err, want)
			}
			if _, err := s.Update(t.Context(), key, keep); !errors.Is(err, want) {
				t.Errorf("%s: Update: got %v, want %v", key, err, want)
			}
		}
		delete(want, "empty")
		for v, err := range s.All(t.Context()) {
			if want, known := want[v.Key]; !known || !errors.Is(err, want) {
				t.Errorf("All: %s: got %v, want %v", v.Key, err, want)
			}
			delete(want, v.Key)
		}
		if len(want) != 0 {
			t.Errorf("All left out %v", want)
		}
	})
}

// python returns pickle.dumps({"at": datetime(2027, 1, 2, 3, 4, 5, 6, timezone.utc), "t": (1,
// b"\x00\xff"), "n": 1}, 5) as Python 3.11 writes it.
func python(t *testing.T) string {
	t.Helper()
	text, err := hex.DecodeString("80059573000000000000007d94288c026174948c086461746574696d65948c086461746574696d65949394430a07eb01020304050000069468028c0874696d" +
		"657a6f6e6594939468028c0974696d6564656c74619493944b004b004b008794529485945294869452948c0174944b01430200ff9486948c016e944b01752e")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPythonsValues checks that values that JSON cannot represent survive a change of others, and
// cannot be changed.
func TestPythonsValues(t *testing.T) {
	url := fresh(testenv.Valkey)
	s, c := open(t, url, time.Now), client(t, testenv.Valkey)
	name := fmt.Sprintf("test[*]%d:1:django.contrib.sessions.cachekey", prefixes.Load())
	if err := c.Set(t.Context(), name, python(t), time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	const at, tuple = `"at":"2027-01-02T03:04:05.000Z"`, `"t":[1,"AP8="]`
	set := func(data string) error {
		_, err := s.Update(t.Context(), "key", func(v session.Session) (session.Session, error) {
			v.Data = []byte(data)
			return v, nil
		})
		return err
	}
	for _, data := range []string{`{` + at + `,"t":[2,"AP8="]}`, `{"at":"2028-01-02T03:04:05.000Z"}`, `{"t":null}`} {
		if err := set(data); !errors.Is(err, session.ErrUnwritable) {
			t.Errorf("%s: got %v, want %v", data, err, session.ErrUnwritable)
		}
	}
	if got := c.Get(t.Context(), name).Val(); got != python(t) {
		t.Errorf("a refused write changed what is stored")
	}
	if err := set(`{` + at + `,` + tuple + `,"n":[2]}`); err != nil {
		t.Fatal(err)
	}
	v, err := s.Load(t.Context(), "key")
	if want := `{` + at + `,` + tuple + `,"n":[2]}`; err != nil || string(v.Data) != want {
		t.Errorf("got %s, %v, want %s", v.Data, err, want)
	}
	if err := set(`{"n":1}`); err != nil {
		t.Errorf("removed: got %v, want none", err)
	}
}

// TestTwoStoresLoseNothing uses two stores, as two processes would.
func TestTwoStoresLoseNothing(t *testing.T) {
	url := fresh(testenv.Redis)
	stores := []*redis.Store{open(t, url, time.Now), open(t, url, time.Now)}
	v := session.Session{Key: sessiontest.Key(t), Data: []byte(`{"x":""}`), Expires: time.Now().Add(time.Hour)}
	if err := stores[0].Create(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	const rounds = 100
	var all sync.WaitGroup
	for _, s := range stores {
		all.Go(func() {
			for range rounds {
				if _, err := s.Update(t.Context(), v.Key, func(v session.Session) (session.Session, error) {
					v.Data = []byte(strings.Replace(string(v.Data), `"}`, `+"}`, 1))
					return v, nil
				}); err != nil {
					t.Errorf("got %v, want none", err)
				}
			}
		})
	}
	all.Wait()
	got, err := stores[0].Load(t.Context(), v.Key)
	if n := strings.Count(string(got.Data), "+"); err != nil || n != 2*rounds {
		t.Errorf("got %d updates and error %v, want %d", n, err, 2*rounds)
	}
}

func TestOpenFails(t *testing.T) {
	ports, err := testenv.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	address := servers[testenv.Redis].Address()
	for url, want := range map[string]error{
		fmt.Sprintf("redis://:pass%%20word@127.0.0.1:%d", ports[0]): session.ErrUnavailable,
		"redis://:wrong@" + address:                                 session.ErrUnavailable,
		"rediss://:pass%20word@" + address + "?dial_timeout=200ms":  session.ErrUnavailable,
		"redis://:pass%20word@" + address + "/database":             redis.ErrURL,
		"redis://:pass%20word@" + address + "/?unknown=1":           redis.ErrURL,
		"redis://:pass%20word@" + address + "/?version=one":         redis.ErrURL,
		"redis://:pass%20word@host:port":                            redis.ErrURL,
		"http://:pass%20word@" + address:                            redis.ErrURL,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, err := redis.Open(ctx, url, redis.Options{Now: time.Now})
		if !errors.Is(err, want) || s != nil {
			t.Errorf("got %v, %v, want %v", s, err, want)
			continue
		}
		if strings.Contains(err.Error(), "pass word") || strings.Contains(err.Error(), "pass%20word") {
			t.Errorf("the error contains the password: %v", err)
		}
	}
}

func TestFeed(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		sessiontest.RunFeed(t, func(*testing.T) sessiontest.OpenFeed {
			url := fresh(server)
			return func(t *testing.T) session.Feed {
				f, err := open(t, url, time.Now).Feed(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
		})
	})
}
