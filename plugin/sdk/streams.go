package upstreamgo

import (
	"slices"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/internal"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

// SetVMContext is proxywasm.SetVMContext, but keeps the plugin's HTTP streams in this package and
// not in the SDK, which looks up its maps a dozen times for each stream. The plugin's HTTP
// contexts must dispatch callouts by [DispatchHTTPCall]: the SDK cannot, as it lacks these
// contexts.
func SetVMContext(c types.VMContext) { proxywasm.SetVMContext(vmContext{c}) }

// vmContext records the plugin contexts that are created.
type vmContext struct{ types.VMContext }

func (c vmContext) NewPluginContext(id uint32) types.PluginContext {
	p := c.VMContext.NewPluginContext(id)
	plugins = append(plugins, plugin{id, p})
	return p
}

// plugin is a plugin context.
type plugin struct {
	id      uint32
	context types.PluginContext
}

// plugins are those of SetVMContext; a VM has one or a few.
var plugins []plugin

// removePlugin removes a plugin context, if it is one of SetVMContext.
func removePlugin(id uint32) {
	plugins = slices.DeleteFunc(plugins, func(p plugin) bool { return p.id == id })
}

var streams streamTable

// createStream creates and keeps the HTTP context of a plugin of SetVMContext. It returns false if
// it is no such plugin, or one of TCP.
func createStream(id, parent uint32) bool {
	for i := range plugins {
		if plugins[i].id != parent {
			continue
		}
		if streams.get(id) != nil {
			panic("context id duplicated")
		}
		c := plugins[i].context.NewHttpContext(id)
		if c != nil {
			streams.put(id, c)
		}
		return c != nil
	}
	return false
}

// httpContext returns an HTTP context.
func httpContext(id uint32) types.HttpContext {
	if c := streams.get(id); c != nil {
		return c
	}
	return sdkContext(id)
}

// streamTable holds HTTP contexts by their ids. Hosts assign increasing ids: nearly always the
// slot of an id is free.
type streamTable struct {
	slots [256]struct {
		id      uint32
		context types.HttpContext // nil: free
	}
	more map[uint32]types.HttpContext // those whose slot is in use
}

func (t *streamTable) get(id uint32) types.HttpContext {
	if s := &t.slots[id%uint32(len(t.slots))]; s.id == id {
		return s.context
	}
	return t.more[id]
}

// put adds a context that is not in the table.
func (t *streamTable) put(id uint32, c types.HttpContext) {
	if s := &t.slots[id%uint32(len(t.slots))]; s.context == nil {
		s.id, s.context = id, c
		return
	}
	if t.more == nil {
		t.more = map[uint32]types.HttpContext{}
	}
	t.more[id] = c
}

// remove removes the context and reports whether it was in the table.
func (t *streamTable) remove(id uint32) bool {
	if s := &t.slots[id%uint32(len(t.slots))]; s.id == id {
		was := s.context != nil
		s.context = nil
		return was
	}
	_, was := t.more[id]
	delete(t.more, id)
	return was
}

// sdkContext is an HTTP context that the SDK keeps.
type sdkContext uint32

func (c sdkContext) OnHttpRequestHeaders(numHeaders int, endOfStream bool) types.Action {
	return internal.ProxyOnRequestHeaders(uint32(c), numHeaders, endOfStream)
}

func (c sdkContext) OnHttpRequestBody(bodySize int, endOfStream bool) types.Action {
	return internal.ProxyOnRequestBody(uint32(c), bodySize, endOfStream)
}

func (c sdkContext) OnHttpRequestTrailers(numTrailers int) types.Action {
	return internal.ProxyOnRequestTrailers(uint32(c), numTrailers)
}

func (c sdkContext) OnHttpResponseHeaders(numHeaders int, endOfStream bool) types.Action {
	return internal.ProxyOnResponseHeaders(uint32(c), numHeaders, endOfStream)
}

func (c sdkContext) OnHttpResponseBody(bodySize int, endOfStream bool) types.Action {
	return internal.ProxyOnResponseBody(uint32(c), bodySize, endOfStream)
}

func (c sdkContext) OnHttpResponseTrailers(numTrailers int) types.Action {
	return internal.ProxyOnResponseTrailers(uint32(c), numTrailers)
}

func (c sdkContext) OnHttpStreamDone() { internal.ProxyOnLog(uint32(c)) }
