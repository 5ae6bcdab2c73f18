package pickle

import (
	"fmt"

	"cloakroom/session"
)

// Merge gives new, but with the values of old where JSON shows the same, so
// that what JSON cannot say (tuples, bytes, datetimes, keys that are no
// strings) outlives a change of something else. Where such a value would be
// changed, rather than kept or removed, it fails with session.ErrUnwritable.
//
// Old must have been turned to JSON before, which bounds the work.
func Merge(old, new *Dict) (*Dict, error) {
	merged := newDict()
	for _, p := range new.pairs {
		key, value := p.key, p.value
		if was, there := old.get(p.name); there {
			var err error
			if value, err = merge(was.value, value); err != nil {
				return nil, fmt.Errorf("%w, in %.40q", err, p.name)
			}
			key = was.key
		}
		if err := merged.set(key, value); err != nil {
			return nil, err
		}
	}
	return merged, nil
}

func merge(old, new Value) (Value, error) {
	if same(old, new) {
		return old, nil
	}
	before, isDict := old.(*Dict)
	if after, too := new.(*Dict); isDict && too {
		return Merge(before, after)
	}
	if special(old) {
		return nil, fmt.Errorf("%w: a value that JSON cannot say would be changed; it can be kept or removed", session.ErrUnwritable)
	}
	return new, nil
}

// same reports whether JSON shows old as new, which was read from JSON.
func same(old, new Value) bool {
	switch o := old.(type) {
	case Bytes, DateTime:
		n, ok := new.(Str)
		return ok && plain(o) == string(n)
	case float64:
		if !finite(o) {
			return new == nil
		}
		return new == old
	case *List:
		return sameItems(o.Items, new)
	case *Tuple:
		return sameItems(o.Items, new)
	case *Dict:
		n, ok := new.(*Dict)
		if !ok || len(o.pairs) != len(n.pairs) {
			return false
		}
		for _, p := range o.pairs {
			if after, ok := n.get(p.name); !ok || !same(p.value, after.value) {
				return false
			}
		}
		return true
	}
	return old == new
}

func sameItems(old []Value, new Value) bool {
	n, ok := new.(*List)
	if !ok || len(old) != len(n.Items) {
		return false
	}
	for i := range old {
		if !same(old[i], n.Items[i]) {
			return false
		}
	}
	return true
}

// special reports whether v holds what JSON cannot say.
func special(v Value) bool {
	switch v := v.(type) {
	case Bytes, DateTime, *Tuple:
		return true
	case float64:
		return !finite(v)
	case *List:
		for _, item := range v.Items {
			if special(item) {
				return true
			}
		}
	case *Dict:
		for _, p := range v.pairs {
			if _, text := p.key.(Str); !text || special(p.value) {
				return true
			}
		}
	}
	return false
}
