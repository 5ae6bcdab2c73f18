// Package upstreamgo lets github.com/tetratelabs/proxy-wasm-go-sdk, which is written for TinyGo, run when a plugin is
// compiled by the upstream Go toolchain:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
//
// Importing the package is all that is needed. It exports the callbacks of the proxy-wasm ABI 0.2 that the SDK knows,
// hands them to the SDK, and carries the SDK's host calls to the host. The plugin calls proxywasm.SetVMContext in an
// init function and leaves main empty, because the host calls _initialize and never main.
//
// Beside that, it offers what the SDK lacks: callouts that outlive the stream which asked for them
// ([DispatchHTTPCall]), the closing of an HTTP stream ([CloseStream]), and a shorter way for each stream ([SetVMContext],
// [Pairs], [Property], [ReplaceHeader] and its like, [CalloutBody]).
//
// # Plugins of headers
//
// The host calls whatever is exported, and each call costs. With the build tag upstreamgo.headersonly the callbacks for
// bodies, TCP and OnPluginDone are not exported, and OnHttpStreamDone runs when the stream's context is deleted
// and not before, in a callback of its own.
//
// # The import path
//
// The package stands in this repository, yet its path lies below the SDK's. Go's rule for internal packages goes by
// import path, and the SDK's seam for other hosts, ProxyWasmHost, lies in proxywasm/internal. The root module names the
// directory by a replace directive.
//
// # Rules for plugins
//
// A callback must end with all of its goroutines ended, and must not sleep: the module has one thread, which the host
// lends it for the time of the call. Nor may it yield (runtime.Gosched): the runtime's scavenger would have its turn and
// set a timer, and the next garbage collection ask the host's poll_oneoff for it, which ends the VM where the host has none
// (Envoy 1.36; golang/go#78513). A plugin that makes much garbage on a crowded machine may have to, though: see collect in
// this repository's plugin. On any other GOOS the package compiles, exports nothing and registers no host, so that
// plugins can be vetted and tested natively.
package upstreamgo
