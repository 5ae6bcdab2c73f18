package filter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"cloakroom/session/rawjson"
)

func sessionOf(text string) *record { return newRecord(text, now.Add(time.Hour), nil) }

func TestCacheRemembers(t *testing.T) {
	c := NewCache(10, 1<<20)
	c.put("a", sessionOf(`{"n":1}`), now)
	c.put("a", sessionOf(`{"n":2}`), now.Add(time.Second))
	if e, ok := c.get("a"); !ok || e.record.text != `{"n":2}` || !e.at.Equal(now.Add(time.Second)) || c.Len() != 1 {
		t.Errorf("got %+v, %v", e, ok)
	}
	c.Drop("a")
	c.Drop("b")
	if _, ok := c.get("a"); ok || c.Len() != 0 || c.bytes != 0 {
		t.Errorf("%d entries and %d bytes after the drop", c.Len(), c.bytes)
	}
	var none *Cache
	none.put("a", unknown, now)
	none.Drop("a")
	none.Clear()
	if _, ok := none.get("a"); ok {
		t.Error("no cache remembers")
	}
}

// TestCacheIsBounded puts in far more than fits, of all sizes, in any order.
func TestCacheIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := NewCache(100, 100_000)
	for i := range 20_000 {
		key := fmt.Sprint("key", r.IntN(5000))
		switch r.IntN(20) {
		case 0:
			c.Drop(key)
		case 1:
			c.get(key)
		case 2:
			if i%500 == 0 {
				c.Clear()
			}
		default:
			c.put(key, sessionOf(fmt.Sprintf(`{"x":"%0*d"}`, r.IntN(3000), 7)), now)
		}
		bytes := 0
		for _, e := range c.byHash {
			bytes += e.bytes
			if c.ring[e.place] != e {
				t.Fatal("an entry is not at its place")
			}
		}
		if c.Len() > 100 || bytes != c.bytes || bytes > 100_000 || len(c.ring) > 101 {
			t.Fatalf("%d entries, %d bytes (counted as %d), a ring of %d", c.Len(), bytes, c.bytes, len(c.ring))
		}
	}
	c.put("huge", sessionOf(fmt.Sprintf(`{"x":"%0200000d"}`, 7)), now)
	if _, ok := c.get("huge"); ok {
		t.Error("what does not fit is remembered")
	}
}

// TestCacheKeepsWhatIsAskedFor lets many strangers pass by a few regulars.
func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	c := NewCache(100, 1<<20)
	for i := range 10 {
		c.put(fmt.Sprint("regular", i), sessionOf(`{}`), now)
	}
	for i := range 10_000 {
		c.put(fmt.Sprint("stranger", i), sessionOf(`{}`), now)
		if i%20 == 0 {
			for j := range 10 {
				if _, ok := c.get(fmt.Sprint("regular", j)); !ok {
					t.Fatalf("after %d strangers regular %d is gone", i, j)
				}
			}
		}
	}
}

// TestCacheKeepsText holds that a session is remembered as its text, from which its
// members can be had again, and that the estimate is not below what that takes.
func TestCacheKeepsText(t *testing.T) {
	c := NewCache(10, 1<<20)
	r := sessionOf(`{"a":1,"b":[1,2,3],"_auth_user_id":"7"}`)
	c.put("key", r, now)
	e, ok := c.get("key")
	want := []rawjson.Member{{Name: "a", Value: "1"}, {Name: "b", Value: "[1,2,3]"}, {Name: "_auth_user_id", Value: `"7"`}}
	if !ok || !slices.Equal(e.record.members(), want) || e.record.user != "7" {
		t.Errorf("remembered %+v of %+v", e, r)
	}
	if held := int(unsafe.Sizeof(*e)+unsafe.Sizeof(*r)+unsafe.Sizeof(*r.judged)) + len(r.text); c.bytes < held {
		t.Errorf("the estimate is %d bytes, want %d at least", c.bytes, held)
	}
}

// TestCacheKeepsKeysAlone: a key is a part of a request's headers, all of which
// would stay in memory with it.
func TestCacheKeepsKeysAlone(t *testing.T) {
	c := NewCache(10, 1<<20)
	headers := "cookie: sessionid=" + goodKey
	key := headers[len(headers)-len(goodKey):]
	c.put(key, newRecord(`{}`, now, nil), now)
	if e, ok := c.get(key); !ok || unsafe.StringData(e.key) == unsafe.StringData(key) {
		t.Errorf("found: %v; the key is kept with what it was a part of", ok)
	}
}

// TestLookupsKeepSessionsAlone: an answer may be a part of a batch's.
func TestLookupsKeepSessionsAlone(t *testing.T) {
	route := routeOf(t, `{"engine":{"service":{"cluster":"s","cache":{"ttl":"1h"}}}}`)
	l := NewLookups[int](&route.Service)
	batch := liveAnswer + " and others"
	l.Join(goodKey, &Stream{state: state{route: route, waiting: forLookup}}, 1)
	l.Answer(goodKey, Answer{"200", batch[:len(liveAnswer)]}, now)
	e, ok := l.Cache.get(goodKey)
	if !ok || e.record.judged == nil || e.record.judged.by != route {
		t.Fatalf("remembered %+v", e)
	}
	of := func(text string) bool {
		at, from := uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(unsafe.Pointer(unsafe.StringData(batch)))
		return at >= from && at < from+uintptr(len(batch))
	}
	if of(e.record.text) || of(e.record.user) || of(e.record.judged.edits[0].Value) {
		t.Error("the session is kept with the answer that it was a part of")
	}
}
