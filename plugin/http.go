package main

import (
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"

	"cloakroom/filter"
	"cloakroom/filter/worker"
)

// httpContext is one stream.
type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
	stream worker.Stream
}

// maxSpare bounds how many contexts of ended streams are kept for reuse.
const maxSpare = 256

func (c *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	p := c.plugin
	p.at = upstreamgo.Now()
	route := p.route()
	return p.perform(p.worker.Request(&c.stream, p.pairs(upstreamgo.RequestHeaders), route, p.at), &c.stream, worker.Request)
}

func (c *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	if c.stream.SkipsResponse() {
		return types.ActionContinue
	}
	p := c.plugin
	if c.stream.NeedsTime() {
		p.at = upstreamgo.Now()
	}
	return p.perform(p.worker.Response(&c.stream, p.pairs(upstreamgo.ResponseHeaders), p.at), &c.stream, worker.Response)
}

func (c *httpContext) OnHttpRequestTrailers(int) types.Action {
	p := c.plugin
	return p.trailers(upstreamgo.RequestTrailers, p.worker.RequestTrailers(p.pairs(upstreamgo.RequestTrailers)))
}

func (c *httpContext) OnHttpResponseTrailers(int) types.Action {
	p := c.plugin
	return p.trailers(upstreamgo.ResponseTrailers, p.worker.ResponseTrailers(p.pairs(upstreamgo.ResponseTrailers)))
}

func (c *httpContext) OnHttpStreamDone() {
	p := c.plugin
	if c.stream.Unanswered() {
		p.unanswered(&c.stream)
	}
	p.worker.StreamDone(&c.stream)
	if len(p.spare) < maxSpare {
		p.spare = append(p.spare, c)
	}
}

// unanswered handles the end of a stream without a response that the filter has seen.
func (p *pluginContext) unanswered(s *worker.Stream) {
	details, err := upstreamgo.Property("response\x00code_details", &p.nameBytes)
	if err != nil || string(details) != filter.InternalRedirect {
		return
	}
	p.at = upstreamgo.Now()
	to, _ := upstreamgo.Property("xds\x00route_name", &p.nameBytes) // Envoy may have chosen another route
	p.perform(p.worker.Redirected(s, string(to), p.at), nil, 0)
}

// pairs returns the fields of a header map, valid until its next call, or nil if the host returns
// none.
func (p *pluginContext) pairs(m upstreamgo.HeaderMap) [][2]string {
	var err error
	if p.headers, err = upstreamgo.Pairs(m, p.headers[:0], &p.headerBytes); err != nil {
		return nil
	}
	return p.headers
}

// route returns the configuration of the route that Envoy selected for the current stream, or nil
// if it is invalid.
func (p *pluginContext) route() *route {
	var name, metadata []byte
	if p.worker.ByName() {
		name, _ = upstreamgo.Property("xds\x00route_name", &p.nameBytes)
	}
	if p.worker.ByMetadata() {
		metadata, _ = upstreamgo.Property("xds\x00route_metadata", &p.metadataBytes)
	}
	route, err := p.worker.Route(unsafe.String(unsafe.SliceData(name), len(name)), metadata)
	if err != nil {
		p.logError(err)
	}
	return route
}
