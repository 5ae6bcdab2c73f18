// Command plugin is the filter as a proxy-wasm module: it hands the host's events to a
// worker.Worker and carries out what that returns. Nothing is decided here.
//
// Build it with GOOS=wasip1 GOARCH=wasm -buildmode=c-shared; everything is
// registered in init, and main does not run.
package main

import (
	"os"
	"runtime/debug"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"
)

func main() {}

// gcPercent bounds what the heap grows by before it is collected: remembered
// sessions live long, and every worker has a heap of its own.
const gcPercent = 50

func init() {
	if _, given := os.LookupEnv("GOGC"); !given {
		debug.SetGCPercent(gcPercent)
	}
	upstreamgo.SetVMContext(&vmContext{})
}

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(id uint32) types.PluginContext { return &pluginContext{id: id} }
