// What is added to plugin's files to have a request with the header x-trap end the VM.

package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"
)

func init() { upstreamgo.SetVMContext(&trapVM{}) }

type trapVM struct{ vmContext }

func (*trapVM) NewPluginContext(id uint32) types.PluginContext {
	return &trapPlugin{pluginContext{id: id}}
}

type trapPlugin struct{ pluginContext }

func (p *trapPlugin) NewHttpContext(id uint32) types.HttpContext {
	return &trapStream{p.pluginContext.NewHttpContext(id).(*httpContext)}
}

type trapStream struct{ *httpContext }

func (s *trapStream) OnHttpRequestHeaders(n int, end bool) types.Action {
	if value, err := proxywasm.GetHttpRequestHeader("x-trap"); err == nil && value != "" {
		panic("x-trap")
	}
	return s.httpContext.OnHttpRequestHeaders(n, end)
}
