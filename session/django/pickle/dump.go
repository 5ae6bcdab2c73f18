package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"

	"cloakroom/session"
)

const (
	// protocol is the protocol of new pickles: every Python 3 that Django runs on reads it.
	protocol = 4
	// maxNesting bounds the depth of values that are written. Python's recursive pickler fails
	// earlier.
	maxNesting = 10_000
)

// dump returns the dict as a pickle that Python loads as an equal dict, in which an object that is
// shared is written once. The dict may hold another dict as itself. The opcodes are those of
// protocol 4; the given protocol only selects how Python looks up classes.
func (d *Dict) dump(protocol byte, itself *Dict) (string, error) {
	w := dumper{memo: map[Value]int{}, batch: 1000}
	if protocol == 0 {
		w.batch = 1
	}
	if protocol >= 2 {
		w.out = []byte{byte(opProto), protocol}
	}
	w.dict(d, itself)
	w.op(opStop)
	if len(w.out) > MaxBytes && w.err == nil {
		w.err = session.ErrTooLarge
	}
	return string(w.out), w.err
}

// dumper writes as Python's pickler does: a value that can hold itself goes into the memo before
// its contents are written. One that cannot, such as a tuple, may turn out to have been written
// with its contents; then the opcodes pop what was begun.
type dumper struct {
	out   []byte
	memo  map[Value]int // *Seq, *Dict, *Global, *Object; Str and Bytes by content
	kept  int           // how many values the memo holds
	batch int           // how many items one opcode adds, as in Python
	depth int
	err   error
}

func (w *dumper) op(code opcode) { w.out = append(w.out, byte(code)) }

// shared is the minimum length of texts that go into the memo.
const shared = 5

func (w *dumper) value(v Value) {
	switch {
	case w.err != nil:
		return
	case len(w.out) > MaxBytes:
		w.err = session.ErrTooLarge
		return
	case w.depth > maxNesting:
		w.err = fmt.Errorf("%w: it nests too deep", session.ErrUnwritable)
		return
	case w.known(v):
		return
	}
	w.depth++
	w.write(v)
	w.depth--
}

func (w *dumper) write(v Value) {
	switch v := v.(type) {
	case nil:
		w.op(opNone)
	case bool:
		if v {
			w.op(opNewTrue)
		} else {
			w.op(opNewFalse)
		}
	case Int:
		w.int(v)
	case bigInt:
		w.text(opLong1, opLong4, string(v))
	case float64:
		w.op(opBinFloat)
		w.out = binary.BigEndian.AppendUint64(w.out, math.Float64bits(v))
	case Str:
		w.text(opShortBinUnicode, opBinUnicode, string(v))
		w.keepText(v, len(v))
	case Bytes:
		w.text(opShortBinBytes, opBinBytes, string(v))
		w.keepText(v, len(v))
	case *Seq:
		w.seq(v)
	case *Dict:
		w.dict(v, nil)
	case *Global:
		w.value(Str(v.module))
		w.value(Str(v.name))
		w.op(opStackGlobal)
		w.keep(v)
	case *Object:
		w.object(v)
	}
}

// known writes a reference to a value, if it is in the memo.
func (w *dumper) known(v Value) bool {
	n, ok := w.memo[v]
	switch {
	case !ok:
		return false
	case n < 256:
		w.out = append(w.out, byte(opBinGet), byte(n))
	default:
		w.op(opLongBinGet)
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(n))
	}
	return true
}

// keep adds the value that was just written to the memo.
func (w *dumper) keep(v Value) {
	w.memo[v] = w.kept
	w.kept++
	w.op(opMemoize)
}

func (w *dumper) keepText(v Value, length int) {
	if length >= shared {
		w.keep(v)
	}
}

// began reports whether a value that w is about to finish was written while its parts were. If so,
// it drops the parts from the stack, a number of them or up to a mark, and writes a reference
// instead.
func (w *dumper) began(v Value, parts int) bool {
	if _, written := w.memo[v]; !written || w.err != nil {
		return false
	}
	if parts < 0 {
		w.op(opPopMark)
	}
	for range parts {
		w.op(opPop)
	}
	return w.known(v)
}

