package filter

import (
	"strings"
	"time"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// Cache remembers what is known of sessions, by their keys, in bounded memory.
// The zero value remembers nothing; make one with NewCache. What it gives is
// for its users to believe: they say how old it may be.
type Cache struct {
	maxEntries, maxBytes int

	byHash map[uint64]*entry // of two keys with one hash the later stays
	ring   []*entry          // nil where one was dropped
	free   []int             // places in ring that hold nil
	hand   int
	bytes  int
}

type entry struct {
	key    string
	hash   uint64
	record *record
	at     time.Time // when it was learned
	place  int       // in ring
	bytes  int
	used   bool // since the hand last passed
}

// NewCache makes a cache of up to so many entries and about so many bytes.
func NewCache(entries, bytes int) *Cache {
	return &Cache{maxEntries: entries, maxBytes: bytes, byHash: map[uint64]*entry{}}
}

// Len is how many sessions are remembered.
func (c *Cache) Len() int { return len(c.byHash) }

// get gives what was learned of key, and when.
func (c *Cache) get(key string) (*entry, bool) {
	if c == nil {
		return nil, false
	}
	e, ok := c.byHash[session.KeyHash(key)]
	if !ok || e.key != key {
		return nil, false
	}
	e.used = true
	return e, true
}

// put remembers a record. What does not fit at all is not remembered.
func (c *Cache) put(key string, r *record, now time.Time) {
	if c == nil {
		return
	}
	hash := session.KeyHash(key)
	c.dropHash(hash)
	key = strings.Clone(key) // which may be a part of something larger
	e := &entry{hash: hash, key: key, record: r, at: now, bytes: sizeOf(key, r)}
	if e.bytes > c.maxBytes || c.maxEntries == 0 {
		return
	}
	for len(c.byHash) >= c.maxEntries || c.bytes+e.bytes > c.maxBytes {
		c.evict()
	}
	if n := len(c.free); n > 0 {
		e.place, c.free = c.free[n-1], c.free[:n-1]
		c.ring[e.place] = e
	} else {
		e.place = len(c.ring)
		c.ring = append(c.ring, e)
	}
	c.byHash[hash] = e
	c.bytes += e.bytes
}

// grow notes that what is remembered of a key takes more bytes than it did.
func (c *Cache) grow(key string, by int) {
	e, ok := c.get(key)
	if !ok {
		return
	}
	e.bytes += by
	c.bytes += by
	for c.bytes > c.maxBytes {
		c.evict()
	}
}

// evict drops the next entry that nobody asked for since the hand last passed
// (the CLOCK algorithm): what is asked for often stays.
func (c *Cache) evict() {
	for {
		e := c.ring[c.hand]
		c.hand = (c.hand + 1) % len(c.ring)
		switch {
		case e == nil:
		case e.used:
			e.used = false
		default:
			c.remove(e)
			return
		}
	}
}

func (c *Cache) remove(e *entry) {
	delete(c.byHash, e.hash)
	c.ring[e.place] = nil
	c.free = append(c.free, e.place)
	c.bytes -= e.bytes
}

// Drop forgets one session.
func (c *Cache) Drop(key string) {
	if c == nil {
		return
	}
	c.dropHash(session.KeyHash(key))
}

func (c *Cache) dropHash(hash uint64) {
	if e, ok := c.byHash[hash]; ok {
		c.remove(e)
	}
}

func (c *Cache) dropUser(id string) {
	for _, e := range c.byHash {
		if e.record.user == id {
			c.remove(e)
		}
	}
}

// userOf gives the id of a session's user, as session.UserOf, from what stands in its data.
func userOf(raw string) string {
	if raw == "null" {
		return ""
	}
	if text, ok := rawjson.String(raw); ok {
		return text
	}
	return raw
}

// Clear forgets all.
func (c *Cache) Clear() {
	if c == nil {
		return
	}
	clear(c.byHash)
	c.ring, c.free, c.hand, c.bytes = c.ring[:0], c.free[:0], 0, 0
}

// sizeOf is about what a record costs: its text, what upstreams are told of that, and
// what describes them.
func sizeOf(key string, r *record) int {
	const perEntry = 480
	return perEntry + len(key) + 2*len(r.text)
}
