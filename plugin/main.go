// Command plugin is the filter as a proxy-wasm module: it passes the host's events to a
// worker.Worker and carries out its output. It decides nothing.
//
// Build it with GOOS=wasip1 GOARCH=wasm -buildmode=c-shared; everything is registered in init, and
// main does not run.
package main

import (
	"os"
	"runtime/debug"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"
)

func main() {}

// gcPercent is how much the heap grows before a collection: cached sessions live long, and every
// worker has its own heap.
const gcPercent = 50

func init() {
	if _, given := os.LookupEnv("GOGC"); !given {
		debug.SetGCPercent(gcPercent)
	}
	upstreamgo.SetVMContext(&vmContext{})
}

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(id uint32) types.PluginContext { return &pluginContext{id: id} }
