package worker

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cloakroom/filter/config"
)

// modeMetadata returns a route's metadata that sets one field of the filter's to a string: an
// envoy.config.core.v3.Metadata with a google.protobuf.Struct.
func modeMetadata(field, value string) []byte {
	entry := func(key string, message []byte) []byte {
		out := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), key)
		return protowire.AppendBytes(protowire.AppendTag(out, 2, protowire.BytesType), message)
	}
	first := func(message []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), message)
	}
	text := protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), value)
	return first(entry(config.Namespace, first(entry(field, text))))
}

// TestMetadataOnce sees that equal metadata returns the very same route, and that metadata in
// error returns its error once and no route ever.
func TestMetadataOnce(t *testing.T) {
	c, err := config.Parse(`{"engine":{"service":{"cluster":"sessions"}}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	routes := newRoutes(c)
	off := modeMetadata("mode", "off")
	first, err := routes.lookup("a", off)
	if err != nil || first.Mode != config.ModeOff {
		t.Fatalf("lookup = %+v, %v; want mode off", first, err)
	}
	if again, _ := routes.lookup("a", off); again != first {
		t.Error("the same metadata was decoded again")
	}
	bad := modeMetadata("mdoe", "off")
	if route, err := routes.lookup("a", bad); route != nil || err == nil {
		t.Errorf("lookup of an unknown field = %v, %v; want an error", route, err)
	}
	if route, err := routes.lookup("a", bad); route != nil || err != nil {
		t.Errorf("the second lookup = %v, %v; want nil, nil", route, err)
	}
}

// TestRoutesAreBounded has a control plane change a route's metadata over and over.
func TestRoutesAreBounded(t *testing.T) {
	c, err := config.Parse(`{"engine":{"service":{"cluster":"sessions"}}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	routes := newRoutes(c)
	for i := range 3 * maxRoutes {
		if _, err := routes.lookup("a", modeMetadata("login", string(rune('a'+i%26))+string(rune(0x100+i)))); i == 0 && err == nil {
			t.Fatal("a login of the wrong kind is accepted")
		}
		if n := len(routes.cached["a"]); n > maxRoutes || routes.size != n {
			t.Fatalf("%d routes are cached, and %d are counted", n, routes.size)
		}
	}
}
