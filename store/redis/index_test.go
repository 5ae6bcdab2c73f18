package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/redis"
)

// patience is the deadline of polling.
const patience = 30 * time.Second

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// follow runs FollowUsers until the test ends or stop is called.
func follow(t *testing.T, s *redis.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var following sync.WaitGroup
	following.Go(func() {
		for ctx.Err() == nil {
			if err := s.FollowUsers(ctx); err != nil && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	stop = func() { cancel(); following.Wait() }
	t.Cleanup(stop)
	return stop
}

func indexed(s *redis.Store) func() bool {
	return func() bool {
		_, _, err := s.UserKeys(context.Background(), "nobody")
		return err == nil
	}
}

// followed opens a store whose index is kept and complete.
func followed(t *testing.T, url string, now func() time.Time) *redis.Store {
	t.Helper()
	s := open(t, url, now)
	follow(t, s)
	eventually(t, "the index is complete", indexed(s))
	return s
}

func TestConformanceWithIndex(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		traits := sessiontest.Traits{Resolution: time.Millisecond, Python: true, Forgets: true}
		sessiontest.RunWith(t, traits, func(t *testing.T, now func() time.Time) session.Store { return followed(t, fresh(server), now) })
	})
}

// add stores a session of a user.
func add(t *testing.T, s *redis.Store, user string, age time.Duration) (key string) {
	t.Helper()
	key = sessiontest.Key(t)
	if err := s.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"_auth_user_id":"` + user + `"}`), Expires: time.Now().Add(age)}); err != nil {
		t.Error(err)
	}
	return key
}

// TestUserIndex ends the sessions of one user among others', whoever wrote them and how, without
// reading the others'.
func TestUserIndex(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		url := fresh(server)
		s, c := open(t, url, time.Now), client(t, server)
		name := func(key string) string {
			return fmt.Sprintf("test[*]%d:1:django.contrib.sessions.cache%s", prefixes.Load(), key)
		}
		others := map[string]bool{}
		for i := range 500 {
			others[add(t, s, fmt.Sprint(100+i%50), time.Hour)] = true
		}
		want := []string{add(t, s, "7", time.Hour)} // before FollowUsers runs
		follow(t, s)
		eventually(t, "the index is complete", indexed(s))
		value := c.Get(t.Context(), name(want[0])).Val()
		dump := c.Dump(t.Context(), name(want[0])).Val()
		// Writes as Django, its cache libraries and operators make them.
		for key, err := range map[string]error{
			"set":     c.Set(t.Context(), name("set"), value, time.Hour).Err(),
			"add":     c.SetNX(t.Context(), name("add"), value, time.Hour).Err(),
			"setex":   c.Do(t.Context(), "SETEX", name("setex"), 3600, value).Err(),
			"forever": c.Set(t.Context(), name("forever"), value, 0).Err(),
			"mset":    c.MSet(t.Context(), name("mset"), value).Err(),
			"append":  c.Append(t.Context(), name("append"), value).Err(),
			"copy":    c.Copy(t.Context(), name(want[0]), name("copy"), 0, false).Err(),
			"restore": c.Restore(t.Context(), name("restore"), time.Hour, dump).Err(),
			"renamed": errors.Join(c.Set(t.Context(), name("before"), value, time.Hour).Err(), c.Rename(t.Context(), name("before"), name("renamed")).Err()),
			"script":  c.Eval(t.Context(), "return redis.call('SET', KEYS[1], ARGV[1], 'EX', 100)", []string{name("script")}, value).Err(),
			"moved":   errors.Join(c.Do(t.Context(), "SELECT", 3).Err(), c.Set(t.Context(), name("moved"), value, time.Hour).Err(), c.Do(t.Context(), "MOVE", name("moved"), 0).Err(), c.Do(t.Context(), "SELECT", 0).Err()),
			"touched": c.Eval(t.Context(), "redis.call('SET', KEYS[1], ARGV[1], 'PX', 50) return redis.call('EXPIRE', KEYS[1], 3600)", []string{name("touched")}, value).Err(),
		} {
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			want = append(want, key)
		}
		if err := c.Set(t.Context(), "other", "", 50*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, `the first expiry of "touched" has passed`, func() bool { return c.Exists(t.Context(), "other").Val() == 0 })
		slices.Sort(want)
		var keys []string
		eventually(t, "the index answers", func() bool {
			var err error
			keys, _, err = s.UserKeys(t.Context(), "7") // it reads no others
			return err == nil
		})
		if slices.Sort(keys); !slices.Equal(keys, want) {
			t.Errorf("the index holds %v, want %v", keys, want)
		}
		flushed, err := session.FlushUser(t.Context(), s, "7", s.Delete)
		if slices.Sort(flushed); err != nil || !slices.Equal(flushed, want) {
			t.Errorf("flushed %v, %v, want %v", flushed, err, want)
		}
		left := 0
		for v, err := range s.All(t.Context()) {
			if left++; err != nil || !others[v.Key] {
				t.Errorf("left %s, %v", v.Key, err)
			}
		}
		if left != len(others) {
			t.Errorf("%d sessions of others are left, want %d", left, len(others))
		}
	})
}

// TestUserIndexUnderWrites reads a user's index during concurrent writes: it holds each session
// whose write was acknowledged.
func TestUserIndexUnderWrites(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		url := fresh(server)
		followed(t, url, time.Now)
		s := open(t, url, time.Now)
		answered := 0
		var mu sync.Mutex
		var writing sync.WaitGroup
		for writer := range 8 {
			writing.Go(func() {
				user := fmt.Sprint(writer % 3)
				for range 100 {
					key := add(t, s, user, time.Hour)
					keys, _, err := s.UserKeys(t.Context(), user)
					if errors.Is(err, session.ErrNotIndexed) {
						continue
					}
					mu.Lock()
					answered++
					mu.Unlock()
					if err != nil || !slices.Contains(keys, key) {
						t.Errorf("%v: the session is not among %d", err, len(keys))
						return
					}
				}
			})
		}
		writing.Wait()
		if answered == 0 {
			t.Error("the index never answered")
		}
	})
}

// TestUserIndexGaps interrupts FollowUsers in each way that could lose a write: sessions written
// in the gap are found, and the index recovers.
func TestUserIndexGaps(t *testing.T) {
	for name, interrupt := range map[string]func(ctx context.Context, c *goredis.Client) error{
		"the subscription is cut": func(ctx context.Context, c *goredis.Client) error {
			return c.ClientKillByFilter(ctx, "TYPE", "pubsub").Err()
		},
		"every connection is cut": func(ctx context.Context, c *goredis.Client) error {
			return c.ClientKillByFilter(ctx, "TYPE", "normal", "SKIPME", "yes").Err()
		},
		"the server's scripts are gone": func(ctx context.Context, c *goredis.Client) error { return c.ScriptFlush(ctx).Err() },
		"all keys are gone":             func(ctx context.Context, c *goredis.Client) error { return c.FlushDB(ctx).Err() },
		"the index is gone": func(ctx context.Context, c *goredis.Client) error {
			names, err := c.Keys(ctx, "cloakroom.*").Result()
			if err != nil {
				return err
			}
			return c.Del(ctx, names...).Err()
		},
		"databases are exchanged": func(ctx context.Context, c *goredis.Client) error {
			return c.Do(ctx, "SWAPDB", 0, 9).Err()
		},
		"the statistics were reset": func(ctx context.Context, c *goredis.Client) error { return c.ConfigResetStat(ctx).Err() },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, server string) {
				s, c := followed(t, fresh(server), time.Now), client(t, server)
				add(t, s, "7", time.Hour)
				if err := interrupt(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				var key string
				eventually(t, "a session is written", func() bool {
					key = sessiontest.Key(t)
					return s.Create(t.Context(), session.Session{Key: key, Data: []byte(`{"_auth_user_id":"7"}`), Expires: time.Now().Add(time.Hour)}) == nil
				})
				var flushed []string
				eventually(t, "the user is flushed", func() (is bool) {
					keys, err := session.FlushUser(t.Context(), s, "7", s.Delete)
					flushed = append(flushed, keys...)
					return err == nil
				})
				if !slices.Contains(flushed, key) {
					t.Error("the session that was written meanwhile was missed")
				}
				eventually(t, "the index is complete again", indexed(s))
				key = add(t, s, "7", time.Hour)
				eventually(t, "the index holds a session that was written afterwards", func() bool {
					keys, _, err := s.UserKeys(t.Context(), "7")
					return err == nil && slices.Equal(keys, []string{key})
				})
			})
		})
	}
}

// TestUserIndexFollowers stops one of two followers: the other takes over.
func TestUserIndexFollowers(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		url := fresh(server)
		stores := []*redis.Store{open(t, url, time.Now), open(t, url, time.Now)}
		stops := []func(){follow(t, stores[0]), follow(t, stores[1])}
		for i, s := range stores {
			eventually(t, "the index is complete", indexed(s))
			eventually(t, "neither has a notice", func() bool { return len(stores[0].Notices())+len(stores[1].Notices()) == 0 })
			key := add(t, s, "7", time.Hour)
			stops[i]()
			other := add(t, s, "7", time.Hour)
			if flushed, err := session.FlushUser(t.Context(), s, "7", s.Delete); err != nil || !slices.Contains(flushed, key) || !slices.Contains(flushed, other) {
				t.Errorf("flushed %v, %v; want %s and %s", flushed, err, key, other)
			}
			if i == 0 {
				eventually(t, "the other builds the index", indexed(s))
			}
		}
		if indexed(stores[0])() {
			t.Error("the index is complete without a follower")
		}
	})
}

// TestUserIndexStaysSmall checks that the index shrinks as sessions expire, and as they are
// deleted without their user being named.
func TestUserIndexStaysSmall(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		s, c := followed(t, fresh(server), time.Now), client(t, server)
		set := fmt.Sprintf("cloakroom.user:test[*]%d:1:django.contrib.sessions.cache:", prefixes.Load())
		for range 50 {
			add(t, s, "expires", 300*time.Millisecond)
		}
		eventually(t, "the set has ended with its sessions", func() bool { return c.Exists(t.Context(), set+"expires").Val() == 0 })
		var live []string
		for i := range 1000 {
			live = append(live, add(t, s, "busy", time.Hour))
			if len(live) > 5 {
				if err := s.Delete(t.Context(), live[0]); err != nil {
					t.Fatal(err)
				}
				live = live[1:]
			}
			if i%10 == 9 { // index single writes, as those of people
				indexed(s)()
			}
		}
		eventually(t, "all is indexed", indexed(s))
		if n := c.ZCard(t.Context(), set+"busy").Val(); n > 100 {
			t.Errorf("the index holds %d sessions of a user with 5", n)
		}
		keys, _, err := s.UserKeys(t.Context(), "busy")
		if err != nil || len(keys) != 5 {
			t.Errorf("got %d keys, %v, want 5", len(keys), err)
		}
		if n := c.ZCard(t.Context(), set+"busy").Val(); n != 5 {
			t.Errorf("the index holds %d sessions after it was read, want 5", n)
		}
		for _, kind := range []string{"index", "fence", "ack", "user"} {
			for _, name := range c.Keys(t.Context(), "cloakroom."+kind+":*").Val() {
				if left := c.PTTL(t.Context(), name).Val(); left == -1 {
					t.Errorf("%s has no expiry", name)
				}
			}
		}
	})
}

// TestUserIndexEvicted checks that with a server that evicts the index is not used, and no session
// is missed.
func TestUserIndexEvicted(t *testing.T) {
	server, err := testenv.StartRedis(context.WithoutCancel(t.Context()), testenv.RedisConfig{Server: testenv.Valkey, Args: []string{"--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	s := followed(t, "redis://"+server.Address(), time.Now)
	c := goredis.NewClient(&goredis.Options{Addr: server.Address()})
	t.Cleanup(func() { c.Close() })
	for i := 0; ; i++ {
		if err := c.Set(t.Context(), fmt.Sprint("large", i), strings.Repeat("x", 10_000), 0).Err(); err != nil {
			t.Fatal(err)
		}
		if info := c.Info(t.Context(), "stats").Val(); !strings.Contains(info, "evicted_keys:0\r") {
			break
		}
	}
	if _, _, err := s.UserKeys(t.Context(), "7"); !errors.Is(err, session.ErrNotIndexed) {
		t.Errorf("got %v, want %v", err, session.ErrNotIndexed)
	}
	key := add(t, s, "7", time.Hour)
	if flushed, err := session.FlushUser(t.Context(), s, "7", s.Delete); err != nil || !slices.Equal(flushed, []string{key}) {
		t.Errorf("flushed %v, %v", flushed, err)
	}
}

// TestUserIndexRefused checks that for a user without the privileges that the index needs a notice
// names them, and that every session is read instead.
func TestUserIndexRefused(t *testing.T) {
	each(t, func(t *testing.T, server string) {
		c := client(t, server)
		if err := c.Do(t.Context(), "ACL", "SETUSER", "few", "on", ">pw", "~test*", "~cloakroom.*", "+@all", "-@admin", "-@dangerous", "-client").Err(); err != nil {
			t.Fatal(err)
		}
		admin := open(t, fresh(server), time.Now)
		s := open(t, strings.Replace(fmt.Sprintf("redis://:pass%%20word@%s/0?key_prefix=test%%5B*%%5D%d", servers[server].Address(), prefixes.Load()), "redis://:pass%20word@", "redis://few:pw@", 1), time.Now)
		follow(t, s)
		eventually(t, "a notice says why", func() bool {
			return strings.Contains(strings.Join(s.Notices(), ""), "the user needs CLIENT")
		})
		key := add(t, admin, "7", time.Hour)
		if flushed, err := session.FlushUser(t.Context(), s, "7", s.Delete); err != nil || !slices.Equal(flushed, []string{key}) {
			t.Errorf("flushed %v, %v", flushed, err)
		}
	})
}
