package pickle

import (
	"bytes"
	"strconv"
)

// opcode is one of the pickle machine's; the names are pickletools'.
type opcode byte

const (
	opMark            opcode = '('
	opStop            opcode = '.'
	opBinInt          opcode = 'J'
	opBinInt1         opcode = 'K'
	opBinInt2         opcode = 'M'
	opNone            opcode = 'N'
	opReduce          opcode = 'R'
	opBinUnicode      opcode = 'X'
	opAppend          opcode = 'a'
	opGlobal          opcode = 'c'
	opAppends         opcode = 'e'
	opBinFloat        opcode = 'G'
	opBinGet          opcode = 'h'
	opLongBinGet      opcode = 'j'
	opBinPut          opcode = 'q'
	opLongBinPut      opcode = 'r'
	opSetItem         opcode = 's'
	opTuple           opcode = 't'
	opSetItems        opcode = 'u'
	opEmptyList       opcode = ']'
	opEmptyDict       opcode = '}'
	opEmptyTuple      opcode = ')'
	opBinBytes        opcode = 'B'
	opShortBinBytes   opcode = 'C'
	opProto           opcode = 0x80
	opTuple1          opcode = 0x85
	opTuple2          opcode = 0x86
	opTuple3          opcode = 0x87
	opNewTrue         opcode = 0x88
	opNewFalse        opcode = 0x89
	opLong1           opcode = 0x8a
	opLong4           opcode = 0x8b
	opShortBinUnicode opcode = 0x8c
	opBinUnicode8     opcode = 0x8d
	opBinBytes8       opcode = 0x8e
	opStackGlobal     opcode = 0x93
	opMemoize         opcode = 0x94
	opFrame           opcode = 0x95
)

// maxProtocol is pickle.HIGHEST_PROTOCOL of Python 3.8 to 3.14.
const maxProtocol = 5

// opcodes are all that the pickles of plain data hold, in protocols 2 to 5.
// The init function fills it, since step refers to it.
var opcodes map[opcode]func(*loader)

func init() {
	opcodes = map[opcode]func(*loader){
		opProto: func(l *loader) {
			if v := l.byte(); v < 2 || v > maxProtocol {
				l.fail("protocol %d", v)
			}
		},
		opFrame:           func(l *loader) { l.take(8) },
		opStop:            func(l *loader) { l.done = true },
		opMark:            func(l *loader) { l.marks = append(l.marks, len(l.stack)) },
		opNone:            func(l *loader) { l.push(nil) },
		opNewTrue:         func(l *loader) { l.push(true) },
		opNewFalse:        func(l *loader) { l.push(false) },
		opBinInt:          func(l *loader) { l.int(int64(int32(l.uint(4)))) },
		opBinInt1:         func(l *loader) { l.int(int64(l.uint(1))) },
		opBinInt2:         func(l *loader) { l.int(int64(l.uint(2))) },
		opLong1:           func(l *loader) { l.long(l.uint(1)) },
		opLong4:           func(l *loader) { l.long(l.uint(4)) },
		opBinFloat:        (*loader).float,
		opShortBinUnicode: func(l *loader) { l.str(l.uint(1)) },
		opBinUnicode:      func(l *loader) { l.str(l.uint(4)) },
		opBinUnicode8:     func(l *loader) { l.str(l.uint(8)) },
		opShortBinBytes:   func(l *loader) { l.push(Bytes(l.take(l.uint(1)))) },
		opBinBytes:        func(l *loader) { l.push(Bytes(l.take(l.uint(4)))) },
		opBinBytes8:       func(l *loader) { l.push(Bytes(l.take(l.uint(8)))) },
		opEmptyList:       func(l *loader) { l.push(&List{}) },
		opAppend:          func(l *loader) { l.extend(l.pop(1)) },
		opAppends:         func(l *loader) { l.extend(l.popMark()) },
		opEmptyDict:       func(l *loader) { l.push(newDict()) },
		opSetItem:         func(l *loader) { l.setItems(l.pop(2)) },
		opSetItems:        func(l *loader) { l.setItems(l.popMark()) },
		opEmptyTuple:      func(l *loader) { l.push(&Tuple{}) },
		opTuple:           func(l *loader) { l.push(&Tuple{l.popMark()}) },
		opTuple1:          func(l *loader) { l.push(&Tuple{l.pop(1)}) },
		opTuple2:          func(l *loader) { l.push(&Tuple{l.pop(2)}) },
		opTuple3:          func(l *loader) { l.push(&Tuple{l.pop(3)}) },
		opMemoize:         func(l *loader) { l.put(uint64(len(l.memo))) },
		opBinPut:          func(l *loader) { l.put(l.uint(1)) },
		opLongBinPut:      func(l *loader) { l.put(l.uint(4)) },
		opBinGet:          func(l *loader) { l.get(l.uint(1)) },
		opLongBinGet:      func(l *loader) { l.get(l.uint(4)) },
		opGlobal:          func(l *loader) { module := l.line(); l.global(module, l.line()) },
		opStackGlobal:     (*loader).stackGlobal,
		opReduce:          (*loader).reduce,
	}
}

