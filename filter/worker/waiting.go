package worker

import (
	"cloakroom/filter"
)

// wait has a stream wait for a look-up that may be shared, or for a callout of its own; false
// if too much waits already.
func (w *Worker) wait(s *Stream, key string) bool {
	s.coalesceKey = ""
	if key != "" && s.lookups != nil {
		if f := s.lookups.flights[flightKey{key, s.filter.TokenKey()}]; f != nil && !f.outdated && w.waiting < maxWaiting {
			s.coalesceKey = f.key
			s.filter.Coalesced(f.key)
			f.waiting.add(s)
			w.startWaiting(s, 0)
			return true
		}
	}
	c := s.filter.Callout()
	if w.waiting >= maxWaiting || w.waitBytes+len(c.Body) > maxWaitingBytes || w.batcher(c.To).full() {
		return false
	}
	w.startWaiting(s, len(c.Body))
	callout := *c
	callout.Trace = s.filter.Trace()
	if key == "" || s.lookups == nil {
		w.send(pendingCall{callout: callout, stream: s, serial: s.serial})
		return true
	}
	f := s.lookups.takeOff(key, s.filter.TokenKey(), s.filter.Judging(), w.now)
	s.coalesceKey = f.key
	f.waiting.add(s)
	callout.Body = clone(c.Body) // the stream's, which can end and serve another request before it is sent
	w.send(pendingCall{callout: callout, flight: f})
	return true
}

func (w *Worker) startWaiting(s *Stream, bytes int) {
	s.paused, s.waitBytes = true, bytes
	w.waiting++
	w.waitBytes += bytes
}

func (w *Worker) stopWaiting(s *Stream) {
	if s.list != nil && !s.queued {
		s.list.remove(s)
	}
	if s.paused {
		w.waiting--
		w.waitBytes -= s.waitBytes
		s.paused, s.waitBytes = false, 0
	}
}

// lookedUp returns what a stream does with the result of what it waits for. While the service does
// not answer it is what is cached: as long as that may be used without a look-up (which was for a
// new token then), and where the route wants that, longer.
func (w *Worker) lookedUp(s *Stream, r *filter.LookupResult) filter.Action {
	if !r.Answered() {
		if e := s.lookups.fresh(s.coalesceKey, s, w.now); e != nil {
			if action, usable := s.filter.Renewed(e.Value.result, w.now); usable {
				return action
			}
		}
		if old := s.lookups.stale(s.coalesceKey, s, w.now); old != nil {
			if action, usable := s.filter.Stale(old, w.now); usable {
				return action
			}
		}
	}
	return s.filter.LookedUp(r, w.now)
}

// resume goes on with a stream that has waited, by an action. The caller has seen that the
// budget allows it.
func (w *Worker) resume(s *Stream, a filter.Action) {
	if !w.settle(s, &a) {
		return // it waits again
	}
	if s == w.current {
		w.out.Action, w.out.Decided = a, true
		return
	}
	w.budget--
	w.out.Resumed = append(w.out.Resumed, Step{s, s.direction, a})
}

// may reports whether the callback at hand may go on with a stream: with its own, always.
func (w *Worker) may(s *Stream) bool { return s == w.current || (w.budget > 0 && w.current == nil) }

// answered passes the answer to a callout of its own to a stream, now or in a later callback.
func (w *Worker) answered(s *Stream, a filter.Answer) {
	w.stopWaiting(s)
	if !w.may(s) {
		w.backlog.add(s, job{answer: filter.Answer{Status: a.Status, Body: clone(a.Body)}, own: true})
		return
	}
	w.reply(s, a)
}

func (w *Worker) reply(s *Stream, a filter.Answer) {
	w.resume(s, w.lookedUp(s, s.filter.Parse(a, s.checked)))
}

// deliver passes the result of a look-up that it shared to a stream.
func (w *Worker) deliver(s *Stream, r *filter.LookupResult) {
	w.stopWaiting(s)
	if !w.may(s) {
		w.backlog.add(s, job{result: r})
		return
	}
	w.resume(s, w.lookedUp(s, r))
}

// closeStream ends an open stream, now or in a later callback.
func (w *Worker) closeStream(s *Stream) {
	if w.budget <= 0 || w.current != nil {
		w.backlog.add(s, job{close: true})
		return
	}
	w.stopWaiting(s)
	s.serial++ // what it waits for resumes it no more
	w.budget--
	w.Count(filter.Ended)
	w.out.Closed = append(w.out.Closed, s)
}

// drain goes on with what earlier callbacks had no room for.
func (w *Worker) drain() {
	for w.budget > 0 && w.backlog.len() > 0 {
		s, job := w.backlog.take()
		switch {
		case job.close:
			w.closeStream(s)
		case job.own:
			w.reply(s, job.answer)
		default:
			w.resume(s, w.lookedUp(s, job.result))
		}
	}
}
