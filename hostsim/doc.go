// Package hostsim is a proxy-wasm host for tests. It runs plugins that were compiled to
// WebAssembly for the proxy-wasm ABI 0.2 on wazero, and behaves like Envoy also where
// emulators are usually more lenient. A Host is an http.Handler: a small reverse proxy whose
// requests and responses pass through the plugins.
//
//	h, err := hostsim.New(ctx, hostsim.Config{
//		Plugins:  []hostsim.Plugin{{Wasm: wasm, Configuration: []byte(`{"mode": "required"}`)}},
//		Routes:   []hostsim.Route{{Name: "main", Prefix: "/", Cluster: "app"}},
//		Clusters: map[string]hostsim.Cluster{"app": hostsim.Handler(app)},
//	})
//
// # As in Envoy
//
//   - A guest can use a header map only in the map's own callback, and afterwards while the
//     stream stays paused there. In proxy_on_log it can read all maps.
//   - A pause at the headers pauses all that follows. A pause at a body keeps the bytes, up to
//     a limit: beyond it a request is answered with 413, a response with 500.
//   - A local reply takes effect when the guest has returned, and passes the filters' own
//     response callbacks. If response headers exist that have not been sent, it goes directly
//     to the client; if they have been sent, the stream is reset. A gRPC client gets a gRPC
//     response.
//   - A callout belongs to the root context. A timeout is a response with status 504, a failed
//     connection one with status 503. A response that is cut off after its headers, or is
//     larger than 32 MiB, has no headers at all.
//   - A module is initialized in a base VM, and a plugin is tried in a canary, before the
//     workers start. Plugins with the same module, VM id and VM configuration share VMs.
//   - Requests pass a chain of plugins in the order of http_filters, responses in the reverse
//     order. A plugin that a request has not reached does not see its response.
//   - A trap ends the VM, and its streams get 503 at their next callback. New streams get 503
//     at once (FailClosed), pass without the plugin (FailOpen), or get a new VM once the old
//     one is at least one second old (FailReload). A stream that is paused when its VM fails
//     waits until its client disconnects.
//   - gRPC callouts, calls and streams, use HTTP/2 without TLS. Their statuses are in Envoy's
//     words.
//   - proc_exit returns to the guest.
//   - A request that a plugin changes is routed again. Until it is forwarded, properties are
//     those of the route before the change.
//   - Inline headers have one entry, to which further values are appended after a comma; host
//     is :authority.
//
// CASES.md lists each case that was compared with Envoy 1.40.0 and 1.36.2.
//
// # For tests
//
// A VirtualClock controls the time of guests, ticks and timeouts. Faults make callouts, host
// calls, allocations and VMs fail where a test needs it. A Transcript records all calls into
// guests and out of them, for golden files. Config.Balance selects the worker of a request.
//
// A guest cannot harm the host: a fuzzer makes all host calls with arguments of all kinds,
// memory is bounded, and Config.CallLimit ends a guest that does not return.
//
// # Differences
//
//   - Headers from the network are in alphabetical order, because net/http does not keep their
//     order; the chunks of a body differ.
//   - What a guest writes to standard error in pieces is logged by the line.
//   - A local reply in proxy_on_log is ignored. Envoy 1.40.0 runs proxy_on_log for it again,
//     until the stack overflows.
//   - With Config.OldWASI poll_oneoff does not fail, as it does in the older Envoys.
//
// # Not implemented
//
// TCP filters, whose callbacks never run; the foreign functions expr_create, expr_evaluate,
// expr_delete and declare_property (NotFound); the properties node and xds.node; metadata of
// listeners, clusters and virtual hosts (empty); retries and idle timeouts; HTTP/2 to
// upstreams; WebSockets over HTTP/2; ABI 0.1.0; allow_on_headers_stop_iteration; the random
// part of a reload's backoff.
package hostsim
