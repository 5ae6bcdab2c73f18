package pickle

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strconv"
)

// protocol is the one that Dump writes: every Python 3 that Django runs on
// reads it.
const protocol = 4

// Dump writes the dict as a pickle that Python loads as an equal dict.
func (d *Dict) Dump() []byte {
	w := dumper{out: []byte{byte(opProto), protocol}}
	w.value(d)
	w.op(opStop)
	return w.out
}

type dumper struct{ out []byte }

func (w *dumper) op(code opcode) { w.out = append(w.out, byte(code)) }

func (w *dumper) value(v Value) {
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
	case float64:
		w.op(opBinFloat)
		w.out = binary.BigEndian.AppendUint64(w.out, math.Float64bits(v))
	case Str:
		w.bytes(opShortBinUnicode, opBinUnicode, string(v))
	case Bytes:
		w.bytes(opShortBinBytes, opBinBytes, string(v))
	case *List:
		w.op(opEmptyList)
		w.op(opMark)
		w.values(v.Items)
		w.op(opAppends)
	case *Tuple:
		w.op(opMark)
		w.values(v.Items)
		w.op(opTuple)
	case *Dict:
		w.dict(v)
	case DateTime:
		w.datetime(v)
	}
}

func (w *dumper) values(items []Value) {
	for _, item := range items {
		w.value(item)
	}
}

func (w *dumper) dict(d *Dict) {
	w.op(opEmptyDict)
	w.op(opMark)
	for _, p := range d.pairs {
		w.value(p.key)
		w.value(p.value)
	}
	w.op(opSetItems)
}

func (w *dumper) int(v Int) {
	if n, err := strconv.ParseInt(string(v), 10, 32); err == nil {
		w.op(opBinInt)
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(n))
		return
	}
	n, _ := new(big.Int).SetString(string(v), 10) // an Int holds digits
	digits := twosComplement(n)
	w.length(opLong1, opLong4, len(digits))
	w.out = append(w.out, digits...)
}

// twosComplement is little-endian, with room for the sign.
func twosComplement(n *big.Int) []byte {
	size := n.BitLen()/8 + 1
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	digits := n.FillBytes(make([]byte, size))
	slices.Reverse(digits)
	return digits
}

func (w *dumper) bytes(short, long opcode, text string) {
	w.length(short, long, len(text))
	w.out = append(w.out, text...)
}

// length writes the opcode for a length of one byte or of four.
func (w *dumper) length(short, long opcode, n int) {
	if n < 256 {
		w.op(short)
		w.out = append(w.out, byte(n))
		return
	}
	w.op(long)
	w.out = binary.LittleEndian.AppendUint32(w.out, uint32(n))
}

func (w *dumper) call(name string, args func()) {
	w.value(Str("datetime"))
	w.value(Str(name))
	w.op(opStackGlobal)
	w.op(opMark)
	args()
	w.op(opTuple)
	w.op(opReduce)
}

func (w *dumper) datetime(t DateTime) {
	w.call("datetime", func() {
		w.value(Bytes(t.state[:]))
		if !t.aware {
			return
		}
		w.call("timezone", func() {
			w.call("timedelta", func() {
				w.value(Int(strconv.Itoa(t.offset.days)))
				w.value(Int(strconv.Itoa(t.offset.seconds)))
				w.value(Int("0"))
			})
		})
	})
}
