package pickle

// opcode is an opcode of the pickle machine. The names are those of pickletools.
type opcode byte

const (
	opMark            opcode = '('
	opStop            opcode = '.'
	opPop             opcode = '0'
	opPopMark         opcode = '1'
	opFloat           opcode = 'F'
	opInt             opcode = 'I'
	opBinInt          opcode = 'J'
	opBinInt1         opcode = 'K'
	opLong            opcode = 'L'
	opBinInt2         opcode = 'M'
	opNone            opcode = 'N'
	opReduce          opcode = 'R'
	opUnicode         opcode = 'V'
	opBinUnicode      opcode = 'X'
	opAppend          opcode = 'a'
	opBuild           opcode = 'b'
	opGlobal          opcode = 'c'
	opDict            opcode = 'd'
	opAppends         opcode = 'e'
	opGet             opcode = 'g'
	opBinFloat        opcode = 'G'
	opBinGet          opcode = 'h'
	opLongBinGet      opcode = 'j'
	opList            opcode = 'l'
	opPut             opcode = 'p'
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
	opNewObj          opcode = 0x81
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
	opEmptySet        opcode = 0x8f
	opAddItems        opcode = 0x90
	opFrozenSet       opcode = 0x91
	opNewObjEx        opcode = 0x92
	opStackGlobal     opcode = 0x93
	opMemoize         opcode = 0x94
	opFrame           opcode = 0x95
	opByteArray8      opcode = 0x96
)

// maxProtocol is pickle.HIGHEST_PROTOCOL of Python 3.8 to 3.14.
const maxProtocol = 5

// opcodes are all opcodes that Python 3 writes, except those that refer to data outside of the
// pickle: persistent IDs, the extension registry, buffers out of band. The init function fills it,
// since step refers to it.
var opcodes [256]func(*loader)

func init() {
	opcodes = [256]func(*loader){
		opProto:           (*loader).proto,
		opFrame:           func(l *loader) { l.take(8) },
		opStop:            func(l *loader) { l.done = true },
		opMark:            func(l *loader) { l.marks = append(l.marks, len(l.stack)) },
		opPop:             (*loader).popOne,
		opPopMark:         (*loader).dropMark,
		opNone:            func(l *loader) { l.push(nil) },
		opNewTrue:         func(l *loader) { l.push(true) },
		opNewFalse:        func(l *loader) { l.push(false) },
		opInt:             func(l *loader) { l.decimal(l.line(), true) },
		opLong:            (*loader).decimalLong,
		opFloat:           (*loader).textFloat,
		opBinInt:          func(l *loader) { l.int(int64(int32(l.uint(4)))) },
		opBinInt1:         func(l *loader) { l.int(int64(l.uint(1))) },
		opBinInt2:         func(l *loader) { l.int(int64(l.uint(2))) },
		opLong1:           func(l *loader) { l.long(l.uint(1)) },
		opLong4:           func(l *loader) { l.long(l.uint(4)) },
		opBinFloat:        (*loader).float,
		opUnicode:         func(l *loader) { l.str(l.unescape(l.line())) },
		opShortBinUnicode: func(l *loader) { l.str(l.take(l.uint(1))) },
		opBinUnicode:      func(l *loader) { l.str(l.take(l.uint(4))) },
		opBinUnicode8:     func(l *loader) { l.str(l.take(l.uint(8))) },
		opShortBinBytes:   func(l *loader) { l.push(Bytes(l.take(l.uint(1)))) },
		opBinBytes:        func(l *loader) { l.push(Bytes(l.take(l.uint(4)))) },
		opBinBytes8:       func(l *loader) { l.push(Bytes(l.take(l.uint(8)))) },
		opByteArray8:      func(l *loader) { l.push(&Object{form: byteArray, args: Bytes(l.take(l.uint(8)))}) },
		opEmptyList:       func(l *loader) { l.push(&Seq{kind: list}) },
		opList:            func(l *loader) { l.push(&Seq{kind: list, items: l.popMark()}) },
		opAppend:          func(l *loader) { l.apply(opAppend, l.pop(1)) },
		opAppends:         func(l *loader) { l.apply(opAppends, l.popMark()) },
		opEmptySet:        func(l *loader) { l.push(&Seq{kind: set}) },
		opAddItems:        func(l *loader) { l.apply(opAddItems, l.popMark()) },
		opFrozenSet:       (*loader).frozenSet,
		opEmptyDict:       func(l *loader) { l.push(&Dict{}) },
		opDict:            func(l *loader) { items := l.popMark(); l.push(&Dict{}); l.apply(opSetItems, items) },
		opSetItem:         func(l *loader) { l.apply(opSetItem, l.pop(2)) },
		opSetItems:        func(l *loader) { l.apply(opSetItems, l.popMark()) },
		opEmptyTuple:      func(l *loader) { l.push(&Seq{kind: tuple}) },
		opTuple:           func(l *loader) { l.push(&Seq{kind: tuple, items: l.popMark()}) },
		opTuple1:          func(l *loader) { l.push(&Seq{kind: tuple, items: l.pop(1)}) },
		opTuple2:          func(l *loader) { l.push(&Seq{kind: tuple, items: l.pop(2)}) },
		opTuple3:          func(l *loader) { l.push(&Seq{kind: tuple, items: l.pop(3)}) },
		opMemoize:         func(l *loader) { l.put(uint64(len(l.memo))) },
		opPut:             func(l *loader) { l.put(l.number()) },
		opBinPut:          func(l *loader) { l.put(l.uint(1)) },
		opLongBinPut:      func(l *loader) { l.put(l.uint(4)) },
		opGet:             func(l *loader) { l.get(l.number()) },
		opBinGet:          func(l *loader) { l.get(l.uint(1)) },
		opLongBinGet:      func(l *loader) { l.get(l.uint(4)) },
		opGlobal:          func(l *loader) { module := l.line(); l.global(module, l.line()) },
		opStackGlobal:     (*loader).stackGlobal,
		opReduce:          func(l *loader) { v := l.pop(2); l.object(reduce, v[0], v[1], nil) },
		opNewObj:          func(l *loader) { v := l.pop(2); l.object(newObj, v[0], v[1], nil) },
		opNewObjEx:        func(l *loader) { v := l.pop(3); l.object(newObjEx, v[0], v[1], v[2]) },
		opBuild:           func(l *loader) { l.apply(opBuild, l.pop(1)) },
	}
}

func (l *loader) frozenSet() {
	s := &Seq{kind: frozenset}
	items := l.popMark()
	l.look(s, items...)
	s.items = items
	l.push(s)
}

func (l *loader) proto() {
	if l.protocol = l.byte(); l.protocol < 2 || l.protocol > maxProtocol || l.started {
		l.fail("protocol %d", l.protocol)
	}
}
