package pickle

import (
	"encoding/hex"
	"math"
	"math/big"
	"regexp"
	"strings"
)

// known are the types that JSON can show, by the names of their classes or of the functions that
// make them. Each function returns what JSON shows of an object: what DjangoJSONEncoder
// (django.core.serializers.json) writes, or, where that accepts none, as of bytes and sets, the
// nearest JSON value.
var known map[string]func(*settler, *Object) (Value, bool)

// The init function fills it, since its functions refer to it.
func init() {
	known = map[string]func(*settler, *Object) (Value, bool){
		"_codecs.encode":          bare(latin1),
		"builtins.bytes":          bare(empty),
		"builtins.bytearray":      bare(bytesOf),
		"builtins.complex":        bare(complexText),
		"builtins.frozenset":      bare(iterable),
		"builtins.set":            bare(iterable),
		"collections.Counter":     (*settler).counter,
		"collections.OrderedDict": (*settler).mapping,
		"collections.defaultdict": (*settler).mapping,
		"datetime.date":           bare(dateText),
		"datetime.datetime":       (*settler).datetimeText,
		"datetime.time":           bare(timeText),
		"datetime.timedelta":      bare(timedeltaText),
		"datetime.timezone":       bare(timezoneText),
		"decimal.Decimal":         bare(decimalText),
		"django.utils.functional._lazy_proxy_unpickle": bare(lazyText),
		"django.utils.functional.unpickle_lazyobject":  bare(wrapped),
		"django.utils.safestring.SafeString":           safeText,
		"uuid.UUID":                                    uuidText,
		"zoneinfo.ZoneInfo._unpickle":                  bare(zoneKey),
	}
}

// show returns what JSON shows of an object whose arguments are settled.
func (s *settler) show(o *Object) (Value, bool) {
	if o.form == byteArray {
		text, ok := o.args.(Bytes)
		return text, ok && len(o.steps) == 0
	}
	show := known[o.class()]
	if show == nil {
		return nil, false
	}
	return show(s, o)
}

// bare returns a function for objects that are made by one call and not changed afterwards.
func bare(show func(args []Value) (Value, bool)) func(*settler, *Object) (Value, bool) {
	return func(_ *settler, o *Object) (Value, bool) {
		if o.form != reduce || len(o.steps) > 0 {
			return nil, false
		}
		return show(items(o.args))
	}
}

// plain returns what JSON shows of a value: the value itself if it is plain.
func plain(v Value) Value {
	if o, ok := v.(*Object); ok && o.known {
		return o.shown
	}
	return v
}

// latin1 returns bytes in the form of protocols 0 to 2: _codecs.encode(text, "latin1").
func latin1(args []Value) (Value, bool) {
	if len(args) != 2 || args[1] != Str("latin1") {
		return nil, false
	}
	text, ok := args[0].(Str)
	var out []byte
	for _, r := range string(text) {
		if r > 0xff {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return Bytes(out), ok
}

// empty returns empty bytes in the form of protocols 0 to 2.
func empty(args []Value) (Value, bool) { return Bytes(""), len(args) == 0 }

func bytesOf(args []Value) (Value, bool) {
	if len(args) == 0 {
		return Bytes(""), true
	}
	text, ok := plain(args[0]).(Bytes)
	return text, ok && len(args) == 1
}

// iterable returns a set or frozenset in the form before protocol 4.
func iterable(args []Value) (Value, bool) {
	if len(args) != 1 {
		return nil, false
	}
	items, ok := args[0].(*Seq)
	return items, ok && items.kind == list
}

// complexText returns the text of complex.__str__.
func complexText(args []Value) (Value, bool) {
	if len(args) != 2 {
		return nil, false
	}
	re, ok := args[0].(float64)
	im, also := args[1].(float64)
	if !ok || !also {
		return nil, false
	}
	text := func(f float64) string {
		switch {
		case math.IsNaN(f):
			return "nan"
		case math.IsInf(f, 1):
			return "inf"
		case math.IsInf(f, -1):
			return "-inf"
		}
		return strings.TrimSuffix(repr(f), ".0")
	}
	imaginary := text(im) + "j"
	if re == 0 && !math.Signbit(re) {
		return Str(imaginary), true
	}
	if imaginary[0] != '-' {
		imaginary = "+" + imaginary
	}
	return Str("(" + text(re) + imaginary + ")"), true
}

// decimals matches what Decimal.__str__ writes.
var decimals = regexp.MustCompile(`^-?([0-9]+(\.[0-9]+)?(E[+-][0-9]+)?|Infinity|s?NaN[0-9]*)$`)

func decimalText(args []Value) (Value, bool) {
	if len(args) != 1 {
		return nil, false
	}
	text, ok := args[0].(Str)
	return text, ok && decimals.MatchString(string(text))
}

// uuidText returns the text of UUID.__str__.
func uuidText(_ *settler, o *Object) (Value, bool) {
	class, args := o.instance()
	state := o.state()
	if class == "" || len(args) > 0 || state == nil {
		return nil, false
	}
	p, _ := state.get("int")
	digits, ok := p.value.(Int)
	n, isInt := new(big.Int).SetString(string(digits), 10)
	if !ok || !isInt || n.Sign() < 0 || n.BitLen() > 128 {
		return nil, false
	}
	text := hex.EncodeToString(n.FillBytes(make([]byte, 16)))
	return Str(text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]), true
}

func safeText(_ *settler, o *Object) (Value, bool) {
	class, args := o.instance()
	if class == "" || len(args) != 1 || len(o.steps) > 0 {
		return nil, false
	}
	text, ok := args[0].(Str)
	return text, ok
}

// isSafeString reports whether an object of a known type is a SafeString, which is a str.
func (o *Object) isSafeString() bool {
	return o.known && o.class() == "django.utils.safestring.SafeString"
}

// lazyText returns the text of a translation that is made when it is used (gettext_lazy,
// pgettext_lazy): the untranslated message, as Django shows it in a language without a
// translation. The results of other lazy functions cannot be computed without calling them.
func lazyText(args []Value) (Value, bool) {
	if len(args) < 4 {
		return nil, false
	}
	call := items(args[1])
	if named, ok := args[2].(*Dict); !ok || len(named.pairs) > 0 {
		return nil, false
	}
	at, ok := map[string]int{"django.utils.translation.gettext": 0, "django.utils.translation.pgettext": 1}[pathOf(args[0])]
	if !ok || len(call) != at+1 {
		return nil, false
	}
	text, isText := call[at].(Str)
	return text, isText
}

// wrapped returns the wrapped value of a LazyObject, such as SimpleLazyObject.
func wrapped(args []Value) (Value, bool) {
	if len(args) != 1 {
		return nil, false
	}
	return args[0], true
}

// mapping returns an object whose class derives from dict, as a dict. Other arguments of its
// constructor are not shown.
func (s *settler) mapping(o *Object) (Value, bool) {
	pairs, ok := o.pairs()
	if !ok || o.form != reduce || len(items(o.args)) > 1 {
		return nil, false
	}
	if len(items(o.args)) == 1 && pathOf(o.fn) != "collections.defaultdict" {
		return nil, false
	}
	return s.settled(&Dict{pairs: pairs}), true
}

// counter returns a collections.Counter, which is made from a dict.
func (s *settler) counter(o *Object) (Value, bool) {
	args := items(o.args)
	if len(args) != 1 || len(o.steps) > 0 {
		return nil, false
	}
	d, ok := args[0].(*Dict)
	return d, ok
}

// settled settles a dict that consists of settled values.
func (s *settler) settled(d *Dict) *Dict {
	s.finish(d)
	d.state = settled
	return d
}
