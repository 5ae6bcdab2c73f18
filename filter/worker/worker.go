package worker

import (
	"time"

	"cloakroom/api"
	"cloakroom/filter"
	"cloakroom/filter/config"
)

// maxFanOut bounds how many streams one callback of the host answers, resumes or closes,
// besides the stream that it is about. Envoy does what a callback asked for when the callback
// has returned, and nests it: each local reply or closed stream enters the VM again, on the
// stack of the one before. Envoy 1.36 and 1.40 end a VM at some 310 local replies from one
// callback, sooner with more filters in the chain.
const maxFanOut = 32

// The bounds of what waits for the session service on one worker. Beyond them the service
// counts as not answering.
const (
	maxWaiting      = 8192     // streams
	maxWaitingBytes = 16 << 20 // of the bodies of their callouts
)

// Housekeeping is how often a worker wants Tick called where Output.Soon does not ask for it
// earlier: leases, the feed, batches that wait, open streams.
const Housekeeping = 100 * time.Millisecond

// Options is what a Worker needs besides its configuration.
type Options struct {
	// ID identifies the worker among those that share data with it. It is drawn at random.
	ID string
}

// Worker is one Envoy worker's part of the filter. Make it with New. It is not safe for
// concurrent use.
type Worker struct {
	config   *config.Config
	routes   *routes
	shared   filter.Shared
	services map[string]*service // those with a cache, by the cluster
	order    []*service          // the same, in the order of Shared
	batchers map[config.Destination]*batcher
	batching []*batcher // the same, in the order in which they were made
	// The route of the request before, and its look-ups: most requests have the same.
	lastRoute   *config.Route
	lastLookups *lookups

	now       time.Time
	swept     time.Time // when the last housekeeping was
	out       Output
	current   *Stream // of the callback at hand
	budget    int     // of streams that the callback at hand may yet resume or close
	backlog   queue   // of streams that wait for a later callback
	waiting   int     // streams
	waitBytes int
	counts    [filter.NumOutcomes + 1]uint64
	spare     []*Call
	answers   []filter.Answer // of the batch at hand
	warnings  limiter
}

// New returns a worker with a configuration.
func New(c *config.Config, o Options) *Worker {
	w := &Worker{
		config: c, routes: newRoutes(c), services: map[string]*service{}, batchers: map[config.Destination]*batcher{},
		shared: filter.Shared{Cookies: filter.NewCookieCache()},
	}
	for _, s := range c.Cached() {
		service := newService(s, o.ID)
		w.services[s.Cluster] = service
		w.order = append(w.order, service)
	}
	return w
}

// Output is what is to be done, in this order. It is valid until the next call of the
// worker's methods.
type Output struct {
	// Action is what becomes of the stream of Request or Response. It is not set after
	// other calls, but for Refused of a callout of that very stream (Decided).
	Action  filter.Action
	Decided bool
	// More says that there is anything besides.
	More bool
	// Resumed are other streams, and what becomes of them.
	Resumed []Step
	// Closed are open streams that end.
	Closed []*Stream
	// Writes is for the data that workers share.
	Writes []Write
	// Calls are to be sent. The answer to each is given to CalloutDone; one that the host
	// refused to send, to Refused, when all of the Output was carried out.
	Calls []*Call
	// Warnings are for the log, one a second at the most.
	Warnings []string
	// Soon asks for the next Tick in a millisecond, and not after Housekeeping.
	Soon bool
}

// Step is what becomes of a stream that was paused.
type Step struct {
	Stream    *Stream
	Direction Direction
	Action    filter.Action
}

// Direction says whether a stream waits with its request or with its response.
type Direction uint8

// The directions.
const (
	Request Direction = iota
	Response
)

// begin starts a call about a stream, or none. A callback that is known to have come from the
// network or a timer, and not out of the end of another callback, is fresh: nothing of the
// worker's is on the stack.
func (w *Worker) begin(s *Stream, fresh bool, now time.Time) {
	o := &w.out
	if o.More {
		clear(o.Resumed)
		clear(o.Closed)
		o.Resumed, o.Closed, o.Writes, o.Calls, o.Warnings = o.Resumed[:0], o.Closed[:0], o.Writes[:0], o.Calls[:0], o.Warnings[:0]
	}
	o.Decided = false
	w.shared.Reset()
	if now.Before(w.now) {
		w.clockSetBack()
	}
	w.current, w.now = s, now
	if fresh {
		w.budget = maxFanOut
	}
}

