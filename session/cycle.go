package session

import (
	"bytes"
	"encoding/json"
	"time"
)

// The keys of the session's data under which the renewal of session keys keeps
// what it needs.
//
// A session that gets a new key is stored under both for a while. Under the old
// one it has NextKey, which names the new one. Under the new one it has CycledKey,
// when that key was made, and UsedKey, when a client first came with it; both are
// Unix seconds. From UsedKey on the old key is good for its grace time. Until then
// it is good as it was: the answer that carried the new key may have been lost.
const (
	NextKey   = "_cloakroom_next"
	CycledKey = "_cloakroom_cycled"
	UsedKey   = "_cloakroom_used"
)

// Next is what stands under NextKey. It holds a session key: it is only ever in
// the store.
type Next struct {
	Key   string `json:"key"`
	Grace int64  `json:"grace"` // seconds
}

var cyclePrefix = []byte(`"_cloakroom_`)

// Cycle is what the data of a session says of its keys.
type Cycle struct {
	Next   *Next `json:"_cloakroom_next"`
	Cycled int64 `json:"_cloakroom_cycled"`
	Used   int64 `json:"_cloakroom_used"`
}

// CycleOf reads a session's data; the zero value where it says nothing.
func CycleOf(data []byte) (c Cycle) {
	if !bytes.Contains(data, cyclePrefix) {
		return Cycle{} // as nearly all are
	}
	if json.Unmarshal(data, &c) != nil || c.Next != nil && !ValidKey(c.Next.Key) {
		return Cycle{}
	}
	return c
}

// Over reports whether the key before this one is past its grace time.
func (c Cycle) Over(grace int64, now time.Time) bool {
	return c.Used > 0 && now.Unix() >= c.Used+grace
}
