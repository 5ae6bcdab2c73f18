package main

import (
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"

	"cloakroom/filter"
)

// maxAnswerBytes bounds what is copied of an answer of the session service; a
// longer one is no answer.
const maxAnswerBytes = 1 << 20

// dispatch sends a callout; done gets its answer, the zero one included. If it
// cannot be sent, dispatch returns false and done does not run.
func (p *pluginContext) dispatch(c filter.Callout, done func(filter.Answer)) bool {
	headers := [][2]string{
		{":method", "POST"},
		{":path", c.Path},
		{":authority", c.To.Authority},
		{"content-type", c.ContentType()},
		{"authorization", c.To.Authorization},
	}
	if c.To.Authorization == "" {
		headers = headers[:len(headers)-1]
	}
	p.counters.add(calloutsCounter)
	err := upstreamgo.DispatchHTTPCall(p.id, c.To.Cluster, headers, unsafe.Slice(unsafe.StringData(c.Body), len(c.Body)), uint32(c.Timeout.Milliseconds()),
		func(numHeaders, bodySize, _ int) {
			p.at = now()
			done(p.answer(numHeaders, bodySize))
		})
	return err == nil
}

// tell sends a callout that nobody waits for.
func (p *pluginContext) tell(c filter.Callout) {
	if t := (told{p, c.Path}); !p.send(c, t) {
		t.answered(filter.Answer{})
	}
}

// told was told to the session service.
type told struct {
	plugin *pluginContext
	path   string
}

func (t told) answered(a filter.Answer) {
	if a.Status != "200" {
		t.plugin.warn("the session service did not take a " + t.path)
	}
}

// answer reads the answer at hand, whose text holds until another is read.
func (p *pluginContext) answer(numHeaders, bodySize int) filter.Answer {
	if numHeaders == 0 || bodySize > maxAnswerBytes {
		return filter.Answer{}
	}
	a := filter.Answer{Status: p.pairs(upstreamgo.CalloutHeaders).Get(":status")}
	if body, err := upstreamgo.CalloutBody(bodySize, &p.bodyBytes); err == nil {
		a.Body = unsafe.String(unsafe.SliceData(body), len(body))
	}
	return a
}
