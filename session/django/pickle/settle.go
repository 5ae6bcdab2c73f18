package pickle

import (
	"cloakroom/session"
	"cloakroom/session/django"
)

// settling is the progress of settle with a value.
type settling uint8

const (
	fresh settling = iota
	entered
	settled
)

// unshowable is the height of values that JSON cannot show: at some depth they hold a value of an
// unknown type, or themselves.
const unshowable = 1 << 30

// settle computes for all values of a pickle whether and how JSON shows them. A value is settled
// after those that it holds, without recursion: they may be nested at any depth.
func settle(root *Dict) {
	s := settler{}
	for stack := []Value{root}; len(stack) > 0; {
		v := stack[len(stack)-1]
		n := nodeOf(v)
		if n.state == fresh {
			n.state = entered
			each(v, func(child Value) {
				if c := nodeOf(child); c != nil && c.state == fresh {
					stack = append(stack, child)
				}
			})
			continue
		}
		stack = stack[:len(stack)-1]
		if n.state == entered {
			s.finish(v)
			n.state = settled
		}
	}
}

// each calls f with all values that a value holds.
func each(v Value, f func(Value)) {
	switch v := v.(type) {
	case *Seq:
		for _, item := range v.items {
			f(item)
		}
	case *Dict:
		for _, p := range v.pairs {
			f(p.key)
			f(p.value)
		}
	case *Object:
		f(v.fn)
		f(v.args)
		f(v.kwargs)
		for _, s := range v.steps {
			for _, value := range s.values {
				f(value)
			}
		}
	}
}

type settler struct{ zones int } // zones that were not found

// finish settles a value. Those that it holds are settled, unless they hold it.
func (s *settler) finish(v Value) {
	switch v := v.(type) {
	case *Seq:
		v.special = v.kind != list
		for _, item := range v.items {
			v.holds(item)
		}
	case *Dict:
		v.nameAll()
		for _, p := range v.pairs {
			if v.holds(p.value); !p.named {
				v.height, v.reason = unshowable, "a dict with "+whyUnnamed(&p)
			}
			_, isStr := p.key.(Str)
			v.special = v.special || !isStr
		}
	case *Object:
		v.special = true
		if v.shown, v.known = s.show(v); v.known {
			v.holds(v.shown)
			v.height--
		} else {
			v.height, v.reason = unshowable, v.class()
		}
	case *Global:
		v.special, v.height, v.reason = true, unshowable, v.path
	}
	n := nodeOf(v)
	if n.height < unshowable {
		n.height++
	}
	n.reason = n.reason[:min(len(n.reason), maxReason)]
}

// maxReason is the maximum length of a type's name in a message.
const maxReason = 80

// holds updates a node for a value that it holds.
func (n *node) holds(v Value) {
	height := heightOf(v)
	if n.height = max(n.height, height); height == unshowable && n.reason == "" {
		n.reason = reasonOf(v)
	}
	n.special = n.special || special(v)
	n.inexact = n.inexact || inexact(v)
}

func heightOf(v Value) int32 {
	if _, ok := v.(bigInt); ok {
		return unshowable
	}
	n := nodeOf(v)
	switch {
	case n == nil:
		return 0
	case n.state == entered:
		return unshowable // the value holds itself
	}
	return n.height
}

// special reports whether a value holds what JSON cannot represent.
func special(v Value) bool {
	switch v := v.(type) {
	case Bytes, bigInt:
		return true
	case float64:
		return !finite(v)
	}
	n := nodeOf(v)
	return n != nil && (n.special || n.state == entered)
}

// inexact reports whether a value that is shown holds a number that JSON lacks.
func inexact(v Value) bool {
	if f, ok := v.(float64); ok {
		return !finite(f)
	}
	n := nodeOf(v)
	return n != nil && n.inexact
}

// nameAll sets the names of a dict's keys. Of pairs with equal keys the last counts. Pairs whose
// different keys have the same name get none.
func (d *Dict) nameAll() {
	d.index = make(map[string]int, len(d.pairs))
	all := d.pairs
	d.pairs = all[:0]
	for _, p := range all {
		if p.name, p.named = nameOf(p.key); !p.named {
			d.pairs = append(d.pairs, p)
			continue
		}
		i, ok := d.index[p.name]
		switch {
		case !ok:
			d.index[p.name] = len(d.pairs)
			d.pairs = append(d.pairs, p)
		case d.pairs[i].key == p.key:
			d.pairs[i].value = p.value
		default:
			d.pairs[i].named, p.named = false, false
			d.pairs = append(d.pairs, p)
		}
	}
}

// withheld reports whether a pair of the session itself is one that JSON cannot show.
func (p *pair) withheld() bool { return !p.named || heightOf(p.value) >= django.MaxDepth }

// origin returns the origin of a session, or nil if JSON shows all of it.
func (d *Dict) origin(text string) (*session.Origin, error) {
	if !d.special && !d.shared && d.height <= django.MaxDepth {
		return nil, nil
	}
	o := &session.Origin{Text: text}
	_, isUsers := d.get(session.UserKey)
	for i := range d.pairs {
		p := &d.pairs[i]
		if !p.withheld() {
			o.Inexact = o.Inexact || inexact(p.value)
			continue
		}
		w := session.Withheld{Key: p.name, Why: why(p)}
		if session.Essential(p.name) {
			return nil, refused("%s: %s", p.name, w.Why)
		}
		if key, ok := p.key.(*Object); ok && !key.known && !isUsers {
			return nil, refused("a key is a %s, which could be %s", why(p), session.UserKey)
		}
		o.Withheld = append(o.Withheld, w)
	}
	return o, nil
}

// reasonOf returns why JSON cannot show a value that is unshowable.
func reasonOf(v Value) string {
	n := nodeOf(v)
	switch {
	case n == nil:
		return "int, too large"
	case n.state == entered:
		return "it holds itself"
	}
	return n.reason
}

// why returns the reason why a pair of the session is withheld.
func why(p *pair) string {
	switch {
	case !p.named:
		return whyUnnamed(p)
	case heightOf(p.value) == unshowable:
		return reasonOf(p.value)
	}
	return "nested too deep"
}

// whyUnnamed returns the reason why a pair has no name of its own in JSON.
func whyUnnamed(p *pair) string {
	if p.name != "" {
		return "two keys of one name in JSON"
	}
	return "a key of type " + typeOf(p.key)
}

// typeOf returns the name of a value's type.
func typeOf(v Value) string {
	switch v := v.(type) {
	case *Object:
		return v.class()
	case *Global:
		return v.path
	case bigInt:
		return "int"
	case Bytes:
		return "bytes"
	case *Seq:
		return [...]string{"list", "tuple", "set", "frozenset"}[v.kind]
	case *Dict:
		return "dict"
	}
	return "unknown"
}
