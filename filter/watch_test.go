package filter

import (
	"slices"
	"testing"
	"time"

	"cloakroom/session"
)

// watching has streams a and b of one session and c of another.
func watching(t *testing.T) (*Lookups[string], *Stream, *Stream) {
	t.Helper()
	l := NewLookups[string](testService())
	stream := func(key string) *Stream {
		s := &Stream{state: state{key: key, route: routeOf(t, `{"engine":{"service":{"cluster":"s"}}}`)}}
		s.record = newRecord(`{"_auth_user_id":"`+key+`"}`, now.Add(time.Hour), nil)
		return s
	}
	one, other := stream("one"), stream("other")
	l.Watch(one, "a")
	l.Watch(one, "b")
	l.Watch(other, "c")
	return l, one, other
}

// due gives the keys that have to be looked up.
func due(l *Lookups[string], at time.Time) (keys []string) {
	l.Tick(at)
	for {
		c, key, ok := l.Due()
		if !ok {
			slices.Sort(keys)
			return keys
		}
		if c.Path != lookupPath || c.Body != keyBody(key) {
			panic(c.Body)
		}
		keys = append(keys, key)
	}
}

const (
	answerNone = `{"state":"none"}`
	answerLive = `{"state":"live","expires":2000000000,"data":{}}`
)

func TestWatch(t *testing.T) {
	for _, tt := range []struct {
		name          string
		event         func(l *Lookups[string])
		after         time.Duration
		status, body  string
		asked, ending []string
		again         []string // asked once more afterwards
	}{
		{"nothing happens", func(*Lookups[string]) {}, 0, "", "", nil, nil, nil},
		{"the session ends", func(l *Lookups[string]) { l.dropHash(session.KeyHash("one")) }, 0, "200", answerNone, []string{"one"}, []string{"a", "b"}, nil},
		{"the session changes", func(l *Lookups[string]) { l.Drop("one") }, 0, "200", answerLive, []string{"one"}, nil, nil},
		{"an outage", func(l *Lookups[string]) { l.Drop("one") }, 0, "503", "", []string{"one"}, nil, []string{"one"}},
		{"nonsense", func(l *Lookups[string]) { l.Drop("one") }, 0, "200", "<html>", []string{"one"}, nil, []string{"one"}},
		{"a user's sessions end", func(l *Lookups[string]) { l.dropUser("one") }, 0, "200", answerNone, []string{"one"}, []string{"a", "b"}, nil},
		{"another user's do", func(l *Lookups[string]) { l.dropUser("7") }, 0, "", "", nil, nil, nil},
		{"a gap", func(l *Lookups[string]) { l.clear() }, 0, "200", answerNone, []string{"one", "other"}, []string{"a", "b", "c"}, nil},
		{"the end has come", func(*Lookups[string]) {}, time.Hour, "200", answerNone, []string{"one", "other"}, []string{"a", "b", "c"}, nil},
		{"the end was moved", func(*Lookups[string]) {}, time.Hour, "200", answerLive, []string{"one", "other"}, nil, nil},
		{"another's", func(l *Lookups[string]) { l.Drop("strange") }, 0, "", "", nil, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _, _ := watching(t)
			tt.event(l)
			at := now.Add(tt.after)
			asked := due(l, at)
			if !slices.Equal(asked, tt.asked) {
				t.Fatalf("asked for %q, want %q", asked, tt.asked)
			}
			var ending []string
			for _, key := range asked {
				_, _, ends := l.Answer(key, Answer{tt.status, tt.body}, at)
				ending = append(ending, ends...)
			}
			if slices.Sort(ending); !slices.Equal(ending, tt.ending) {
				t.Errorf("ends %q, want %q", ending, tt.ending)
			}
			if again := due(l, at); !slices.Equal(again, tt.again) {
				t.Errorf("then asks for %q, want %q", again, tt.again)
			}
		})
	}
}

// TestWatchOutrun has an event come while the session is being looked up: the
// answer may be older, and does not count.
func TestWatchOutrun(t *testing.T) {
	for name, event := range map[string]func(l *Lookups[string]){
		"its own":   func(l *Lookups[string]) { l.Drop("one") },
		"some user": func(l *Lookups[string]) { l.dropUser("7") }, // whose it may be by now
		"a gap":     func(l *Lookups[string]) { l.clear() },
	} {
		l, _, _ := watching(t)
		l.Join("one", &Stream{}, "a request")
		event(l)
		if asked := due(l, now); slices.Contains(asked, "one") {
			t.Errorf("%s: asked for %q while it is being asked for", name, asked)
		}
		if _, waiting, ending := l.Answer("one", Answer{"200", answerLive}, now); len(waiting) != 1 || ending != nil {
			t.Errorf("%s: %q wait, %q end", name, waiting, ending)
		}
		if asked := due(l, now); !slices.Equal(asked, []string{"one"}) {
			t.Errorf("%s: afterwards asked for %q", name, asked)
		}
	}
}

// TestWatchBecomesAnothers: a session whose user has changed ends with those of the new one.
func TestWatchBecomesAnothers(t *testing.T) {
	l, _, _ := watching(t)
	l.Drop("one")
	due(l, now)
	l.Answer("one", Answer{"200", `{"state":"live","expires":2000000000,"data":{"_auth_user_id":"8"}}`}, now)
	for user, want := range map[string][]string{"one": nil, "8": {"one"}} {
		l.dropUser(user)
		if asked := due(l, now); !slices.Equal(asked, want) {
			t.Errorf("after an event of %s asked for %q, want %q", user, asked, want)
		}
		l.Answer("one", Answer{"200", `{"state":"live","expires":2000000000,"data":{"_auth_user_id":"8"}}`}, now)
	}
}

func TestUnwatch(t *testing.T) {
	l, _, other := watching(t)
	l.Unwatch("a")
	l.Drop("one")
	l.Unwatch("b")
	l.Unwatch("b")
	l.Unwatch("strange")
	if asked := due(l, now); asked != nil || len(l.watched.byHash) != 1 || len(l.watched.due) != 0 {
		t.Errorf("asked for %q, %d watched", asked, len(l.watched.byHash))
	}
	l.Watch(&Stream{state: state{route: other.route}}, "anonymous")
	if len(l.watched.byHash) != 1 {
		t.Error("a stream without a session is watched")
	}
}
