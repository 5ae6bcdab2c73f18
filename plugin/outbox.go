package main

import (
	"time"

	"cloakroom/filter"
)

// outbox joins this worker's callouts to one session service.
type outbox struct {
	plugin *pluginContext
	box    filter.Outbox[waiter]
	// lost could not be sent, and hears so with the next tick: streams that go on by it
	// take the effective context from the one at hand.
	lost    []filter.Parcel[waiter]
	answers []filter.Answer // those at hand
	body    []byte          // of the last batch
}

// waiter waits for the answer to a callout; the zero one says that there is none.
type waiter interface{ answered(filter.Answer) }

// outbox gives the outbox of what goes to a service. Most have one.
func (p *pluginContext) outbox(to *filter.Destination) *outbox {
	if to == p.lastTo {
		return p.lastOutbox
	}
	o := p.outboxes[*to]
	if o == nil {
		o = &outbox{plugin: p}
		p.outboxes[*to] = o
	}
	p.lastTo, p.lastOutbox = to, o
	return o
}

// send sends a callout, now or with the next. If it cannot be sent, send returns false
// and w hears nothing, or w hears so later.
func (p *pluginContext) send(c filter.Callout, w waiter) bool {
	o := p.outbox(c.To)
	batch := o.box.Put(c, w, p.at)
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
func (o *outbox) dispatch(batch []filter.Parcel[waiter]) bool {
	if len(batch) == 0 {
		return true
	}
	sent := o.plugin.dispatch(filter.Join(batch, &o.body), func(a filter.Answer) {
		o.answers = filter.Split(o.answers[:0], a, len(batch))
		o.goOn(o.box.Returned(o.plugin.at))
		for i := range batch {
			p, answer := &batch[i], o.answers[i]
			if len(batch) > 1 && answer.Status == filter.TooLarge && o.plugin.dispatch(p.Callout, p.For.answered) {
				continue
			}
			p.For.answered(answer)
		}
		clear(o.answers)
		o.box.Done(batch)
	})
	if !sent {
		o.goOn(o.box.Returned(o.plugin.at))
	}
	return sent
}

// goOn sends what has waited.
func (o *outbox) goOn(batch []filter.Parcel[waiter]) {
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
		p.For.answered(filter.Answer{})
	}
}
