package main

import (
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"

	"cloakroom/filter"
)

// httpContext is one stream.
type httpContext struct {
	types.DefaultHttpContext
	plugin   *pluginContext
	follower *follower // nil where nothing is remembered
	id       uint32
	stream   filter.Stream
	side     *side // that waits for an answer; nil: none does
	gone     bool
	watched  bool // closed when its session ends
}

// maxSpare bounds what is kept of streams for those to come.
const maxSpare = 256

func (c *httpContext) OnHttpRequestHeaders(int, bool) types.Action {
	now, route := now(), c.plugin.route()
	c.plugin.at = now
	c.follower = c.plugin.follower(route)
	return c.perform(c.stream.Request(c.plugin.pairs(upstreamgo.RequestHeaders), route, c.follower.memory(now), now), &requestSide)
}

func (c *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	if c.stream.SkipsResponse() {
		return types.ActionContinue
	}
	var at time.Time
	if c.stream.NeedsTime() {
		at = now()
		c.plugin.at = at
	}
	return c.perform(c.stream.Response(c.plugin.pairs(upstreamgo.ResponseHeaders), at), &responseSide)
}

// pairs gives the headers at hand, until it is called again; none if the host
// has them not.
func (p *pluginContext) pairs(m upstreamgo.HeaderMap) filter.Headers {
	var err error
	if p.headers, err = upstreamgo.Pairs(m, p.headers[:0], &p.headerBytes); err != nil {
		return nil
	}
	return p.headers
}

func (c *httpContext) OnHttpStreamDone() {
	c.gone = true
	if c.watched {
		c.follower.lookups.Unwatch(c)
	}
	c.free()
}

// free has a stream that is gone serve another, unless somebody may still hold it.
func (c *httpContext) free() {
	if p := c.plugin; !c.watched && c.side == nil && len(p.spare) < maxSpare {
		c.follower, c.gone = nil, false
		c.stream.Reset()
		p.spare = append(p.spare, c)
	}
}

// side is the direction of a stream that an action is about.
type side struct {
	headers upstreamgo.HeaderMap
	resume  func() error
}

var (
	requestSide  = side{upstreamgo.RequestHeaders, proxywasm.ResumeHttpRequest}
	responseSide = side{upstreamgo.ResponseHeaders, proxywasm.ResumeHttpResponse}
)

// perform does what an action says, with the stream as the effective context.
func (c *httpContext) perform(a filter.Action, s *side) types.Action {
	for {
		c.plugin.counters.add(a.Outcome)
		c.plugin.warn(a.Warning)
		for _, callout := range a.Tell {
			c.plugin.tell(callout)
		}
		if c.follower != nil && a.Forget != "" {
			c.follower.lookups.Drop(a.Forget)
		}
		switch a.Verdict {
		case filter.Wait:
			if c.ask(a, s) {
				return types.ActionPause
			}
			// It could not be sent: that is the answer.
			a = c.stream.Reply(filter.Answer{}, c.plugin.at)
			continue
		case filter.Continue:
			if s.edit(a.Edits) == nil {
				c.watch(s)
				return types.ActionContinue
			}
			// Headers that could not be set must not pass for the right ones.
			a = filter.Action{}
		}
		c.reply(a.Reply)
		return types.ActionPause
	}
}

// watch has the stream end with its session, from when it is admitted.
func (c *httpContext) watch(s *side) {
	if s == &requestSide && c.follower != nil && c.stream.EndsWithSession() {
		c.watched = true
		c.follower.lookups.Watch(&c.stream, c)
	}
}

// ask sends the callout that the stream waits for; false if it cannot be sent.
func (c *httpContext) ask(a filter.Action, s *side) bool {
	c.side = s
	sent := false
	if a.Lookup != "" && c.follower != nil {
		sent = c.follower.look(a, c)
	} else {
		sent = c.plugin.send(*a.Callout, c)
	}
	if !sent {
		c.side = nil
	}
	return sent
}

// answered has the answer to a callout of the stream's own.
func (c *httpContext) answered(a filter.Answer) {
	if s := c.waited(); s != nil {
		c.goOn(c.stream.Reply(a, c.plugin.at), s)
	}
}

// waited ends a stream's waiting, and makes it the effective context; nil if it has ended
// meanwhile.
func (c *httpContext) waited() *side {
	s := c.side
	c.side = nil
	if c.gone {
		c.free()
		return nil
	}
	if proxywasm.SetEffectiveContext(c.id) != nil {
		return nil
	}
	return s
}

// goOn takes a stream that has waited on by an action.
func (c *httpContext) goOn(a filter.Action, s *side) {
	if c.perform(a, s) == types.ActionContinue {
		_ = s.resume() // fails only where the stream is gone
	}
}

func (s *side) edit(edits []filter.Edit) error {
	for i := range edits {
		e := &edits[i]
		var err error
		switch e.Op {
		case filter.Remove:
			err = upstreamgo.RemoveHeader(s.headers, e.Name)
		case filter.Set:
			err = upstreamgo.ReplaceHeader(s.headers, e.Name, e.Value)
		case filter.Add:
			err = upstreamgo.AddHeader(s.headers, e.Name, e.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *httpContext) reply(r *filter.LocalReply) {
	if r == nil || r.Status == 0 {
		r = &filter.LocalReply{Status: 503, GRPCStatus: filter.NoGRPC}
	}
	if err := proxywasm.SendHttpResponse(uint32(r.Status), r.Headers, []byte(r.Body), int32(r.GRPCStatus)); err != nil {
		proxywasm.LogErrorf("cloakroom: a local reply could not be sent: %v", err)
	}
}
