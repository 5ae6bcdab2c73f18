package token

import "time"

// The states of a key, in the order in which it has them.
const (
	Published = "published" // and not yet signing
	Signing   = "signing"
	Previous  = "previous" // another signs; its last tokens may be in use
	Retired   = "retired"  // its last token has ended: it is not published, and may be deleted
)

// signer returns which of the keys signs, the oldest first: the newest that has been published for
// the overlap, else the oldest.
func signer(keys []*Key, overlap time.Duration, now time.Time) int {
	signs := 0
	for i := 1; i < len(keys) && !signsFrom(keys, overlap, i).After(now); i++ {
		signs = i
	}
	return signs
}

// signsFrom returns when a key begins to sign; zero of the oldest: it always has.
func signsFrom(keys []*Key, overlap time.Duration, i int) time.Time {
	if i == 0 {
		return time.Time{}
	}
	return keys[i].Made.Add(overlap)
}

// State returns the state of one of the keys, the oldest first.
func State(keys []*Key, overlap time.Duration, i int, now time.Time) string {
	switch signs := signer(keys, overlap, now); {
	case i > signs:
		return Published
	case i == signs:
		return Signing
	case signsFrom(keys, overlap, i+1).Add(kept).After(now):
		return Previous
	}
	return Retired
}

// Next returns when the next state of a key begins; zero: not by itself.
func Next(keys []*Key, overlap time.Duration, i int, now time.Time) time.Time {
	switch State(keys, overlap, i, now) {
	case Published:
		return signsFrom(keys, overlap, i)
	case Signing:
		if i+1 < len(keys) {
			return signsFrom(keys, overlap, i+1)
		}
	case Previous:
		return signsFrom(keys, overlap, i+1).Add(kept)
	}
	return time.Time{}
}
