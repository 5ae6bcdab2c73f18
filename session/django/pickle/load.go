package pickle

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"

	"cloakroom/session"
)

const (
	// MaxBytes is the maximum length of a pickle.
	MaxBytes = 1 << 20
	// maxInt is the maximum length of an Int in bytes: 4300 digits, Python's limit for converting
	// an int to text.
	maxInt = 1786
	// maxValues bounds how many values a pickle may make.
	maxValues = 1 << 19
)

// load loads a pickle of a dict. Its errors wrap session.ErrUnreadable or session.ErrTooLarge. The
// memory that it uses is proportional to MaxBytes.
func load(text string) (*Dict, error) { return loadUpTo(text, MaxBytes) }

// loadUpTo is load with limit in place of MaxBytes.
func loadUpTo(text string, limit int) (*Dict, error) {
	if len(text) > limit {
		return nil, session.ErrTooLarge
	}
	l := loader{in: text}
	for !l.done && l.err == nil {
		l.step()
	}
	if l.err != nil {
		return nil, l.err
	}
	if len(l.stack) != 1 || len(l.in) != 0 {
		return nil, refused("something is left over")
	}
	d, ok := l.stack[0].value.(*Dict)
	if !ok {
		return nil, refused("not a dict")
	}
	d.protocol, d.fixed, d.shared, d.glimpses = l.protocol, l.fixed, l.shared, l.glimpses
	settle(d)
	return d, nil
}

// loader is Python's unpickler: a stack, marks on it, and a memo.
type loader struct {
	in       string
	protocol byte
	started  bool // an opcode other than opProto was read
	stack    []slot
	marks    []int
	memo     []Value
	values   int
	done     bool
	fixed    bool // the pickle does more than the values represent
	shared   bool // a container is in two places
	dropped  *Object
	glimpses map[Value][]glimpse
	looks    int
	err      error
}

// slot is a place on the stack.
type slot struct {
	value Value
	got   bool // fetched from the memo
}

func (l *loader) fail(format string, args ...any) {
	if l.err == nil {
		l.err = refused(format, args...)
	}
}

// step executes one opcode.
func (l *loader) step() {
	code := opcode(l.byte())
	do := opcodes[code]
	if do == nil {
		l.fail("opcode %#02x is not known", byte(code))
		return
	}
	dropped := l.dropped
	l.dropped = nil
	if l.err == nil {
		do(l)
	}
	if dropped != nil && !l.replaced(dropped) {
		l.fixed = true
	}
	l.started = true
}

// take returns the next n bytes.
func (l *loader) take(n uint64) string {
	if l.err != nil || n > uint64(len(l.in)) {
		l.fail("cut off")
		return ""
	}
	taken := l.in[:n]
	l.in = l.in[n:]
	return taken
}

// uint reads a little-endian number of size bytes.
func (l *loader) uint(size uint64) uint64 {
	var b [8]byte
	copy(b[:], l.take(size))
	return binary.LittleEndian.Uint64(b[:])
}

func (l *loader) byte() byte { return byte(l.uint(1)) }

func (l *loader) push(v Value) { l.place(slot{value: v}) }

func (l *loader) place(s slot) {
	if l.values++; l.values > maxValues {
		l.err = session.ErrTooLarge
		return
	}
	l.stack = append(l.stack, s)
}

// base returns the index of the first value above the last mark.
func (l *loader) base() int {
	if len(l.marks) == 0 {
		return 0
	}
	return l.marks[len(l.marks)-1]
}

// pop removes and returns the n topmost values, none from below a mark.
func (l *loader) pop(n int) []Value {
	if l.err != nil || len(l.stack)-l.base() < n {
		l.fail("a value is missing")
		return make([]Value, n)
	}
	from := len(l.stack) - n
	top := make([]Value, n)
	for i, s := range l.stack[from:] {
		if top[i] = s.value; !s.got {
			complete(s.value)
		}
	}
	l.stack = l.stack[:from]
	return top
}

// popMark removes and returns the values above the last mark.
func (l *loader) popMark() []Value {
	if len(l.marks) == 0 {
		l.fail("a mark is missing")
		return nil
	}
	top := l.pop(len(l.stack) - l.base())
	l.marks = l.marks[:len(l.marks)-1]
	return top
}

// top returns the topmost value and leaves it on the stack.
func (l *loader) top() (s slot) {
	if l.err != nil || len(l.stack) == l.base() {
		l.fail("a value is missing")
		return s
	}
	return l.stack[len(l.stack)-1]
}

