// Package pickle reads and writes the pickles in which Django's cache engines
// keep sessions (django.core.cache.backends.redis.RedisSerializer), and
// translates them to JSON and back.
//
// It knows plain data only: None, bool, int, float, str, bytes, list, tuple,
// dict and datetime.datetime with no zone or a fixed offset. A pickle can call
// anything when Python loads it; here nothing is ever called, and whatever is
// not plain data is refused. The format is that of Python's pickletools.
//
// In JSON a tuple is an array, bytes are a string in base64, a datetime is a
// string as isoformat gives it, keys that are no strings are what json.dumps
// makes of them, NaN and the infinities are null. JSON cannot say what they
// were; Merge keeps them where they are not changed, and refuses to change
// them.
package pickle

import (
	"fmt"

	"cloakroom/session"
)

// Value is a Python value: nil (None), bool, Int, float64, Str, Bytes, *List,
// *Tuple, *Dict or DateTime.
type Value any

type (
	// Int is an int in decimal digits, as Python writes it.
	Int string
	// Str is a str in UTF-8, but that halves of surrogate pairs stand alone
	// where they do in Python ("surrogatepass").
	Str string
	// Bytes is a bytes object.
	Bytes string
	// List is a list.
	List struct{ Items []Value }
	// Tuple is a tuple.
	Tuple struct{ Items []Value }
)

// Dict is a dict in its order.
type Dict struct {
	pairs []pair
	index map[string]int // by name
}

// pair is a key, its name in JSON, and the value.
type pair struct {
	key   Value
	name  string
	value Value
}

func newDict() *Dict { return &Dict{index: map[string]int{}} }

// set is d[key] = value. It fails where another key has the same name in JSON,
// and for keys that have none.
func (d *Dict) set(key, value Value) error {
	name, err := nameOf(key)
	if err != nil {
		return err
	}
	i, there := d.index[name]
	if !there {
		d.index[name] = len(d.pairs)
		d.pairs = append(d.pairs, pair{key, name, value})
		return nil
	}
	if d.pairs[i].key != key {
		return refused("two keys of a dict have the same name in JSON")
	}
	d.pairs[i].value = value
	return nil
}

// get gives the value under a name.
func (d *Dict) get(name string) (p pair, ok bool) {
	i, ok := d.index[name]
	if ok {
		p = d.pairs[i]
	}
	return p, ok
}

// nameOf is what json.dumps makes of a key.
func nameOf(key Value) (string, error) {
	switch k := key.(type) {
	case nil:
		return "null", nil
	case bool:
		return fmt.Sprint(k), nil
	case Int:
		return string(k), nil
	case Str:
		return string(k), nil
	case float64:
		if finite(k) {
			return repr(k), nil
		}
	}
	return "", refused("a key of a dict has no name in JSON")
}

// DateTime is a datetime.datetime.
type DateTime struct {
	// state is datetime's own: year, month (the high bit is the fold), day,
	// hour, minute, second, microsecond.
	state [10]byte
	// offset is that of the zone, if it has one.
	offset timedelta
	aware  bool
}

func newDateTime(state Bytes) (t DateTime, err error) {
	copy(t.state[:], state)
	year, month, day := t.date()
	hour, minute, second := int(state[4]), int(state[5]), int(state[6])
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 ||
		hour > 23 || minute > 59 || second > 59 || t.microsecond() > 999999 {
		return t, refused("a datetime out of range")
	}
	return t, nil
}

func (t DateTime) date() (year, month, day int) {
	return int(t.state[0])<<8 | int(t.state[1]), int(t.state[2] & 0x7f), int(t.state[3])
}

func (t DateTime) microsecond() int {
	return int(t.state[7])<<16 | int(t.state[8])<<8 | int(t.state[9])
}

// String is datetime.isoformat.
func (t DateTime) String() string {
	year, month, day := t.date()
	text := fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, t.state[4], t.state[5], t.state[6])
	if us := t.microsecond(); us != 0 {
		text += fmt.Sprintf(".%06d", us)
	}
	if !t.aware {
		return text
	}
	seconds, sign := t.offset.days*86400+t.offset.seconds, '+'
	if seconds < 0 {
		seconds, sign = -seconds, '-'
	}
	text += fmt.Sprintf("%c%02d:%02d", sign, seconds/3600, seconds/60%60)
	if seconds%60 != 0 {
		text += fmt.Sprintf(":%02d", seconds%60)
	}
	return text
}

// timedelta and timezone are what datetimes are made of; they are no session
// data of their own. The offsets of zones have whole seconds here.
type timedelta struct{ days, seconds int }

type timezone struct{ offset timedelta }

// refused is the error of what is no plain data, or no pickle.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: pickle: "+format, append([]any{session.ErrOpaque}, args...)...)
}