func (l *loader) int(n int64) { l.push(Int(strconv.FormatInt(n, 10))) }

func (l *loader) line() string {
	i := bytes.IndexByte(l.in, '\n')
	text := l.take(uint64(i + 1)) // nothing, if there is no end
	if i < 0 {
		l.fail("cut off")
		return ""
	}
	return string(text[:i])
}

// The classes that may be called: here they make values of their own.
const (
	datetimeClass  class = "datetime.datetime"
	timezoneClass  class = "datetime.timezone"
	timedeltaClass class = "datetime.timedelta"
)

func (l *loader) global(module, name string) {
	switch c := class(module + "." + name); c {
	case datetimeClass, timezoneClass, timedeltaClass:
		l.push(c)
	default:
		l.fail("%.80q is not plain data", string(c))
	}
}

func (l *loader) stackGlobal() {
	names := l.pop(2)
	module, ok := names[0].(Str)
	name, also := names[1].(Str)
	if !ok || !also {
		l.fail("a class without a name")
		return
	}
	l.global(string(module), string(name))
}

func (l *loader) reduce() {
	call := l.pop(2)
	c, ok := call[0].(class)
	args, also := call[1].(*Tuple)
	if !ok || !also {
		l.fail("a call of what is not plain data")
		return
	}
	v, err := construct(c, args.Items)
	if err != nil {
		l.err = err
		return
	}
	l.push(v)
}

// construct makes a value in the forms in which Python pickles them.
func construct(c class, args []Value) (Value, error) {
	switch {
	case c == timedeltaClass && len(args) == 3:
		days, seconds, err := smallInts(args[0], args[1])
		if microseconds, _ := args[2].(Int); err == nil && microseconds == "0" {
			return timedelta{days, seconds}, nil
		}
	case c == timezoneClass && len(args) == 1:
		if d, ok := args[0].(timedelta); ok && d.days >= -1 && d.days <= 0 {
			return timezone{d}, nil
		}
	case c == datetimeClass && (len(args) == 1 || len(args) == 2):
		state, ok := args[0].(Bytes)
		if !ok || len(state) != 10 {
			break
		}
		t, err := newDateTime(state)
		if len(args) == 1 || err != nil {
			return t, err
		}
		if zone, ok := args[1].(timezone); ok {
			t.offset, t.aware = zone.offset, true
			return t, nil
		}
	}
	return nil, refused("%s in a form that is not known", c)
}

func smallInts(a, b Value) (x, y int, err error) {
	first, ok := a.(Int)
	second, also := b.(Int)
	if !ok || !also {
		return 0, 0, strconv.ErrSyntax
	}
	if x, err = strconv.Atoi(string(first)); err == nil {
		y, err = strconv.Atoi(string(second))
	}
	if err == nil && (y < 0 || y >= 86400) {
		err = strconv.ErrRange
	}
	return x, y, err
}