// drop executes opPop and opPopMark. Python pops the parts of a value that turns out to be written
// already, then fetches it from the memo. Any other result of a call that is popped was made for
// the call's side effects.
func (l *loader) drop(from int) {
	for _, s := range l.stack[from:] {
		n := nodeOf(s.value)
		if n == nil || s.got {
			continue
		}
		if complete(s.value); n.put {
			continue
		}
		if o, ok := s.value.(*Object); ok && len(l.stack) == from+1 && len(o.steps) == 0 {
			l.dropped = o
		} else {
			l.fixed = true
		}
	}
	l.stack = l.stack[:from]
}

// replaced reports whether the topmost value was fetched from the memo in place of o, which was
// popped: the same call made both.
func (l *loader) replaced(o *Object) bool {
	if len(l.stack) == l.base() {
		return false
	}
	s := l.stack[len(l.stack)-1]
	by, ok := s.value.(*Object)
	return ok && s.got && by.form == o.form && by.fn == o.fn && by.kwargs == o.kwargs && slices.EqualFunc(items(by.args), items(o.args), alike)
}

// alike reports whether two values are the same value, or sequences of the same values.
func alike(a, b Value) bool {
	v, ok := a.(*Seq)
	w, also := b.(*Seq)
	return a == b || ok && also && v.kind == w.kind && slices.Equal(v.items, w.items)
}

func (l *loader) popOne() {
	switch {
	case len(l.stack) > l.base():
		l.drop(len(l.stack) - 1)
	case len(l.marks) > 0:
		l.marks = l.marks[:len(l.marks)-1]
	default:
		l.fail("a value is missing")
	}
}

func (l *loader) dropMark() {
	if len(l.marks) == 0 {
		l.fail("a mark is missing")
		return
	}
	l.drop(l.base())
	l.marks = l.marks[:len(l.marks)-1]
}

// apply applies an opcode with values to the topmost value.
func (l *loader) apply(code opcode, values []Value) {
	s := l.top()
	if s.got {
		l.fixed = true // it was complete, and may have been used
	}
	even := len(values)%2 == 0
	switch v := s.value.(type) {
	case *Object:
		l.look(v, values...)
		if isSetItem := code == opSetItem || code == opSetItems; isSetItem && !even {
			break
		}
		if last := len(v.steps) - 1; last >= 0 && v.steps[last].code == code && code != opBuild {
			v.steps[last].values = append(v.steps[last].values, values...)
		} else {
			v.steps = append(v.steps, step{code, values})
		}
		return
	case *Seq:
		if v.kind == list && (code == opAppend || code == opAppends) || v.kind == set && code == opAddItems {
			if v.kind == set {
				l.look(v, values...)
			}
			v.items = append(v.items, values...)
			return
		}
	case *Dict:
		if (code == opSetItem || code == opSetItems) && even {
			for i := 0; i < len(values); i += 2 {
				l.look(v, values[i])
				v.pairs = append(v.pairs, pair{key: values[i], value: values[i+1]})
			}
			return
		}
	}
	l.fail("opcode %#02x on a value that does not support it", byte(code))
}

// put stores the topmost value in the memo under a number. Python numbers them consecutively.
func (l *loader) put(at uint64) {
	v := l.top().value
	if n := nodeOf(v); n != nil {
		n.put = true
	}
	switch n := uint64(len(l.memo)); {
	case at == n:
		l.memo = append(l.memo, v)
	case at < n:
		l.memo[at] = v
	default:
		l.fail("the memo has a gap")
	}
}

func (l *loader) get(at uint64) {
	if at >= uint64(len(l.memo)) {
		l.fail("the memo has no value under a number")
		return
	}
	l.shared = l.shared || nodeOf(l.memo[at]) != nil
	l.place(slot{l.memo[at], true})
}

// long reads an int in little-endian two's complement.
func (l *loader) long(size uint64) {
	raw := l.take(size)
	if size > maxInt {
		l.push(bigInt(raw))
		return
	}
	digits := []byte(raw)
	slices.Reverse(digits)
	n := new(big.Int).SetBytes(digits)
	if len(digits) > 0 && digits[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(digits))))
	}
	l.push(Int(n.String()))
}

func (l *loader) float() {
	b := l.take(8)
	if b != "" {
		l.push(math.Float64frombits(binary.BigEndian.Uint64([]byte(b))))
	}
}

func (l *loader) str(text string) {
	if !wellFormed(text) {
		l.fail("a str that is not UTF-8")
	}
	l.push(Str(text))
}
