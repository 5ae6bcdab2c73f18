package session

import (
	"bytes"
	"strconv"
	"time"

	"cloakroom/session/rawjson"
)

// The keys of the session's data that key rotation uses.
//
// A session that gets a new key is stored under both for a while. The data under the previous key
// holds NextKey, which names the new key. The data under the new key holds CycledKey, when that
// key was made, and UsedKey, when a client first sent it; both are Unix seconds. From UsedKey on
// the previous key is valid for its grace period. Until then its validity does not change: the
// response that carried the new key may have been lost.
const (
	NextKey   = "_cloakroom_next"
	CycledKey = "_cloakroom_cycled"
	UsedKey   = "_cloakroom_used"
)

// Next is the value of NextKey. It holds a session key: it must not leave the store.
type Next struct {
	Key   string `json:"key"`
	Grace int64  `json:"grace"` // seconds
	// Of is the ID of the key that this was written under. Django copies all of a session's data
	// to a new key, at a login for one: under that key the copy has no effect. If empty, an
	// earlier build wrote it.
	Of string `json:"of"`
}

// Cycle is the rotation state in a session's data.
type Cycle struct {
	Next         *Next
	Cycled, Used int64
}

var cyclePrefix = []byte(`"_cloakroom_`)

// Cycle returns the rotation state in the session's data, or the zero value.
func (s Session) Cycle() (c Cycle) {
	if !bytes.Contains(s.Data, cyclePrefix) {
		return Cycle{} // the usual case
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

// number parses a whole number. It returns 0 if text is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Over reports whether the previous key is past its grace period.
func (c Cycle) Over(grace int64, now time.Time) bool {
	return c.Used > 0 && now.Unix() >= c.Used+grace
}
