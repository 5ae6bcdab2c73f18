package pickle

import (
	"encoding/binary"
	"math"
	"math/big"

	"cloakroom/session"
)

const (
	// MaxBytes is how long a pickle may be.
	MaxBytes = 1 << 20
	// maxInt is how many bytes an int may have: those of 4300 digits, which is
	// as many as Python turns into text.
	maxInt = 1786
	// maxValues is how many values a pickle may make.
	maxValues = 1 << 19
)

// Load reads a pickle of a dict. Its errors wrap session.ErrUnreadable or
// session.ErrTooLarge. What it keeps in memory is in proportion to MaxBytes.
func Load(text []byte) (*Dict, error) {
	if len(text) > MaxBytes {
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
	d, ok := l.stack[0].(*Dict)
	if !ok {
		return nil, refused("not a dict")
	}
	return d, nil
}

// loader is Python's unpickler: a stack, marks on it, and a memo.
type loader struct {
	in     []byte
	stack  []Value
	marks  []int
	memo   []Value
	values int
	done   bool
	err    error
}

// class is one of the classes that may be called.
type class string

func (l *loader) fail(format string, args ...any) {
	if l.err == nil {
		l.err = refused(format, args...)
	}
}

// step performs one opcode.
func (l *loader) step() {
	code := opcode(l.byte())
	do, known := opcodes[code]
	if !known {
		l.fail("opcode %#02x is none of plain data's", byte(code))
		return
	}
	if l.err == nil {
		do(l)
	}
}

// take gives the next n bytes.
func (l *loader) take(n uint64) []byte {
	if l.err != nil || n > uint64(len(l.in)) {
		l.fail("cut off")
		return nil
	}
	taken := l.in[:n]
	l.in = l.in[n:]
	return taken
}

// uint reads a little-endian number of some bytes.
func (l *loader) uint(size uint64) uint64 {
	var b [8]byte
	copy(b[:], l.take(size))
	return binary.LittleEndian.Uint64(b[:])
}

func (l *loader) byte() byte { return byte(l.uint(1)) }

func (l *loader) push(v Value) {
	if l.values++; l.values > maxValues {
		l.err = session.ErrTooLarge
		return
	}
	l.stack = append(l.stack, v)
}

// base is where the values since the last mark begin.
func (l *loader) base() int {
	if len(l.marks) == 0 {
		return 0
	}
	return l.marks[len(l.marks)-1]
}

// pop takes the n topmost values off the stack, none from below a mark.
func (l *loader) pop(n int) []Value {
	if l.err != nil || len(l.stack)-l.base() < n {
		l.fail("a value is missing")
		return make([]Value, n)
	}
	top := append([]Value(nil), l.stack[len(l.stack)-n:]...)
	l.stack = l.stack[:len(l.stack)-n]
	return top
}

// popMark takes off what stands above the last mark.
func (l *loader) popMark() []Value {
	if len(l.marks) == 0 {
		l.fail("a mark is missing")
		return nil
	}
	top := l.pop(len(l.stack) - l.base())
	l.marks = l.marks[:len(l.marks)-1]
	return top
}

// top gives the topmost value and leaves it.
func (l *loader) top() Value {
	if l.err != nil || len(l.stack) == l.base() {
		l.fail("a value is missing")
		return nil
	}
	return l.stack[len(l.stack)-1]
}

func (l *loader) extend(items []Value) {
	list, ok := l.top().(*List)
	if !ok {
		l.fail("items of no list")
		return
	}
	list.Items = append(list.Items, items...)
}

func (l *loader) setItems(items []Value) {
	d, ok := l.top().(*Dict)
	if !ok || len(items)%2 != 0 {
		l.fail("items of no dict")
		return
	}
	for i := 0; i < len(items) && l.err == nil; i += 2 {
		l.err = d.set(items[i], items[i+1])
	}
}

// put keeps the topmost value under a number. Python counts them up.
func (l *loader) put(at uint64) {
	v := l.top()
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
		l.fail("nothing is kept under a number of the memo")
		return
	}
	l.push(l.memo[at])
}

// long reads an int in two's complement, little-endian.
func (l *loader) long(size uint64) {
	if size > maxInt {
		l.fail("an int of %d bytes", size)
		return
	}
	raw := l.take(size)
	digits := make([]byte, len(raw))
	for i, b := range raw {
		digits[len(raw)-1-i] = b
	}
	n := new(big.Int).SetBytes(digits)
	if len(digits) > 0 && digits[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(digits))))
	}
	l.push(Int(n.String()))
}

func (l *loader) float() {
	b := l.take(8)
	if b != nil {
		l.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	}
}

func (l *loader) str(size uint64) {
	text := string(l.take(size))
	if !wellFormed(text) {
		l.fail("a str that is not UTF-8")
	}
	l.push(Str(text))
}
