package hostsim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cloakroom/hostsim"
)

func TestProperties(t *testing.T) {
	h := newProbe(t, func(c *hostsim.Config) {
		p := &c.Plugins[0]
		p.Name, p.RootID, p.VMID = "pname", "rid", "vid"
		c.Routes = []hostsim.Route{
			{Name: "main", Prefix: "/", Cluster: "app", Metadata: map[string]map[string]any{
				"ns": {"s": "text", "n": 3, "b": true},
				"l":  {"l": []any{1, "a"}, "m": map[string]any{"k": "v"}},
				"z":  {"nul": nil},
			}},
		}
	})
	send(h, "POST", "/p?q=1", "abc", "referer: r", "user-agent: t",
		"probe-request-headers: prop xds/route_name; prop xds/cluster_name; "+
			"hexprop xds/route_metadata/filter_metadata/ns; hexprop xds/route_metadata/filter_metadata/l;"+
			"prop xds/route_metadata/filter_metadata/ns/s; hexprop xds/route_metadata/filter_metadata/ns/n;"+
			"hexprop xds/route_metadata/filter_metadata/ns/b; prop xds/route_metadata/filter_metadata/none; prop xds/route_metadata/filter_metadata/z;"+
			"prop request/path; prop request/url_path; prop request/query; prop request/method; prop request/host;"+
			"prop request/scheme; prop request/protocol; hexprop request/size; prop request/headers/referer;"+
			"prop request/none; prop source/address; hexprop source/port; hexprop connection/mtls;"+
			"prop plugin_name; prop plugin_root_id; prop plugin_vm_id; prop none",
		"probe-response-headers: prop request/path; prop request/protocol; hexprop response/code",
		"probe-done: prop request/path; prop response/code_details")
	wantTranscript(t, h,
		`request-headers: prop xds/route_name -> "main"`,
		`request-headers: prop xds/cluster_name -> "app"`,
		"request-headers: hexprop xds/route_metadata/filter_metadata/ns -> "+
			"03000000"+"01000000"+"01000000"+"01000000"+"08000000"+"01000000"+"04000000"+
			"6200"+"0100"+"6e00"+"000000000000084000"+"7300"+"7465787400",
		"request-headers: hexprop xds/route_metadata/filter_metadata/l -> "+
			"02000000"+"01000000"+"21000000"+"01000000"+"10000000"+
			"6c00"+"0200000008000000000000000100000000000000"+"000000000000f03f00"+"00"+"6100"+"00"+"00"+
			"6d00"+"010000000100000001000000"+"6b00"+"7600"+"00",
		`request-headers: prop xds/route_metadata/filter_metadata/ns/s -> "text"`,
		"request-headers: hexprop xds/route_metadata/filter_metadata/ns/n -> 0000000000000840",
		"request-headers: hexprop xds/route_metadata/filter_metadata/ns/b -> 01",
		"request-headers: prop xds/route_metadata/filter_metadata/none -> "+notFound,
		"request-headers: prop xds/route_metadata/filter_metadata/z -> ERROR unknown status code: 3", // null cannot be serialized
		`request-headers: prop request/path -> "/p?q=1"`,
		`request-headers: prop request/url_path -> "/p"`,
		`request-headers: prop request/query -> "q=1"`,
		`request-headers: prop request/method -> "POST"`,
		`request-headers: prop request/host -> "example.com"`,
		`request-headers: prop request/scheme -> "http"`,
		`request-headers: prop request/protocol -> "HTTP/1.1"`,
		"request-headers: hexprop request/size -> 0300000000000000",
		`request-headers: prop request/headers/referer -> "r"`,
		"request-headers: prop request/none -> "+notFound,
		`request-headers: prop source/address -> "192.0.2.1:1234"`,
		"request-headers: hexprop source/port -> d204000000000000",
		"request-headers: hexprop connection/mtls -> 00",
		`request-headers: prop plugin_name -> "pname"`,
		`request-headers: prop plugin_root_id -> "rid"`,
		`request-headers: prop plugin_vm_id -> "vid"`,
		"request-headers: prop none -> "+notFound,
		"response-headers: prop request/path -> "+notFound,
		`response-headers: prop request/protocol -> "HTTP/1.1"`,
		"response-headers: hexprop response/code -> c800000000000000",
		`done: prop request/path -> "/p?q=1"`,
		`done: prop response/code_details -> "via_upstream"`,
	)
}

func TestRouteMetadataBytes(t *testing.T) {
	h := newProbe(t, func(c *hostsim.Config) {
		c.Routes = []hostsim.Route{{Name: "small", Path: "/small", Cluster: "app",
			Metadata: map[string]map[string]any{"ns": {"s": "text"}}}, {Prefix: "/", Cluster: "app"}}
	})
	script := "probe-request-headers: prop xds/route_name; hexprop xds/route_metadata"
	send(h, "GET", "/small?q", "", script)
	send(h, "GET", "/smaller", "", script)
	wantTranscript(t, h,
		`request-headers: prop xds/route_name -> "small"`,
		// Metadata{1: {1: "ns", 2: Struct{1: {1: "s", 2: Value{3: "text"}}}}}
		"request-headers: hexprop xds/route_metadata -> 0a13"+"0a026e73"+"120d"+"0a0b"+"0a0173"+"1206"+"1a0474657874",
		`request-headers: prop xds/route_name -> ""`,
		"request-headers: hexprop xds/route_metadata")
}

func TestFilterState(t *testing.T) {
	stepTest{
		name: "a path of one part can be read back in later callbacks",
		header: []string{"probe-request-headers: setprop mine v1; prop mine; setprop a/b v; prop a/b",
			"probe-response-headers: prop mine"},
		log: []string{
			"request-headers: setprop mine v1",
			`request-headers: prop mine -> "v1"`,
			"request-headers: setprop a/b v",
			"request-headers: prop a/b -> " + notFound,
			`response-headers: prop mine -> "v1"`,
		},
	}.run(t)
}

// TestAccessLog holds what the access log has of streams: their filter state too, each its own.
func TestAccessLog(t *testing.T) {
	var entries []hostsim.AccessEntry
	h := newProbe(t, func(c *hostsim.Config) {
		c.AccessLog = func(e hostsim.AccessEntry) { entries = append(entries, e) }
	})
	send(h, "GET", "/a", "", "x-a: 1", "probe-request-headers: setprop mine v1; set req x-b 2")
	send(h, "GET", "/b", "", "probe-request-headers: reply 403 -1 x-a=1 denied")
	send(h, "GET", "/reset", "")
	type short struct {
		path, b string
		status  int
		details string
		state   string
	}
	want := []short{
		{"/a", "[2]", 200, "via_upstream", "map[wasm.mine:v1]"},
		{"/b", "[]", 403, "", "map[]"}, // it names none
		{"/reset", "[]", 503, "upstream_reset_before_response_started{connection_termination}", "map[]"},
	}
	var got []short
	for _, e := range entries {
		got = append(got, short{strings.Join(e.Request[":path"], ","), fmt.Sprint(e.Request["x-b"]), e.Status, e.Details, fmt.Sprint(e.FilterState)})
	}
	if !slices.Equal(got, want) {
		t.Errorf("the access log is\n%+v, want\n%+v", got, want)
	}
}
