package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"
)

// A spec describes one value of the configuration: how it is read from a tree
// (map[string]any, []any, string, float64, bool, nil), and its JSON schema.
// The same spec reads JSON and route metadata, so that the two cannot differ.
type spec interface {
	read(path string, value any) error
	schema() map[string]any
}

// field is one field of an object, with a sentence for people.
type field struct {
	name string
	spec spec
	doc  string
}

// object is a JSON object of known fields. Fields that are absent keep what
// they had.
type object []field

func (o object) read(path string, value any) error {
	members, ok := value.(map[string]any)
	if !ok {
		return wrong(path, "an object", value)
	}
	var errs []error
	for _, name := range sortedKeys(members) {
		i := slices.IndexFunc(o, func(f field) bool { return f.name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%s: unknown field; known here: %s", join(path, name), strings.Join(o.names(), ", ")))
			continue
		}
		errs = append(errs, o[i].spec.read(join(path, name), members[name]))
	}
	return errors.Join(errs...)
}

func (o object) names() []string {
	names := make([]string, len(o))
	for i, f := range o {
		names[i] = f.name
	}
	return names
}

func (o object) schema() map[string]any {
	properties := map[string]any{}
	for _, f := range o {
		s := f.spec.schema()
		if f.doc != "" {
			s["description"] = f.doc
		}
		properties[f.name] = s
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// reader is a spec of a schema and a function that gets the value and says,
// unless it took it, what it wants instead.
type reader struct {
	json map[string]any
	take func(value any) (want string)
}

func (r reader) read(path string, value any) error {
	if want := r.take(value); want != "" {
		return wrong(path, want, value)
	}
	return nil
}

func (r reader) schema() map[string]any {
	s := map[string]any{}
	for k, v := range r.json {
		s[k] = v
	}
	return s
}

func text(into *string) spec {
	return reader{map[string]any{"type": "string", "default": *into}, func(v any) string {
		s, ok := v.(string)
		if !ok {
			return "a string"
		}
		*into = s
		return ""
	}}
}

func boolean(into *bool) spec {
	return reader{map[string]any{"type": "boolean", "default": *into}, func(v any) string {
		b, ok := v.(bool)
		if !ok {
			return "true or false"
		}
		*into = b
		return ""
	}}
}

func duration(into *time.Duration) spec {
	return reader{map[string]any{"type": "string", "default": into.String()}, func(v any) string {
		s, _ := v.(string)
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return `a duration such as "500ms", "60s" or "336h"`
		}
		*into = d
		return ""
	}}
}

func count(into *int) spec {
	return reader{map[string]any{"type": "integer", "minimum": 0, "default": *into}, func(v any) string {
		n, ok := v.(float64)
		if !ok || n < 0 || n != math.Trunc(n) || n > math.MaxInt32 {
			return "a whole number that is not negative"
		}
		*into = int(n)
		return ""
	}}
}

func texts(into *[]string) spec {
	json := map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "default": append([]string{}, *into...)}
	return reader{json, func(v any) string {
		list, ok := v.([]any)
		out := make([]string, len(list))
		for i := range list {
			s, isText := list[i].(string)
			ok = ok && isText
			out[i] = s
		}
		if !ok {
			return "a list of strings"
		}
		*into = out
		return ""
	}}
}

// choice reads one of a few words; the position of the word is the value. For "off" false will
// do: YAML 1.1, which Envoy reads, takes an unquoted off for that.
func choice[T ~uint8](into *T, words ...string) spec {
	allowed := make([]any, 0, len(words)+1)
	for _, word := range words {
		allowed = append(allowed, word)
	}
	if slices.Contains(words, "off") {
		allowed = append(allowed, false)
	}
	return reader{map[string]any{"enum": allowed, "default": words[*into]}, func(v any) string {
		s, _ := v.(string)
		if v == false {
			s = "off"
		}
		i := slices.Index(words, s)
		if i < 0 {
			return "one of " + strings.Join(words, ", ")
		}
		*into = T(i)
		return ""
	}}
}

// wrong is the error for a value that is not what it should be. It shows no
// text of the value, which may be a secret.
func wrong(path, want string, got any) error {
	kind := "nothing"
	switch v := got.(type) {
	case string:
		kind = "this string"
	case float64:
		kind = fmt.Sprintf("the number %v", v)
	case bool:
		kind = fmt.Sprintf("%v", v)
	case map[string]any:
		kind = "an object"
	case []any:
		kind = "a list"
	}
	if path == "" {
		path = "configuration"
	}
	return fmt.Errorf("%s: must be %s, not %s", path, want, kind)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
