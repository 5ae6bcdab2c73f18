package main

import (
	"errors"
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"

	"cloakroom/filter"
	"cloakroom/filter/worker"
)

// maxAnswerBytes bounds how much is copied of a response of the session service; a longer one
// counts as no response.
const maxAnswerBytes = 1 << 20

// lease is a write of the lease, and whether it succeeded.
type lease struct {
	write worker.Write
	done  bool
}

// refusal is a callout that the host refused to send, and why.
type refusal struct {
	call *worker.Call
	why  string
}

// perform carries out an output, and the worker's output for calls that the host refuses. s is the
// stream of the current callback, which continues when perform returns; nil if there is none.
func (p *pluginContext) perform(o *worker.Output, s *worker.Stream, d worker.Direction) types.Action {
	result := types.ActionPause
	for {
		if o.Decided && s != nil {
			result = p.act(s, d, &o.Action)
		}
		if !o.More && len(p.refused)+len(p.leases) == 0 {
			return result
		}
		for i := range o.Resumed {
			p.resume(&o.Resumed[i])
		}
		for _, s := range o.Closed {
			p.close(s)
		}
		for _, warning := range o.Warnings {
			proxywasm.LogWarnf("cloakroom: %s", warning)
		}
		for i := range o.Writes {
			p.write(&o.Writes[i])
		}
		for _, c := range o.Calls {
			if why := p.dispatch(c); why != "" {
				p.refused = append(p.refused, refusal{c, why})
			}
		}
		if o.Soon {
			p.setTicks(true)
		}
		if n := len(p.refused); n > 0 {
			r := p.refused[n-1]
			p.refused = p.refused[:n-1]
			o = p.worker.Refused(r.call, r.why, p.at)
		} else if n := len(p.leases); n > 0 {
			l := p.leases[n-1]
			p.leases = p.leases[:n-1]
			o = p.worker.Written(l.write, l.done, p.at)
		} else {
			return result
		}
	}
}

// directions are the header map and the resume call of each worker.Direction.
var directions = [...]struct {
	headers upstreamgo.HeaderMap
	resume  func() error
}{
	worker.Request:  {upstreamgo.RequestHeaders, proxywasm.ResumeHttpRequest},
	worker.Response: {upstreamgo.ResponseHeaders, proxywasm.ResumeHttpResponse},
}

// act carries out the action for the stream of the effective context.
func (p *pluginContext) act(s *worker.Stream, d worker.Direction, a *filter.Action) types.Action {
	if a.Verdict == filter.ReadHeaders {
		completed := p.worker.Complete(s, p.pairs(upstreamgo.RequestHeaders))
		a = &completed
	}
	err := edit(directions[d].headers, a.Edits)
	if a.Verdict == filter.Continue {
		if err == nil {
			s.Resumed()
			return types.ActionContinue
		}
		a = &filter.Action{} // fail closed: do not forward headers that could not be set
	}
	p.reply(a)
	return types.ActionPause
}

// resume resumes a stream that was paused.
func (p *pluginContext) resume(step *worker.Step) {
	if proxywasm.SetEffectiveContext(step.Stream.ID) != nil {
		return // it has ended
	}
	if p.act(step.Stream, step.Direction, &step.Action) == types.ActionContinue {
		_ = directions[step.Direction].resume() // fails only if the stream has ended
	}
}

// close ends an open stream. Where the client has begun to receive the response, a local reply resets
// the stream as closing does, and its details are logged.
func (p *pluginContext) close(s *worker.Stream) {
	if proxywasm.SetEffectiveContext(s.ID) != nil {
		return // it has ended
	}
	if s.Open() {
		p.reply(&filter.Action{Outcome: filter.Ended})
		return
	}
	if err := upstreamgo.CloseStream(upstreamgo.StreamResponse); err != nil {
		proxywasm.LogErrorf("cloakroom: a stream whose session has ended cannot be closed: %v", err)
	}
}

func edit(m upstreamgo.HeaderMap, edits []filter.Edit) error {
	for i := range edits {
		e := &edits[i]
		var err error
		switch e.Op {
		case filter.Remove:
			err = upstreamgo.RemoveHeader(m, e.Name)
		case filter.Set:
			err = upstreamgo.ReplaceHeader(m, e.Name, e.Value)
		case filter.Add:
			err = upstreamgo.AddHeader(m, e.Name, e.Value)
		case filter.State:
			err = upstreamgo.SetProperty(e.Name, e.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// trailers edits trailers and forwards them. It does not forward those that could not be edited.
func (p *pluginContext) trailers(m upstreamgo.HeaderMap, edits []filter.Edit) types.Action {
	if edit(m, edits) != nil {
		p.reply(&filter.Action{})
		return types.ActionPause
	}
	return types.ActionContinue
}

func (p *pluginContext) reply(a *filter.Action) {
	r := a.Reply
	if r == nil || r.Status == 0 {
		r = &filter.LocalReply{Status: 503, GRPCStatus: filter.NoGRPC}
	}
	if err := upstreamgo.SendLocalResponse(uint32(r.Status), a.Details(), r.Headers, r.Body, int32(r.GRPCStatus)); err != nil {
		proxywasm.LogErrorf("cloakroom: a local reply could not be sent: %v", err)
	}
}

// dispatch sends a callout. It returns why the host refuses it, or "".
func (p *pluginContext) dispatch(c *worker.Call) (refused string) {
	err := upstreamgo.DispatchHTTPCall(p.id, c.To.Cluster, c.Headers(), unsafe.Slice(unsafe.StringData(c.Body), len(c.Body)), uint32(c.Timeout.Milliseconds()),
		func(numHeaders, bodySize, _ int) {
			p.at = upstreamgo.Now()
			p.perform(p.worker.CalloutDone(c, p.response(numHeaders, bodySize), p.at), nil, 0)
		})
	if err == nil {
		return ""
	}
	if errors.Is(err, types.ErrorStatusBadArgument) { // all else that it is returned for is there
		return filter.NoCluster
	}
	return filter.NotSent
}

// response returns the current response. Its text is valid until the next one is read.
func (p *pluginContext) response(numHeaders, bodySize int) filter.Answer {
	if numHeaders == 0 || bodySize > maxAnswerBytes {
		return filter.Answer{}
	}
	a := filter.Answer{Status: filter.Headers(p.pairs(upstreamgo.CalloutHeaders)).Get(":status")}
	if body, err := upstreamgo.CalloutBody(bodySize, &p.bodyBytes); err == nil {
		a.Body = unsafe.String(unsafe.SliceData(body), len(body))
	}
	return a
}

// write writes data that the workers share.
func (p *pluginContext) write(w *worker.Write) {
	err := proxywasm.SetSharedData(w.Key, []byte(w.Value), w.CAS)
	switch {
	case w.Lease:
		p.leases = append(p.leases, lease{*w, err == nil})
	case err != nil:
		proxywasm.LogErrorf("cloakroom: the feed cannot be shared with the other workers: %v", err)
	}
}