// clockSetBack drops what the times of say nothing any more: nothing that is cached is used for
// longer because the clock was set back.
func (w *Worker) clockSetBack() {
	for _, v := range w.order {
		v.invalidateAll()
		v.feed.clockSetBack()
	}
}

func (w *Worker) end() *Output {
	o := &w.out
	o.Soon = o.Soon || w.backlog.n > 0
	o.More = o.Soon || len(o.Resumed)+len(o.Closed)+len(o.Writes)+len(o.Calls)+len(o.Warnings) > 0
	return o
}

// Route returns the configuration of an Envoy route by its name and the bytes of its
// metadata; nil if it is in error, and the first time the error. An error beside a route is a
// warning.
func (w *Worker) Route(name string, metadata []byte) (*config.Route, error) {
	return w.routes.lookup(name, metadata)
}

// ByName and ByMetadata report whether routes are configured by their names, and by their
// metadata: else Route needs to be given neither.
func (w *Worker) ByName() bool { return w.config.ByName() }

// ByMetadata is described at ByName.
func (w *Worker) ByMetadata() bool { return w.config.ByMetadata() }

// Request decides on a stream's request headers. Their text is the caller's again once the
// Output was carried out. A nil route, whose configuration is in error, is refused.
func (w *Worker) Request(s *Stream, h filter.Headers, route *config.Route, now time.Time) *Output {
	w.begin(s, true, now)
	s.direction = Request
	s.lookups = w.lookupsOf(route)
	w.out.Action = s.filter.Request(h, route, &w.shared, now)
	if w.out.Decided = w.settle(s, &w.out.Action); w.out.Decided && w.out.Action.Verdict == filter.ReadHeaders {
		w.out.Action = w.Complete(s, h)
	}
	return w.end()
}

// lookupsOf returns the look-ups that a route's requests share; nil for none.
func (w *Worker) lookupsOf(route *config.Route) *lookups {
	if route == nil {
		return nil
	}
	if route != w.lastRoute {
		w.lastRoute, w.lastLookups = route, w.services[route.Service.Cluster].of(route)
	}
	return w.lastLookups
}

// Response decides on a stream's response headers, as Request on the request's.
func (w *Worker) Response(s *Stream, h filter.Headers, now time.Time) *Output {
	w.begin(s, false, now)
	s.direction = Response
	w.out.Action = s.filter.Response(h, now)
	w.out.Decided = w.settle(s, &w.out.Action)
	return w.end()
}

// RequestTrailers and ResponseTrailers return the edits of a stream's trailers.
func (w *Worker) RequestTrailers(h filter.Headers) []filter.Edit {
	return filter.RequestTrailers(w.config, h)
}

// ResponseTrailers is described at RequestTrailers.
func (w *Worker) ResponseTrailers(h filter.Headers) []filter.Edit {
	return filter.ResponseTrailers(h)
}

// Complete returns the action in place of one whose Verdict was ReadHeaders, by the headers
// of the stream's request, which the host still holds. What it asks for besides joins the
// Output at hand.
func (w *Worker) Complete(s *Stream, h filter.Headers) filter.Action {
	action := s.filter.Complete(h)
	w.Count(action.Outcome)
	if action.Effects != nil {
		w.effect(s, action.Effects)
		w.out.More = true
	}
	if action.Verdict == filter.Continue && s.lookups != nil && s.filter.EndsWithSession() {
		w.watch(s)
	}
	return action
}

// CalloutDone handles the answer to a callout that was sent. Its text is the caller's again
// once the Output was carried out.
func (w *Worker) CalloutDone(c *Call, a filter.Answer, now time.Time) *Output {
	// An answer of the host's own making may come before the callback that sent the callout
	// has unwound; the service's own comes from the network.
	fresh := a.Status == "200"
	w.begin(nil, fresh, now)
	w.drain()
	c.done(w, a, fresh)
	return w.end()
}

