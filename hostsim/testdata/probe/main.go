// Probe is a proxy-wasm plugin for tests of a host. Its configuration and the headers of each
// request contain a script for each callback; it logs the result of each host call.
//
// A request header "probe-<callback>: <op>; <op>; …" is the script of a stream's callback; a
// line "<callback>: <op>; …" of the configuration is one of the root context. See ops.go for
// the operations. For a chain of probes, a line "as: NAME" in the configuration makes a probe
// use the headers "NAME-probe-<callback>" and begin its log lines with the name.
package main

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	_ "github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"
)

func main() {}

func init() {
	proxywasm.SetVMContext(&vmContext{})
	if os.Getenv("PROBE_INIT") != "" { // a host call that is not allowed yet
		_ = proxywasm.SetTickPeriodMilliSeconds(1)
	}
}

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(id uint32) types.PluginContext {
	return &pluginContext{scripts: scripts{"plugin": strconv.Itoa(int(id))}}
}

// scripts are operations by callback.
type scripts map[string]string

// run performs the operations of a callback. It reports whether the callback pauses.
func (s scripts) run(callback string) (pause bool) {
	for _, op := range strings.Split(s[callback], ";") {
		op = strings.TrimSpace(op)
		switch op {
		case "":
		case "pause":
			pause = true
		default:
			s.log(strings.TrimSuffix(callback+": "+op+" -> "+do(strings.Fields(op), s), " -> "))
		}
	}
	return pause
}

func (s scripts) log(line string) { proxywasm.LogInfo(strings.TrimPrefix(s["as"]+" "+line, " ")) }

func (s scripts) action(callback string) types.Action {
	if s.run(callback) {
		return types.ActionPause
	}
	return types.ActionContinue
}

// body is action for a body callback. At the end of the stream a script for "<callback>-end"
// replaces that of the callback.
func (s scripts) body(callback string, size int, end bool) types.Action {
	if _, found := s[callback+"-end"]; found && end {
		callback += "-end"
	}
	note(s, callback, size, end)
	return s.action(callback)
}

type pluginContext struct {
	types.DefaultPluginContext
	scripts scripts
}

func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	if err != nil && !errors.Is(err, types.ErrorStatusNotFound) {
		return types.OnPluginStartStatusFailed
	}
	for line := range strings.Lines(string(configuration)) {
		if name, script, found := strings.Cut(line, ":"); found {
			p.scripts[strings.TrimSpace(name)] = strings.TrimSpace(script)
		}
	}
	if p.scripts.run("configure") { // here "pause" refuses the configuration
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

func (p *pluginContext) OnTick()             { p.scripts.run("tick") }
func (p *pluginContext) OnQueueReady(uint32) { p.scripts.run("queue") }
func (p *pluginContext) OnPluginDone() bool  { p.scripts.run("plugin-done"); return true }
func (p *pluginContext) NewHttpContext(id uint32) types.HttpContext {
	return &httpContext{scripts: scripts{"as": p.scripts["as"], "plugin": p.scripts["plugin"]}, id: id}
}

type httpContext struct {
	types.DefaultHttpContext
	scripts scripts
	id      uint32
}

func (c *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	headers, _ := proxywasm.GetHttpRequestHeaders()
	prefix := strings.TrimPrefix(c.scripts["as"]+"-probe-", "-")
	for _, h := range headers {
		if name, found := strings.CutPrefix(h[0], prefix); found {
			c.scripts[name] = h[1]
			_ = proxywasm.RemoveHttpRequestHeader(h[0])
		}
	}
	contextID = c.id
	c.scripts["own"] = strconv.Itoa(int(c.id))
	return c.scripts.action("request-headers")
}

func (c *httpContext) OnHttpRequestBody(size int, end bool) types.Action {
	return c.scripts.body("request-body", size, end)
}

func (c *httpContext) OnHttpRequestTrailers(int) types.Action {
	return c.scripts.action("request-trailers")
}

func (c *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	return c.scripts.action("response-headers")
}

func (c *httpContext) OnHttpResponseBody(size int, end bool) types.Action {
	return c.scripts.body("response-body", size, end)
}

func (c *httpContext) OnHttpResponseTrailers(int) types.Action {
	return c.scripts.action("response-trailers")
}

func (c *httpContext) OnHttpStreamDone() { c.scripts.run("done") }
