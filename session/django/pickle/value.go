// Package pickle reads and writes the pickles in which Django's cache engines
// keep sessions (django.core.cache.backends.redis.RedisSerializer), and
// translates them to JSON and back.
//
// A pickle is a program that can call anything when Python loads it. Here
// nothing is ever called: the program is followed as far as to say what would be
// called with what, in a graph of Values. Plain data and the types of a closed
// list (see known) are shown in JSON, as DjangoJSONEncoder shows them where it
// can. Values of other types are withheld: the session's JSON leaves out the
// keys under which they are. A write says again what was read, to the same
// effect, of all values that it does not change. The format is that of Python's
// pickletools, in protocols 0 to 5.
//
// In JSON sequences and sets are arrays, bytes are a string in base64, keys that
// are no strings are what json.dumps makes of them, NaN and the infinities are
// null. JSON cannot say what they were: the session's Origin keeps them where
// they are not changed, and a write that would change them is refused.
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
	// bigInt is an int of more digits than Python writes: in two's complement,
	// little-endian.
	bigInt string
	// Str is a str in UTF-8, but that halves of surrogate pairs are alone where
	// they are in Python ("surrogatepass").
	Str string
	// Bytes is a bytes object.
	Bytes string
)

// node is what all values have that hold others.
type node struct {
	height  int32 // how deep values nest in it, itself included, or unshowable
	state   settling
	special bool // it holds what JSON cannot say
	inexact bool // it holds a number that JSON lacks
	put     bool // the memo has it

	complete bool // nothing more is done to it
	solid    bool // nor to what it holds

	reason string
}

func (n *node) self() *node { return n }

// nodeOf returns the node of a value; nil for one that holds no others.
func nodeOf(v Value) *node {
	if v, ok := v.(interface{ self() *node }); ok {
		return v.self()
	}
	return nil
}

// kind is what a Seq is.
type kind uint8

const (
	list kind = iota
	tuple
	set
	frozenset
)

// Seq is a list, a tuple or a set; a set is in the pickle's order.
type Seq struct {
	node
	kind  kind
	items []Value
}

// Dict is a dict in its order.
type Dict struct {
	node
	pairs []pair
	index map[string]int // by name, of those that have one

	// Of a pickle's dict:
	protocol byte
	fixed    bool // it cannot be written again
	shared   bool // it has a list or a dict in two places
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
	path         string // both, as Python 3 calls them
}

// form is how an Object is made.
type form uint8

const (
	reduce    form = iota // fn(*args)
	newObj                // fn.__new__(fn, *args)
	newObjEx              // fn.__new__(fn, *args, **kwargs)
	byteArray             // args
)

// Object is what a call makes, or would make.
type Object struct {
	node
	form             form
	fn, args, kwargs Value
	steps            []step
	shown            Value // in its place in JSON, where known
	known            bool
}

// step is what is done to an Object after it was made: opAppend, opAppends,
// opSetItem, opSetItems, opAddItems or opBuild with values.
type step struct {
	code   opcode
	values []Value
}

// set is d[key] = value, of JSON's.
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

// nameOf returns what json.dumps makes of a key, if it takes it.
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

// refused is the error of what cannot be read, or is no pickle.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: pickle: "+format, append([]any{session.ErrOpaque}, args...)...)
}