// Refused handles that the host refused to send a callout of the last Output: why is
// filter.NotSent or filter.NoCluster.
func (w *Worker) Refused(c *Call, why string, now time.Time) *Output {
	w.begin(w.current, false, now)
	c.done(w, filter.Answer{Status: why}, false)
	return w.end()
}

// Redirected handles that a stream ends whose upstream's redirect Envoy has followed by itself, to
// the route of a name; see filter.Stream.Redirected.
func (w *Worker) Redirected(s *Stream, to string, now time.Time) *Output {
	w.begin(s, false, now)
	action := s.filter.Redirected(to)
	if action.Effects != nil {
		w.effect(s, action.Effects)
	}
	return w.end()
}

// StreamDone drops a stream that has ended.
func (w *Worker) StreamDone(s *Stream) {
	if s.paused || s.list != nil {
		w.stopWaiting(s)
		w.backlog.remove(s)
	}
	if s.watch != nil {
		s.lookups.watches.remove(s)
	}
	s.serial++
	s.filter.Reset()
}

// Tick does what is due. shared is the data that workers share, in the order of SharedKeys;
// where Housekeeping is not due it is not looked at, and may be nil (see Due).
func (w *Worker) Tick(shared []SharedData, now time.Time) *Output {
	w.begin(nil, true, now)
	w.out.Soon = false
	w.drain()
	if due := w.Due(now); due {
		w.swept = now
		for i, s := range w.order {
			s.tick(w, shared[2*i:2*i+2])
		}
	}
	for _, b := range w.batching {
		b.tick(w)
	}
	return w.end()
}

// Due reports whether Tick will do its housekeeping.
func (w *Worker) Due(now time.Time) bool {
	since := now.Sub(w.swept)
	return since >= Housekeeping-Housekeeping/10 || since < 0
}

// settle does what an action of a stream asks for until it is final, or the stream waits:
// then it is not decided.
func (w *Worker) settle(s *Stream, a *filter.Action) (decided bool) {
	for {
		if a.Outcome != filter.Undecided {
			w.Count(a.Outcome)
		}
		if a.Effects != nil {
			w.effect(s, a.Effects)
		}
		switch a.Verdict {
		case filter.Continue:
			if s.lookups != nil && s.filter.EndsWithSession() {
				w.watch(s)
			}
		case filter.Wait:
			s.checked = w.now
			key := s.filter.CoalesceKey()
			e := s.lookups.fresh(key, s, w.now)
			if e != nil {
				if action, usable := s.filter.Cached(e.Key, e.Value.result, w.now); usable {
					s.checked = e.Value.at
					*a = action
					continue
				}
			}
			if w.wait(s, key) {
				return false
			}
			if e != nil {
				if action, usable := s.filter.Renewed(e.Value.result, w.now); usable {
					*a = action
					continue
				}
			}
			w.Count(filter.Overloaded)
			*a = w.lookedUp(s, filter.TooManyWait)
			continue
		}
		return true
	}
}

// effect does what an action of a stream asks for besides.
func (w *Worker) effect(s *Stream, e *filter.Effects) {
	if e.Warning != "" {
		w.warn(e.Warning)
	}
	if e.Count != filter.Undecided {
		w.Count(e.Count)
	}
	for i := range e.Notify {
		c := e.Notify[i]
		if api.Traced(c.Path) {
			c.Trace = s.filter.Trace()
		}
		w.send(pendingCall{callout: c})
	}
	if s.lookups == nil {
		return
	}
	if e.Invalidate != "" {
		s.lookups.invalidate(e.Invalidate)
	}
	if e.Touched != nil {
		s.lookups.touch(s.filter.Key(), e.Touched)
	}
}

// Count counts an outcome.
func (w *Worker) Count(o filter.Outcome) { w.counts[o]++ }

// Counts calls do for each counter that was counted since the last call, by the outcome that
// it belongs to; CalloutsCounter counts callouts.
func (w *Worker) Counts(do func(counter filter.Outcome, n uint64)) {
	w.counts[filter.Undecided] = 0
	for counter, n := range w.counts {
		if n > 0 {
			do(filter.Outcome(counter), n)
			w.counts[counter] = 0
		}
	}
}

// CalloutsCounter is the counter of callouts.
const CalloutsCounter = filter.Outcome(filter.NumOutcomes)