func (w *dumper) values(values []Value) {
	for _, v := range values {
		w.value(v)
	}
}

func (w *dumper) marked(values []Value, code opcode) {
	w.op(opMark)
	w.values(values)
	w.op(code)
}

func (w *dumper) seq(s *Seq) {
	switch s.kind {
	case list:
		w.filled(s, opEmptyList, opAppends)
	case set:
		w.filled(s, opEmptySet, opAddItems)
	case frozenset:
		w.op(opMark)
		w.values(s.items)
		if !w.began(s, -1) {
			w.op(opFrozenSet)
			w.keep(s)
		}
	case tuple:
		w.tuple(s)
	}
}

// filled writes a Seq that is filled after it was made.
func (w *dumper) filled(s *Seq, empty, fill opcode) {
	w.op(empty)
	w.keep(s)
	for items := range slices.Chunk(s.items, w.batch) {
		w.marked(items, fill)
	}
}

func (w *dumper) tuple(s *Seq) {
	parts := len(s.items)
	if parts > 3 {
		parts = -1
		w.op(opMark)
	}
	w.values(s.items)
	switch {
	case parts != 0 && w.began(s, parts):
		return
	case parts < 0:
		w.op(opTuple)
	default:
		w.op([...]opcode{opEmptyTuple, opTuple1, opTuple2, opTuple3}[parts])
	}
	if parts != 0 {
		w.keep(s)
	}
}

// dict writes a dict, which may hold another as itself.
func (w *dumper) dict(d, itself *Dict) {
	w.op(opEmptyDict)
	w.keep(d)
	if itself != nil {
		w.memo[itself] = w.memo[d]
	}
	for pairs := range slices.Chunk(d.pairs, w.batch) {
		w.op(opMark)
		for _, p := range pairs {
			w.value(p.key)
			w.value(p.value)
		}
		w.op(opSetItems)
	}
}

func (w *dumper) object(o *Object) {
	switch o.form {
	case byteArray:
		text, _ := o.args.(Bytes)
		w.op(opByteArray8)
		w.out = binary.LittleEndian.AppendUint64(w.out, uint64(len(text)))
		w.out = append(w.out, text...)
	default:
		w.value(o.fn)
		w.value(o.args)
		if o.form == newObjEx {
			w.value(o.kwargs)
		}
		w.op([...]opcode{reduce: opReduce, newObj: opNewObj, newObjEx: opNewObjEx}[o.form])
	}
	if w.began(o, 1) {
		return
	}
	w.keep(o)
	for _, s := range o.steps {
		w.step(s)
	}
}

// step writes a step that changes the topmost value.
func (w *dumper) step(s step) {
	size := map[opcode]int{opAppend: 1, opSetItem: 2, opBuild: 1}[s.code]
	if size == 0 {
		batch := w.batch
		if s.code == opSetItems {
			batch *= 2
		}
		for values := range slices.Chunk(s.values, batch) {
			w.marked(values, s.code)
		}
		return
	}
	for values := range slices.Chunk(s.values, size) {
		w.values(values)
		w.op(s.code)
	}
}

func (w *dumper) int(v Int) {
	if n, err := strconv.ParseInt(string(v), 10, 32); err == nil {
		w.op(opBinInt)
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(n))
		return
	}
	n, _ := new(big.Int).SetString(string(v), 10) // an Int holds digits
	w.text(opLong1, opLong4, string(twosComplement(n)))
}

// twosComplement returns n in little-endian two's complement, with room for the sign.
func twosComplement(n *big.Int) []byte {
	size := n.BitLen()/8 + 1
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	digits := n.FillBytes(make([]byte, size))
	slices.Reverse(digits)
	return digits
}

// text writes an opcode with a length of one byte or of four, and the text.
func (w *dumper) text(short, long opcode, text string) {
	if n := len(text); n < 256 {
		w.out = append(w.out, byte(short), byte(n))
	} else {
		w.op(long)
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(n))
	}
	w.out = append(w.out, text...)
}
