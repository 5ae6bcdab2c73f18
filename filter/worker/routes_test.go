package worker

import (
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

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

// planeMetadata returns a route's metadata as Istio writes it.
func planeMetadata(namespace string) []byte {
	b, err := proto.Marshal(&structpb.Struct{Fields: map[string]*structpb.Value{"config": structpb.NewStringValue("/apis/networking.istio.io/v1/namespaces/" + namespace + "/virtual-service/web")}})
	if err != nil {
		panic(err)
	}
	entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "istio")
	entry = protowire.AppendBytes(protowire.AppendTag(entry, 2, protowire.BytesType), b)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), entry)
}

func newTestRoutes(t testing.TB, fields string) *routes {
	t.Helper()
	c, err := config.Parse(`{"engine":{"service":{"cluster":"sessions"}}`+fields+`}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	return newRoutes(c)
}

// TestRoutesAreBounded has a control plane change a route's metadata, and the names of routes, over
// and over.
func TestRoutesAreBounded(t *testing.T) {
	check := func(r *routes) {
		n := 0
		for _, byMetadata := range r.cached {
			n += len(byMetadata)
		}
		if n != r.n || n > maxRoutes || r.bytes > maxRouteBytes {
			t.Fatalf("%d routes are cached of %d bytes, and %d are counted", n, r.bytes, r.n)
		}
	}
	routes := newTestRoutes(t, "")
	for i := range 2 * maxRoutes {
		if _, err := routes.lookup("a", modeMetadata("login", strconv.Itoa(i))); i == 0 && err == nil {
			t.Fatal("a login of the wrong kind is accepted")
		}
		if i%1024 == 0 {
			check(routes)
		}
	}
	routes = newTestRoutes(t, `,"routes":{"r*":{"mode":"off"}}`)
	for i := range 2 * maxRoutes {
		if route, err := routes.lookup("r"+strconv.Itoa(i), nil); err != nil || route.Mode != config.ModeOff {
			t.Fatal(route, err)
		}
		if i%1024 == 0 {
			check(routes)
		}
	}
	long := strings.Repeat("r", 1<<20)
	for i := range 3 * maxRouteBytes >> 20 {
		if route, err := routes.lookup(long+strconv.Itoa(i), nil); err != nil || route.Mode != config.ModeOff {
			t.Fatal(route, err)
		}
		check(routes)
	}
	if route, err := routes.lookup(strings.Repeat("r", maxRouteBytes+1), nil); err != nil || route.Mode != config.ModeOff {
		t.Fatal(route, err)
	}
	check(routes)
}

// TestNamesAreComparedOnce holds that 10,000 names stay cached, and that a cached one takes neither a
// comparison nor memory.
func TestNamesAreComparedOnce(t *testing.T) {
	routes := newTestRoutes(t, `,"routes":{"httproute/*/x":{"mode":"off"},"httproute/shop/*":{"mode":"optional"}}`)
	name := func(i int) string { return "httproute/shop/r" + strconv.Itoa(i) + "/rule/0/match/0/a_test" }
	for i := range 10_000 {
		if route, err := routes.lookup(name(i), nil); err != nil || route.Mode != config.Optional {
			t.Fatal(route, err)
		}
	}
	if routes.n != 10_000 {
		t.Errorf("%d of 10,000 names are cached", routes.n)
	}
	first := name(0)
	if n := testing.AllocsPerRun(100, func() { _, _ = routes.lookup(first, nil) }); n != 0 || routes.n != 10_000 {
		t.Errorf("a cached name takes %v allocations, and %d names are cached", n, routes.n)
	}
}

// TestKeyOfTwoNamespaces holds that the log names a key that is a plain name and holds for routes of
// two namespaces, once.
func TestKeyOfTwoNamespaces(t *testing.T) {
	routes := newTestRoutes(t, `,"routes":{"login":{"mode":"optional"}}`)
	var warnings []string
	for _, namespace := range []string{"shop", "shop", "evil", "shop", "third"} {
		route, err := routes.lookup("login", planeMetadata(namespace))
		if route == nil || route.Mode != config.Optional {
			t.Fatalf("%s: %v", namespace, route)
		}
		if err != nil {
			warnings = append(warnings, err.Error())
		}
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], `routes.login holds for routes of the namespaces "shop" and "evil"`) {
		t.Errorf("the warnings are %q", warnings)
	}
	routes = newTestRoutes(t, `,"route_names":"namespaced","routes":{"shop/web/login":{"mode":"optional"}}`)
	for namespace, want := range map[string]config.Mode{"shop": config.Optional, "evil": config.Required} {
		if route, err := routes.lookup("login", planeMetadata(namespace)); err != nil || route.Mode != want {
			t.Errorf("%s: %v, %v", namespace, route, err)
		}
	}
	if route, err := routes.lookup("shop/web/login", nil); err != nil || route.Mode != config.Required {
		t.Errorf("without metadata: %v, %v", route, err)
	}
}

// BenchmarkRoute is what a request costs whose route was seen before.
func BenchmarkRoute(b *testing.B) {
	const name = "httproute/shop/web/rule/0/match/0/a_test"
	for _, of := range []struct{ name, fields, route string }{
		{"name", `,"route_metadata":false,"routes":{"` + name + `":{}}`, name},
		{"metadata", ``, ""},
		{"both", `,"routes":{"` + name + `":{}}`, name},
		{"glob", `,"route_metadata":false,"routes":{"httproute/shop/*":{}}`, name},
		{"namespaced", `,"route_names":"namespaced","routes":{"shop/*":{}}`, name},
	} {
		r, metadata := newTestRoutes(b, of.fields), planeMetadata("shop")
		if !r.config.ByMetadata() {
			metadata = nil
		}
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.lookup(of.route, metadata); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
