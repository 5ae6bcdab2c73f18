package session

import (
	"bytes"
	"strconv"
	"time"

	"cloakroom/session/rawjson"
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
	// Of is the ID of the key that this was written under. Django copies all of a session's
	// data to a new key, at a login for one: under that key it says nothing. Empty: an
	// earlier build wrote it.
	Of string `json:"of"`
}

// Cycle is what the data of a session says of its keys.
type Cycle struct {
	Next         *Next
	Cycled, Used int64
}

var cyclePrefix = []byte(`"_cloakroom_`)

// Cycle returns what the session's data says of its keys; the zero value where it says nothing.
func (s Session) Cycle() (c Cycle) {
	if !bytes.Contains(s.Data, cyclePrefix) {
		return Cycle{} // as nearly all are
	}
	members, err := rawjson.Object(string(s.Data), nil)
	if err != nil {
		return Cycle{}
	}
	for _, m := range members {
		switch m.Name {
		case NextKey:
			if c.Next = nextOf(m.Value); c.Next != nil && c.Next.Of != "" && c.Next.Of != ID(s.Key) {
				c.Next = nil
			}
		case CycledKey:
			c.Cycled = number(m.Value)
		case UsedKey:
			c.Used = number(m.Value)
		}
	}
	return c
}

func nextOf(text string) *Next {
	members, err := rawjson.Object(text, nil)
	if err != nil {
		return nil
	}
	var n Next
	for _, m := range members {
		switch m.Name {
		case "key":
			n.Key, _ = rawjson.String(m.Value)
		case "grace":
			n.Grace = number(m.Value)
		case "of":
			n.Of, _ = rawjson.String(m.Value)
		}
	}
	if !ValidKey(n.Key) {
		return nil
	}
	return &n
}

// number reads a whole number; 0 where there is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Over reports whether the key before this one is past its grace time.
func (c Cycle) Over(grace int64, now time.Time) bool {
	return c.Used > 0 && now.Unix() >= c.Used+grace
}
