package pickle

import (
	"fmt"
	"slices"

	"cloakroom/session"
)

// merge returns new, with the values of old where JSON shows the same, and with the withheld
// values of old, except for the keys in removed. Values that JSON cannot represent thus survive a
// change of other values. If new would change such a value, it fails with session.ErrUnwritable.
//
// Old must have been converted to JSON before, which bounds the work.
func merge(old, new *Dict, removed []string) (*Dict, error) {
	if old.fixed {
		return nil, fmt.Errorf("%w: the pickle does more than to say what its values are", session.ErrUnwritable)
	}
	merged := &Dict{}
	for i := range old.pairs {
		was := old.pairs[i]
		now, ok := new.get(was.name)
		switch withheld := was.withheld(); {
		case withheld && ok && was.name != "":
			return nil, fmt.Errorf("%w: the value under %.40q is not shown (%s); it can be kept or removed", session.ErrUnwritable, was.name, why(&was))
		case withheld && (was.name == "" || !slices.Contains(removed, was.name)):
			merged.pairs = append(merged.pairs, was)
		case !withheld && ok:
			kept, err := mergeValue(was.value, now.value)
			if err != nil {
				return nil, fmt.Errorf("%w, in %.40q", err, was.name)
			}
			was.value = kept
			merged.pairs = append(merged.pairs, was)
		}
	}
	for _, p := range new.pairs {
		if _, ok := old.get(p.name); !ok {
			merged.pairs = append(merged.pairs, p)
		}
	}
	return merged, nil
}

func mergeValue(old, new Value) (Value, error) {
	if same(old, new) {
		return old, nil
	}
	before, isDict := old.(*Dict)
	if after, too := new.(*Dict); isDict && too {
		return mergeDict(before, after)
	}
	if special(old) {
		return nil, fmt.Errorf("%w: a value that JSON cannot say would be changed; it can be kept or removed", session.ErrUnwritable)
	}
	return new, nil
}

// mergeDict is merge for a dict in the session.
func mergeDict(old, new *Dict) (*Dict, error) {
	merged := &Dict{}
	for _, p := range new.pairs {
		if was, ok := old.get(p.name); ok {
			kept, err := mergeValue(was.value, p.value)
			if err != nil {
				return nil, fmt.Errorf("%w, in %.40q", err, p.name)
			}
			p.key, p.value = was.key, kept
		}
		merged.pairs = append(merged.pairs, p)
	}
	return merged, nil
}

// same reports whether JSON shows old as new, which was read from JSON.
func same(old, new Value) bool {
	switch o := old.(type) {
	case Bytes:
		n, ok := new.(Str)
		return ok && o.base64() == string(n)
	case float64:
		if !finite(o) {
			return new == nil
		}
		return new == old
	case *Object:
		return same(o.shown, new)
	case *Seq:
		n, ok := new.(*Seq)
		return ok && slices.EqualFunc(o.items, n.items, same)
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
