// Package pickle reads and writes the pickles in which Django's cache engines keep sessions
// (django.core.cache.backends.redis.RedisSerializer), and converts them to JSON and back.
//
// A pickle is a program that can call anything when Python loads it. This package calls nothing:
// it interprets the program only as far as to record what would be called with which arguments, in
// a graph of Values. Plain data and the types of a closed list (see known) are shown in JSON, as
// DjangoJSONEncoder shows them where it can. Values of other types are withheld: the session's
// JSON omits their keys. A write reproduces all values that it does not change, to the same
// effect. The format is that of Python's pickletools, in protocols 0 to 5.
//
// In JSON sequences and sets are arrays, bytes are a string in base64, keys that are not strings
// are converted as json.dumps converts them, NaN and the infinities are null. JSON does not show
// their types: the session's Origin keeps the values that are not changed, and a write that would
// change them fails.
package pickle

import (
	"fmt"

	"cloakroom/session"
)

// Value is a Python value: nil (None), bool, Int, bigInt, float64, Str, Bytes,
// *Seq, *Dict, *Global or *Object.
type Value any

type (
	// Int is an int in decimal digits, as Python writes it.
	Int string
	// bigInt is an int of more digits than Python converts to text: in little-endian two's
	// complement.
	bigInt string
	// Str is a str in UTF-8, in which lone halves of surrogate pairs are encoded as Python's
	// "surrogatepass" does.
	Str string
	// Bytes is a bytes object.
	Bytes string
)

// node is the common part of all values that hold others.
type node struct {
	height  int32 // depth of the values in it, itself included, or unshowable
	state   settling
	special bool // it holds a value that JSON cannot represent
	inexact bool // it holds a number that JSON lacks
	put     bool // it is in the memo

	complete bool // no step follows
	solid    bool // nor for the values that it holds

	reason string
}

func (n *node) self() *node { return n }

// nodeOf returns the node of a value, or nil for one that holds no others.
func nodeOf(v Value) *node {
	if v, ok := v.(interface{ self() *node }); ok {
		return v.self()
	}
	return nil
}

// kind is the Python type of a Seq.
type kind uint8

const (
	list kind = iota
	tuple
	set
	frozenset
)

// Seq is a list, a tuple or a set. The items of a set are in the pickle's order.
type Seq struct {
	node
	kind  kind
	items []Value
}

// Dict is a dict in insertion order.
type Dict struct {
	node
	pairs []pair
	index map[string]int // by name; pairs without a name are left out

	// Set in a pickle's dict only:
	protocol byte
	fixed    bool // it cannot be written again
	shared   bool // a list or a dict is in two places
	glimpses map[Value][]glimpse
}

// pair is a key, its name in JSON, and the value.
type pair struct {
	key   Value
	name  string
	named bool
	value Value
}

// Global is a class or a function.
type Global struct {
	node
	module, name string
	path         string // module and name, as Python 3 names them
}

// form is the way an Object is made.
type form uint8

const (
	reduce    form = iota // fn(*args)
	newObj                // fn.__new__(fn, *args)
	newObjEx              // fn.__new__(fn, *args, **kwargs)
	byteArray             // args
)

// Object is the result that a call makes, or would make.
type Object struct {
	node
	form             form
	fn, args, kwargs Value
	steps            []step
	shown            Value // shown in its place in JSON, if known
	known            bool
}

// step is a change of an Object after it was made: opAppend, opAppends, opSetItem, opSetItems,
// opAddItems or opBuild with values.
type step struct {
	code   opcode
	values []Value
}

// set sets d[key] = value. d is of JSON.
func (d *Dict) set(key Str, value Value) {
	if d.index == nil {
		d.index = map[string]int{}
	}
	i, ok := d.index[string(key)]
	if !ok {
		i = len(d.pairs)
		d.index[string(key)] = i
		d.pairs = append(d.pairs, pair{key: key, name: string(key), named: true})
	}
	d.pairs[i].value = value
}

// get returns the pair of a name.
func (d *Dict) get(name string) (p pair, ok bool) {
	i, ok := d.index[name]
	if ok {
		p = d.pairs[i]
	}
	return p, ok
}

// nameOf returns the name that json.dumps makes of a key; ok is false if it rejects the key.
func nameOf(key Value) (name string, ok bool) {
	switch k := key.(type) {
	case nil:
		return "null", true
	case bool:
		return fmt.Sprint(k), true
	case Int:
		return string(k), true
	case Str:
		return string(k), true
	case float64:
		return repr(k), true
	case *Object:
		if text, isStr := k.shown.(Str); isStr && k.isSafeString() {
			return string(text), true
		}
	}
	return "", false
}

// refused returns the error of a text that cannot be read, or is no pickle.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: pickle: "+format, append([]any{session.ErrOpaque}, args...)...)
}
