// Package hostsim is a proxy-wasm host for tests: it runs a plugin, compiled to
// WebAssembly for the proxy-wasm ABI 0.2, on wazero, and behaves like Envoy where
// emulators are usually kinder. A Host is an http.Handler: a small reverse proxy
// whose requests pass the plugin.
//
//	h, err := hostsim.New(ctx, hostsim.Config{
//		Plugins:  []hostsim.Plugin{{Wasm: wasm, Configuration: []byte(`{"mode": "required"}`)}},
//		Routes:   []hostsim.Route{{Name: "main", Prefix: "/", Cluster: "app"}},
//		Clusters: map[string]hostsim.Cluster{"app": hostsim.Handler(app)},
//	})
//
// # As in Envoy
//
//   - A header map can be used only in its own callback, and afterwards while the
//     stream stays paused there; in proxy_on_log all can be read.
//   - Pausing at the headers stops everything; pausing at a body keeps the bytes,
//     up to a limit (413 for a request, 500 for a response).
//   - A local reply takes effect when the guest has returned, and runs the filter's
//     own response callbacks; past response headers that have not been sent it goes
//     directly; after them the stream is reset. To gRPC it is a gRPC answer.
//   - A callout belongs to the root context. A time-out is an answer with status
//     504, a failed connection one with 503; an answer that breaks off after its
//     headers, or is over 32 MiB, arrives with no headers at all.
//   - The module is initialized in a base VM and tried out in a canary before the
//     workers start. Plugins of one module, VM id and VM configuration share VMs.
//   - A chain of plugins is passed as http_filters has it, responses the other way
//     round; a plugin that a request has not reached does not see its response.
//   - A trap ends the VM: its streams get 503 at their next callback. New ones get 503
//     at once (FailClosed), pass without the plugin (FailOpen), or get a new VM, once
//     the old one is a second old (FailReload). A stream that is paused when its VM
//     fails waits until its client goes.
//   - gRPC callouts, calls and streams, go over HTTP/2 without TLS; how they end is told
//     in Envoy's words.
//   - proc_exit returns to the guest.
//   - A changed request is routed anew; properties tell the route before the change
//     until the request goes on.
//   - Some headers have one entry only, to which further values are added after a
//     comma; host is another name of :authority.
//
// CASES.md lists what was seen in Envoy 1.40.0 and 1.36.2, case by case.
//
// # For tests
//
// A VirtualClock stops the time of guests, ticks and time-outs. Faults let callouts, host
// calls, allocations and VMs go wrong where a test wants it. A Transcript holds all calls
// into guests and out of them, for golden files. Config.Balance chooses the worker.
//
// What a guest does cannot harm the host: a fuzzer makes host calls of all sorts
// with arguments of all sorts, memory is bounded, and Config.CallLimit ends a guest
// that does not return.
//
// # Differences
//
//   - Headers that come from the network are in the order of their names, because
//     net/http does not keep that of the wire; a body comes in other chunks.
//   - What a guest writes to its standard error in pieces is logged by the line.
//   - A local reply sent in proxy_on_log is ignored. Envoy 1.40.0 runs proxy_on_log
//     for it again, until the stack overflows.
//   - With Config.OldWASI there are the 18 functions of the older hosts, but not
//     their poll_oneoff, which fails.
//
// # Left out
//
// TCP filters, whose callbacks never come; the foreign functions expr_create,
// expr_evaluate, expr_delete and declare_property (NotFound); the properties node and
// xds.node; metadata of listeners, clusters and virtual hosts (empty); retries and idle
// time-outs; HTTP/2 to upstreams; WebSockets over HTTP/2; ABI 0.1.0;
// allow_on_headers_stop_iteration; the random part of a reload's backoff.
package hostsim
