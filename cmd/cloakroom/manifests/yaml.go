package manifests

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// inJSON returns a value in JSON, which is YAML too.
func inJSON(value any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// width is the length of a line up to which an object is written on it.
const width = 110

// block returns an object in YAML, its small parts on one line each.
func block(m yaml.MapSlice) (string, error) {
	var b strings.Builder
	for _, item := range m {
		line, err := flow(yaml.MapSlice{item})
		if err != nil {
			return "", err
		}
		nested, isObject := item.Value.(yaml.MapSlice)
		if line = line[1 : len(line)-1]; !isObject || len(line) <= width && item.Key != "routes" && item.Key != "engine" {
			b.WriteString(line + "\n")
			continue
		}
		inner, err := block(nested)
		if err != nil {
			return "", err
		}
		key, _, _ := strings.Cut(line, ": ")
		b.WriteString(key + ":\n" + indent(2, inner) + "\n")
	}
	return b.String(), nil
}

// flow returns an object on one line.
func flow(m yaml.MapSlice) (string, error) {
	parts := make([]string, len(m))
	for i, item := range m {
		key, err := inFlow(item.Key)
		if err != nil {
			return "", err
		}
		value, err := inFlow(item.Value)
		if err != nil {
			return "", err
		}
		parts[i] = key + ": " + value
	}
	return "{" + strings.Join(parts, ", ") + "}", nil
}

// plainFlow is a text that needs no quotes on one line with others, and is nothing but a text.
var plainFlow = regexp.MustCompile(`^([a-z][-_|./a-z0-9]*|HTTPRoute/[-./a-z0-9]*|[0-9]+(ms|s|m|h)|/[-./a-z0-9]*)$`)

func inFlow(v any) (string, error) {
	switch v := v.(type) {
	case yaml.MapSlice:
		return flow(v)
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			var err error
			if parts[i], err = inFlow(v[i]); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	case string:
		if plainFlow.MatchString(v) && !booleans[v] {
			return v, nil
		}
	}
	return inJSON(v)
}

// list returns texts on one line.
func list(texts []string) (string, error) {
	all := make([]any, len(texts))
	for i := range texts {
		all[i] = texts[i]
	}
	return inFlow(all)
}

// labels returns labels on one line.
func labels(all map[string]string) (string, error) {
	var m yaml.MapSlice
	for _, key := range slices.Sorted(maps.Keys(all)) {
		m = append(m, yaml.MapItem{Key: key, Value: all[key]})
	}
	return flow(m)
}

// booleans are texts that readers of YAML 1.1 take for something else.
var booleans = map[string]bool{"y": true, "n": true, "yes": true, "no": true, "on": true, "off": true, "true": true, "false": true, "null": true}

// indent puts n spaces before each line.
func indent(n int, text string) string {
	space := strings.Repeat(" ", n)
	return space + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+space)
}
