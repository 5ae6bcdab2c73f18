package main

import (
	"os"
	"time"
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"

	"cloakroom/filter"
)

// pluginContext is one configuration of the filter on one worker.
type pluginContext struct {
	types.DefaultPluginContext
	id       uint32
	routes   *filter.Routes
	counters counters
	// at is when the callback at hand, or one shortly before it, began.
	at    time.Time
	spare []*httpContext // of streams that are gone
	// headers is where a callback's header pairs go, and headerBytes where their text.
	headers     [][2]string
	headerBytes []byte
	// bodyBytes is where an answer's body goes.
	bodyBytes []byte
	// nameBytes and metadataBytes are where the route's go.
	nameBytes, metadataBytes []byte
	warnings                 limiter
	// followers by the cluster of the session service.
	followers map[string]*follower
	// lastRoute and lastFollower are those of the request before: most have one route.
	lastRoute    *filter.Route
	lastFollower *follower
	outboxes     map[filter.Destination]*outbox
	// lastTo and lastOutbox are those of the callout before.
	lastTo     *filter.Destination
	lastOutbox *outbox
}

// OnPluginStart refuses a configuration that is not right in every field;
// Envoy then keeps the one it had, or does not start.
func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	text, err := proxywasm.GetPluginConfiguration()
	if err != nil && err != types.ErrorStatusNotFound {
		proxywasm.LogCriticalf("cloakroom: the plugin configuration cannot be read: %v", err)
		return types.OnPluginStartStatusFailed
	}
	config, err := filter.ParseConfig(string(text), os.LookupEnv)
	if err != nil {
		proxywasm.LogCriticalf("cloakroom: the plugin configuration is refused:\n%v", err)
		return types.OnPluginStartStatusFailed
	}
	p.routes = filter.NewRoutes(config)
	p.counters = newCounters()
	p.outboxes = map[filter.Destination]*outbox{}
	if err := p.follow(config); err != nil {
		proxywasm.LogCriticalf("cloakroom: no ticks can be had, without which nothing can be counted nor remembered: %v", err)
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) NewHttpContext(id uint32) types.HttpContext {
	if n := len(p.spare); n > 0 {
		c := p.spare[n-1]
		p.spare = p.spare[:n-1]
		c.plugin, c.id = p, id
		return c
	}
	return &httpContext{plugin: p, id: id}
}

// route gives the configuration of the route that Envoy chose for the stream
// at hand; nil if it is in error.
func (p *pluginContext) route() *filter.Route {
	var name, metadata []byte
	if p.routes.ByName() {
		name, _ = upstreamgo.Property("xds\x00route_name", &p.nameBytes)
	}
	if p.routes.ByMetadata() {
		metadata, _ = upstreamgo.Property("xds\x00route_metadata", &p.metadataBytes)
	}
	route, err := p.routes.Lookup(unsafe.String(unsafe.SliceData(name), len(name)), metadata)
	if err != nil {
		proxywasm.LogErrorf("cloakroom: %v", err)
	}
	return route
}

// warn logs a warning; a storm of them becomes one a second.
func (p *pluginContext) warn(message string) {
	if message == "" {
		return
	}
	if suppressed, ok := p.warnings.pass(p.at); ok {
		proxywasm.LogWarnf("cloakroom: %s (%d more warnings were left out before this)", message, suppressed)
	}
}

// limiter lets one event a second pass and counts the others.
type limiter struct {
	next       time.Time
	suppressed int
}

func (l *limiter) pass(now time.Time) (suppressed int, ok bool) {
	if wait := l.next.Sub(now); wait > 0 && wait <= time.Second { // longer is a clock that was set back
		l.suppressed++
		return 0, false
	}
	suppressed = l.suppressed
	l.next, l.suppressed = now.Add(time.Second), 0
	return suppressed, true
}
