package testenv

import (
	"regexp"
	"strconv"
	"strings"
)

var portValue = regexp.MustCompile(`\bport_value"?: *[0-9]+`)

// ReplacePorts returns a bootstrap with its ports replaced; those that ports does not name stay.
// It may be YAML or JSON.
func ReplacePorts(bootstrap string, ports map[int]int) string {
	return portValue.ReplaceAllStringFunc(bootstrap, func(text string) string {
		name, number, _ := strings.Cut(text, ":")
		old, err := strconv.Atoi(strings.TrimSpace(number))
		if port, ok := ports[old]; ok && err == nil {
			return name + ": " + strconv.Itoa(port)
		}
		return text
	})
}
