package config

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"

	"cloakroom/internal/golden"
)

// TestReferenceConfiguration holds docs/reference.md's table against the configuration's
// schema, which is made from the same table that reads configurations.
func TestReferenceConfiguration(t *testing.T) {
	golden.Section(t, "../../docs/reference.md", "configuration", table(t))
}

func table(t *testing.T) string {
	b, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := json.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	out := "| field | default | meaning |\n|---|---|---|\n"
	for _, row := range root.rows("") {
		out += row
	}
	return out
}

// node is what of a JSON schema the table shows.
type node struct {
	Description string          `json:"description"`
	Default     any             `json:"default"`
	Enum        []any           `json:"enum"`
	Properties  map[string]node `json:"properties"`
}

func (n node) rows(path string) []string {
	names := make([]string, 0, len(n.Properties))
	for name := range n.Properties {
		names = append(names, name)
	}
	sort.Strings(names)
	var rows []string
	for _, name := range names {
		child := n.Properties[name]
		if len(child.Properties) > 0 && child.Default == nil {
			rows = append(rows, child.rows(join(path, name))...)
			continue
		}
		value, doc := "", child.Description
		if child.Default != nil {
			b, _ := json.Marshal(child.Default)
			value = "`" + string(b) + "`"
		}
		if child.Enum != nil {
			words := make([]string, len(child.Enum))
			for i, word := range child.Enum {
				words[i] = fmt.Sprintf("`%v`", word)
			}
			doc = strings.Join(words, ", ") + ": " + doc
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", join(path, name), value, strings.ReplaceAll(doc, "|", "\\|")))
		rows = append(rows, child.rows(join(path, name))...)
	}
	return rows
}
