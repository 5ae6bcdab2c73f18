// Package clockcache is a cache of bounded size, by the CLOCK algorithm: what is asked for
// often stays.
package clockcache

import (
	"strings"

	"cloakroom/session"
)

// Cache holds values by their keys, in bounded memory. Make one with New; a nil Cache holds
// nothing. It is not safe for concurrent use.
type Cache[V any] struct {
	maxEntries, maxBytes int

	byHash map[uint64]*Entry[V] // of two keys with one hash the later stays
	ring   []*Entry[V]          // nil where one was removed
	free   []int                // places in ring that hold nil
	hand   int
	bytes  int
}

// Entry is one value with its key, whose text is the cache's own.
type Entry[V any] struct {
	Key   string
	Value V

	hash  uint64
	place int // in ring
	bytes int
	used  bool // since the hand last passed
}

// New returns a cache of up to so many entries and about so many bytes.
func New[V any](entries, bytes int) *Cache[V] {
	return &Cache[V]{maxEntries: entries, maxBytes: bytes, byHash: map[uint64]*Entry[V]{}}
}

// Len returns the number of entries.
func (c *Cache[V]) Len() int { return len(c.byHash) }

// Bytes returns the size of the entries, in bytes, as given to Put and Grow.
func (c *Cache[V]) Bytes() int { return c.bytes }

// Get returns the entry of a key, or nil. It stays valid until the cache is changed.
func (c *Cache[V]) Get(key string) *Entry[V] {
	if c == nil {
		return nil
	}
	e, ok := c.byHash[session.KeyHash(key)]
	if !ok || e.Key != key {
		return nil
	}
	e.used = true
	return e
}

// Put adds a value of so many bytes, in the place of what is there under the key or its
// hash. A value that does not fit at all is not added. The key is copied.
func (c *Cache[V]) Put(key string, value V, bytes int) {
	if c == nil {
		return
	}
	hash := session.KeyHash(key)
	c.RemoveHash(hash)
	if bytes > c.maxBytes || c.maxEntries == 0 {
		return
	}
	e := &Entry[V]{Key: strings.Clone(key), Value: value, hash: hash, bytes: bytes}
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

// Grow adds bytes to the size of the value of a key, and evicts others where that is too much.
func (c *Cache[V]) Grow(key string, by int) {
	e := c.Get(key)
	if e == nil {
		return
	}
	e.bytes += by
	c.bytes += by
	for c.bytes > c.maxBytes {
		c.evict()
	}
}

// evict removes the next entry that was not asked for since the hand last passed.
func (c *Cache[V]) evict() {
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

func (c *Cache[V]) remove(e *Entry[V]) {
	delete(c.byHash, e.hash)
	c.ring[e.place] = nil
	c.free = append(c.free, e.place)
	c.bytes -= e.bytes
}

// RemoveHash removes the entry whose key has this session.KeyHash.
func (c *Cache[V]) RemoveHash(hash uint64) {
	if c == nil {
		return
	}
	if e, ok := c.byHash[hash]; ok {
		c.remove(e)
	}
}

// RemoveIf removes all entries that match.
func (c *Cache[V]) RemoveIf(match func(V) bool) {
	for _, e := range c.byHash {
		if match(e.Value) {
			c.remove(e)
		}
	}
}

// Clear removes all entries.
func (c *Cache[V]) Clear() {
	if c == nil {
		return
	}
	clear(c.byHash)
	clear(c.ring)
	c.ring, c.free, c.hand, c.bytes = c.ring[:0], c.free[:0], 0, 0
}
