package pickle

import "strings"

// oldNames maps names of Python 2 in protocols 0 to 2 to those of the types in known
// (_compat_pickle).
var oldNames = strings.NewReplacer("__builtin__.unicode", "builtins.str", "__builtin__.", "builtins.", "copy_reg.", "copyreg.")

func (l *loader) global(module, name string) {
	if !wellFormed(module) || !wellFormed(name) {
		l.fail("a class whose name is not UTF-8")
	}
	path := module + "." + name
	if l.protocol < 3 {
		path = oldNames.Replace(path)
	}
	l.push(&Global{module: module, name: name, path: path})
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

func (l *loader) object(form form, fn, args, kwargs Value) {
	switch fn.(type) {
	case *Global, *Object:
	default:
		l.fail("a call of what is no function")
		return
	}
	if a, ok := args.(*Seq); !ok || a.kind != tuple {
		l.fail("a call without arguments")
		return
	}
	if _, ok := kwargs.(*Dict); form == newObjEx && !ok {
		l.fail("a call without named arguments")
		return
	}
	o := &Object{form: form, fn: fn, args: args, kwargs: kwargs}
	l.look(o, fn, args, kwargs)
	l.push(o)
}

// maxPath bounds how many classes may be nested in one another.
const maxPath = 8

// pathOf returns the qualified name of a class or function, or "".
func pathOf(v Value) string {
	inner := ""
	for range maxPath {
		if g, ok := v.(*Global); ok {
			return g.path + inner
		}
		o, ok := v.(*Object)
		if !ok {
			return ""
		}
		// Protocols before 4 get attributes of a class, and all methods of a built-in type, this
		// way.
		args := o.call("builtins.getattr")
		if len(args) != 2 {
			return ""
		}
		name, ok := args[1].(Str)
		if !ok {
			return ""
		}
		v, inner = args[0], "."+string(name)+inner
	}
	return ""
}

// items returns the items of a Seq.
func items(v Value) []Value {
	if s, ok := v.(*Seq); ok {
		return s.items
	}
	return nil
}

// call returns the arguments of a call of the function that is named path. It returns nil for
// another function, or without arguments.
func (o *Object) call(path string) []Value {
	if g, ok := o.fn.(*Global); ok && o.form == reduce && g.path == path {
		return items(o.args)
	}
	return nil
}

// instance returns the class of an object that its __new__ makes, and the arguments, in the forms
// of all protocols.
func (o *Object) instance() (class string, args []Value) {
	if o.form == newObj {
		return pathOf(o.fn), items(o.args)
	}
	if args := o.call("copyreg._reconstructor"); len(args) == 3 { // class, base, its value
		if pathOf(args[1]) == "builtins.object" {
			return pathOf(args[0]), nil
		}
		return pathOf(args[0]), args[2:]
	}
	return "", nil
}

// class returns the name of an object's type for messages.
func (o *Object) class() string {
	if o.form == byteArray {
		return "builtins.bytearray"
	}
	if class, _ := o.instance(); class != "" {
		return class
	}
	if args := o.call("copyreg.__newobj__"); len(args) > 0 {
		return pathOf(args[0])
	}
	if path := pathOf(o.fn); path != "" {
		return path
	}
	return "the result of a call"
}

// state returns the dict that BUILD was called with, if no other step follows.
func (o *Object) state() *Dict {
	if len(o.steps) != 1 || o.steps[0].code != opBuild || len(o.steps[0].values) != 1 {
		return nil
	}
	d, _ := o.steps[0].values[0].(*Dict)
	return d
}

// pairs returns the items that were set in an object that is a dict, if no other step follows.
func (o *Object) pairs() (pairs []pair, ok bool) {
	for _, s := range o.steps {
		if s.code != opSetItem && s.code != opSetItems {
			return nil, false
		}
		for i := 0; i < len(s.values); i += 2 {
			pairs = append(pairs, pair{key: s.values[i], value: s.values[i+1]})
		}
	}
	return pairs, true
}
