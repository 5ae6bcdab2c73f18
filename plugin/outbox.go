package main

import (
	"time"

	"cloakroom/filter"
)

// outbox joins this worker's callouts to one session service.
type outbox struct {
	plugin *pluginContext
	box    filter.Outbox[func(filter.Answer)]
	// lost could not be sent, and hears so with the next tick: streams that go on by it
	// take the effective context from the one at hand.
	lost []filter.Parcel[func(filter.Answer)]
}

// destination is what callouts that go together have in common.
type destination struct{ cluster, authority, authorization string }

// outbox gives the outbox of a callout's service.
func (p *pluginContext) outbox(c filter.Callout) *outbox {
	to := destination{c.Cluster, c.Authority, c.Authorization}
	o := p.outboxes[to]
	if o == nil {
		o = &outbox{plugin: p}
		p.outboxes[to] = o
	}
	return o
}

// send sends a callout, now or with the next; done gets its answer, the zero one
// included. If it cannot be sent, send returns false and done does not run, or done
// hears so later.
func (p *pluginContext) send(c filter.Callout, done func(filter.Answer)) bool {
	o := p.outbox(c)
	batch := o.box.Put(c, done, p.at)
	switch {
	case o.dispatch(batch):
	case len(batch) == 1:
		return false // it is the callout at hand
	default:
		o.lost = append(o.lost, batch...)
	}
	return true
}

// dispatch sends a batch; false if it cannot be sent.
func (o *outbox) dispatch(batch []filter.Parcel[func(filter.Answer)]) bool {
	if len(batch) == 0 {
		return true
	}
	sent := o.plugin.dispatch(filter.Join(batch), func(a filter.Answer) {
		answers := filter.Split(a, len(batch))
		o.goOn(o.box.Returned(o.plugin.at))
		for i, p := range batch {
			if len(batch) > 1 && answers[i].Status == filter.TooLarge && o.plugin.dispatch(p.Callout, p.For) {
				continue
			}
			p.For(answers[i])
		}
	})
	if !sent {
		o.goOn(o.box.Returned(o.plugin.at))
	}
	return sent
}

// goOn sends what has waited.
func (o *outbox) goOn(batch []filter.Parcel[func(filter.Answer)]) {
	if !o.dispatch(batch) {
		o.lost = append(o.lost, batch...)
	}
}

// tick sends what has waited for company, and tells what could not be sent.
func (o *outbox) tick(now time.Time) {
	lost := o.lost
	o.lost = nil
	o.goOn(o.box.Tick(now))
	for _, p := range lost {
		p.For(filter.Answer{})
	}
}
