package pickle

import (
	"fmt"
	"math"
	"slices"

	"cloakroom/session"
)

// When Python calls code of a pickle's classes with a value, that value may be incomplete, if
// values hold one another: the order in which a pickle makes them matters. So load records which
// values were incomplete when code saw them, and a write fails if its pickle would show code
// another state, or differs in any other way from what was to be written.

// glimpse is an incomplete value that code sees, after a number of steps of the value that it is
// called for.
type glimpse struct {
	at   int
	open []incomplete
}

// incomplete is a value that is not filled yet, and how many steps it has had.
type incomplete struct {
	value Value
	size  int
}

// maxLooks bounds how many values are visited to find those that are incomplete.
const maxLooks = 1 << 20

// complete marks a value that is popped where it was made as complete: no steps follow.
func complete(v Value) {
	n := nodeOf(v)
	if n == nil {
		return
	}
	n.complete, n.solid = true, true
	each(v, func(child Value) { n.solid = n.solid && solid(child) })
}

// solid reports whether a value and all that it holds are complete.
func solid(v Value) bool {
	n := nodeOf(v)
	return n == nil || n.solid
}

// sizeOf returns how many steps a value has had.
func sizeOf(v Value) (size int) {
	switch v := v.(type) {
	case *Seq:
		return len(v.items)
	case *Dict:
		return len(v.pairs)
	case *Object:
		for _, s := range v.steps {
			size += len(s.values)
		}
	}
	return size
}

// look records the incomplete ones of the values that code sees for another value.
func (l *loader) look(by Value, values ...Value) {
	if !slices.ContainsFunc(values, func(v Value) bool { return !solid(v) }) {
		return // the usual case
	}
	seen := map[Value]bool{}
	g := glimpse{at: sizeOf(by)}
	for next := values; len(next) > 0; {
		var more []Value
		for _, v := range next {
			if solid(v) || seen[v] {
				continue
			}
			seen[v] = true
			if !nodeOf(v).complete {
				g.open = append(g.open, incomplete{v, sizeOf(v)})
			}
			each(v, func(child Value) {
				if l.looks++; l.looks < maxLooks {
					more = append(more, child)
				}
			})
		}
		next = more
	}
	if l.looks >= maxLooks {
		l.fixed = true
		return
	}
	if len(g.open) > 0 {
		if l.glimpses == nil {
			l.glimpses = map[Value][]glimpse{}
		}
		l.glimpses[by] = append(l.glimpses[by], g)
	}
}

// verify checks that text is a pickle of d, in which d may hold another dict as itself, and that
// it shows code the same states.
func verify(text string, d, itself *Dict) error {
	got, err := load(text)
	if err != nil {
		return fmt.Errorf("%w: what would be written cannot be read: %w", session.ErrUnwritable, err)
	}
	c := comparison{pairs: map[Value]Value{itself: got, d: got}, back: map[Value]Value{got: d}, want: itself, got: got}
	c.later = append(c.later, [2]Value{d, got})
	for len(c.later) > 0 {
		last := c.later[len(c.later)-1]
		c.later = c.later[:len(c.later)-1]
		if !c.same(last[0], last[1]) {
			return fmt.Errorf("%w: its values hold one another in a way that cannot be written", session.ErrUnwritable)
		}
	}
	return nil
}

// comparison compares two graphs of values, node by node.
type comparison struct {
	pairs, back map[Value]Value // visited nodes, and their counterparts
	later       [][2]Value
	want, got   *Dict // the sessions
}

// meet compares values, except for the contents of nodes, which it queues.
func (c *comparison) meet(a, b Value) bool {
	if nodeOf(a) == nil || nodeOf(b) == nil {
		x, isFloat := a.(float64)
		y, too := b.(float64)
		return a == b || isFloat && too && math.Float64bits(x) == math.Float64bits(y)
	}
	if s, ok := a.(*Seq); ok && s.kind == tuple && len(s.items) == 0 {
		t, ok := b.(*Seq) // Python has only one
		return ok && t.kind == tuple && len(t.items) == 0
	}
	if other, met := c.pairs[a]; met {
		return other == b
	}
	if _, taken := c.back[b]; taken {
		return false
	}
	c.pairs[a], c.back[b] = b, a
	c.later = append(c.later, [2]Value{a, b})
	return true
}

func (c *comparison) meetAll(a, b []Value) bool { return slices.EqualFunc(a, b, c.meet) }

// same compares two nodes.
func (c *comparison) same(a, b Value) bool {
	if !slices.EqualFunc(c.want.glimpses[a], c.got.glimpses[b], c.sameGlimpse) {
		return false
	}
	switch a := a.(type) {
	case *Seq:
		b, ok := b.(*Seq)
		return ok && a.kind == b.kind && c.meetAll(a.items, b.items)
	case *Dict:
		b, ok := b.(*Dict)
		return ok && slices.EqualFunc(a.pairs, b.pairs, func(p, q pair) bool { return c.meet(p.key, q.key) && c.meet(p.value, q.value) })
	case *Global:
		b, ok := b.(*Global)
		return ok && a.module == b.module && a.name == b.name && a.path == b.path
	case *Object:
		b, ok := b.(*Object)
		return ok && a.form == b.form && c.meet(a.fn, b.fn) && c.meet(a.args, b.args) && c.meet(a.kwargs, b.kwargs) &&
			slices.EqualFunc(a.steps, b.steps, func(s, t step) bool { return s.code == t.code && c.meetAll(s.values, t.values) })
	}
	return false
}

func (c *comparison) sameGlimpse(a, b glimpse) bool {
	return a.at == b.at && slices.EqualFunc(a.open, b.open, func(x, y incomplete) bool {
		return x.size == y.size && c.meet(x.value, y.value)
	})
}
