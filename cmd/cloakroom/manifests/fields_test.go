package manifests_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"cloakroom/cmd/cloakroom/manifests"
)

// TestFieldsAreDocumented holds docs/reference.md against the description's fields.
func TestFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Description of a site\n")
	section, _, _ = strings.Cut(section, "\n## ")
	fields := fieldsOf("", reflect.TypeFor[manifests.Description]())
	if !ok || len(fields) < 35 {
		t.Fatalf("got the fields %q", fields)
	}
	for _, field := range fields {
		if !strings.Contains(section, "`"+field+"`") {
			t.Errorf("docs/reference.md does not name %s", field)
		}
	}
}

// fieldsOf returns the paths of a type's fields that hold no others.
func fieldsOf(path string, of reflect.Type) (all []string) {
	switch {
	case of.Kind() == reflect.Pointer:
		return fieldsOf(path, of.Elem())
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Pointer:
		return fieldsOf(path+"[]", of.Elem())
	case of.Kind() != reflect.Struct || of == reflect.TypeFor[yaml.MapSlice]():
		return []string{path}
	}
	for i := range of.NumField() {
		if name := of.Field(i).Tag.Get("yaml"); name != "" {
			all = append(all, fieldsOf(strings.TrimPrefix(path+"."+name, "."), of.Field(i).Type)...)
		}
	}
	return all
}
