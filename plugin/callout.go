package main

import (
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
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
		{":authority", c.Authority},
		{"content-type", c.ContentType()},
	}
	if c.Authorization != "" {
		headers = append(headers, [2]string{"authorization", c.Authorization})
	}
	p.counters.add(calloutsCounter)
	err := upstreamgo.DispatchHTTPCall(p.id, c.Cluster, headers, unsafe.Slice(unsafe.StringData(c.Body), len(c.Body)), uint32(c.Timeout.Milliseconds()),
		func(numHeaders, bodySize, _ int) {
			p.at = now()
			done(p.answer(numHeaders, bodySize))
		})
	return err == nil
}

// tell sends a callout that nobody waits for.
func (p *pluginContext) tell(c filter.Callout) {
	told := func(a filter.Answer) {
		if a.Status != "200" {
			p.warn("the session service did not take a " + c.Path)
		}
	}
	if !p.send(c, told) {
		told(filter.Answer{})
	}
}

// answer reads the answer at hand.
func (p *pluginContext) answer(numHeaders, bodySize int) filter.Answer {
	if numHeaders == 0 || bodySize > maxAnswerBytes {
		return filter.Answer{}
	}
	a := filter.Answer{Status: p.pairs(upstreamgo.CalloutHeaders).Get(":status")}
	if body, err := proxywasm.GetHttpCallResponseBody(0, bodySize); err == nil {
		a.Body = unsafe.String(unsafe.SliceData(body), len(body)) // nobody else has it
	}
	return a
}
