package document

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// booleans11 are the plain scalars of YAML 1.1 that Envoy reads as booleans and YAML 1.2 as
// strings, each in lower case; Envoy accepts Yes and YES, too.
var booleans11 = map[string]string{"y": "true", "yes": "true", "on": "true", "n": "false", "no": "false", "off": "false"}

// AsEnvoyReads returns YAML text in which the booleans of Envoy's parser are written as true and
// false.
func AsEnvoyReads(text []byte) []byte {
	tokens := lexer.Tokenize(string(text))
	lines := strings.SplitAfter(string(text), "\n")
	for i, t := range slices.Backward(tokens) { // from the end, so that earlier offsets stay valid
		boolean, ok := booleans11[strings.ToLower(t.Value)]
		plain := t.Type == token.StringType
		isKey := i+1 < len(tokens) && tokens[i+1].Type == token.MappingValueType
		if !ok || !plain || isKey || t.Value[1:] != strings.ToLower(t.Value[1:]) && t.Value != strings.ToUpper(t.Value) || t.Position.Line > len(lines) {
			continue
		}
		line := &lines[t.Position.Line-1]
		characters := []rune(*line)
		at := t.Position.Column - 1
		if end := at + len(t.Value); at >= 0 && end <= len(characters) && string(characters[at:end]) == t.Value {
			*line = string(characters[:at]) + boolean + string(characters[end:])
		}
	}
	return []byte(strings.Join(lines, ""))
}
