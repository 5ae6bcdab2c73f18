package clockcache

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"cloakroom/session"
)

func TestCache(t *testing.T) {
	c := New[int](10, 1000)
	c.Put("a", 1, 10)
	c.Put("a", 2, 20)
	if e := c.Get("a"); e == nil || e.Value != 2 || c.Len() != 1 || c.Bytes() != 20 {
		t.Errorf("got %+v of %d entries and %d bytes", e, c.Len(), c.Bytes())
	}
	c.RemoveHash(session.KeyHash("a"))
	c.RemoveHash(session.KeyHash("b"))
	if c.Get("a") != nil || c.Len() != 0 || c.Bytes() != 0 {
		t.Errorf("%d entries and %d bytes after the removal", c.Len(), c.Bytes())
	}
	c.Put("huge", 1, 1001)
	if c.Get("huge") != nil {
		t.Error("what does not fit was added")
	}
	var none *Cache[int]
	none.Put("a", 1, 1)
	none.RemoveHash(1)
	none.Clear()
	if none.Get("a") != nil {
		t.Error("no cache holds a value")
	}
}

// TestBounded puts in far more than fits, of all sizes, in any order.
func TestBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := New[int](100, 100_000)
	for i := range 20_000 {
		key := fmt.Sprint("key", r.IntN(5000))
		switch r.IntN(20) {
		case 0:
			c.RemoveHash(session.KeyHash(key))
		case 1:
			c.Get(key)
		case 2:
			c.Grow(key, r.IntN(3000))
		case 3:
			c.RemoveIf(func(n int) bool { return n%1000 == i%1000 })
		case 4:
			if i%500 == 0 {
				c.Clear()
			}
		default:
			c.Put(key, i, r.IntN(3000))
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
}

// TestKeepsWhatIsAskedFor lets many strangers pass by a few regulars.
func TestKeepsWhatIsAskedFor(t *testing.T) {
	c := New[int](100, 1<<20)
	for i := range 10 {
		c.Put(fmt.Sprint("regular", i), i, 1)
	}
	for i := range 10_000 {
		c.Put(fmt.Sprint("stranger", i), i, 1)
		if i%20 == 0 {
			for j := range 10 {
				if c.Get(fmt.Sprint("regular", j)) == nil {
					t.Fatalf("after %d strangers regular %d is gone", i, j)
				}
			}
		}
	}
}

// TestKeepsKeysAlone: a key may be a part of a request's headers, all of which would stay in
// memory with it.
func TestKeepsKeysAlone(t *testing.T) {
	c := New[int](10, 1<<20)
	headers := "cookie: sessionid=abc"
	key := headers[len(headers)-3:]
	c.Put(key, 1, 1)
	if e := c.Get(key); e == nil || unsafe.StringData(e.Key) == unsafe.StringData(key) {
		t.Error("the key is kept with what it was a part of")
	}
}

// TestOneHashForTwoKeys: a value is never taken for another key's.
func TestOneHashForTwoKeys(t *testing.T) {
	c := New[int](10, 1<<20)
	c.Put("mine", 1, 1)
	c.byHash[session.KeyHash("yours")] = c.byHash[session.KeyHash("mine")] // as if they had one
	if e := c.Get("yours"); e != nil {
		t.Errorf("the key of one opens %d", e.Value)
	}
}
