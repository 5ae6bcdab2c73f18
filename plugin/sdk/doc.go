// Package upstreamgo lets github.com/tetratelabs/proxy-wasm-go-sdk, which is written for TinyGo, run when a plugin is
// compiled by the upstream Go toolchain:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
//
// Importing the package is all that is needed. It exports the callbacks of the proxy-wasm ABI 0.2 that the SDK supports,
// passes them to the SDK, and the SDK's host calls to the host. The plugin calls proxywasm.SetVMContext in an
// init function and leaves main empty, because the host calls _initialize and never main.
//
// It also offers what the SDK lacks: callouts that outlive the stream that sent them ([DispatchHTTPCall]), closing of an
// HTTP stream ([CloseStream]), and cheaper host calls for each stream ([SetVMContext], [Pairs], [Property],
// [ReplaceHeader] and the like, [CalloutBody]).
//
// # Plugins of headers only
//
// The host calls every exported callback, and each call costs. With the build tag upstreamgo.headersonly the callbacks for
// bodies, TCP and OnPluginDone are not exported, and OnHttpStreamDone runs when the stream's context is deleted,
// instead of earlier in a separate callback.
//
// # The import path
//
// The package is in this repository, but its import path is below the SDK's: Go restricts internal packages by import
// path, and the SDK's interface for other hosts, ProxyWasmHost, is in proxywasm/internal. A replace directive in the root
// module selects the directory.
//
// # Rules for plugins
//
// All goroutines of a callback must end before it returns, and it must not sleep: the module has one thread, the host's,
// for the duration of the call. Nor may it yield (runtime.Gosched): the runtime's scavenger would run and set a timer, and
// the next garbage collection would call the host's poll_oneoff for it, which makes the VM fail if the host lacks it
// (Envoy 1.36; golang/go#78513). A plugin that allocates much on an overloaded machine may have to, though: see [Collect].
// On any other GOOS the package compiles, exports nothing and registers no host, so that plugins can be vetted and tested
// natively.
package upstreamgo
