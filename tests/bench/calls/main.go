// Command calls is a plugin that makes the filter's host calls for a cached session, except the
// one for the time, and decides nothing: it measures the cost of the filter if its own code were
// free.
package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"
)

func main() {}

func init() { upstreamgo.SetVMContext(&vmContext{}) }

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(uint32) types.PluginContext { return &pluginContext{} }

// pluginContext holds the buffers that its streams use for the host's results.
type pluginContext struct {
	types.DefaultPluginContext
	metadata, text []byte
	headers        [][2]string
	spare          httpContext
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	p.spare.pluginContext = p
	return &p.spare
}

type httpContext struct {
	types.DefaultHttpContext
	*pluginContext
}

// session is the header that the filter sends upstream for the bench's session.
const session = `{"cart":[1,2,3],"theme":"dark"}`

func (c *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	_, _ = upstreamgo.Property("xds\x00route_metadata", &c.metadata)
	c.headers, _ = upstreamgo.Pairs(upstreamgo.RequestHeaders, c.headers[:0], &c.text)
	_ = upstreamgo.ReplaceHeader(upstreamgo.RequestHeaders, "x-user-id", "1")
	_ = upstreamgo.ReplaceHeader(upstreamgo.RequestHeaders, "x-session", session)
	return types.ActionContinue
}

func (c *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	c.headers, _ = upstreamgo.Pairs(upstreamgo.ResponseHeaders, c.headers[:0], &c.text)
	_ = upstreamgo.ReplaceHeader(upstreamgo.ResponseHeaders, "vary", "Cookie")
	return types.ActionContinue
}
