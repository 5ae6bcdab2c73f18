package main

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/upstreamgo"

	"cloakroom/filter"
)

// tick is how often this worker looks for what the leading one has learned, sends what
// waits for company, tells its counters, and looks after the heap.
const tick = 100 * time.Millisecond

// follower is what this worker remembers of one session service's sessions,
// and how it hears of those that end.
type follower struct {
	plugin  *pluginContext
	lookups *filter.Lookups[*httpContext]
	// The keys of the data that the workers share.
	leader, learned string
}

// follow begins to remember what the services answer whose routes say so.
func (p *pluginContext) follow(config *filter.Config) error {
	p.followers = map[string]*follower{}
	for _, service := range config.Cached() {
		f := &follower{
			plugin:  p,
			lookups: filter.NewLookups[*httpContext](service),
			leader:  "cloakroom.leader." + service.Cluster,
			learned: "cloakroom.feed." + service.Cluster,
		}
		f.lookups.Feed.Identify(strconv.FormatUint(rand.Uint64(), 36))
		p.followers[service.Cluster] = f
	}
	return proxywasm.SetTickPeriodMilliSeconds(uint32(tick / time.Millisecond))
}

// follower gives what is remembered for a route.
func (p *pluginContext) follower(route *filter.Route) *follower {
	if route == nil {
		return nil
	}
	if route != p.lastRoute {
		p.lastRoute, p.lastFollower = route, p.followers[route.Service.Cluster]
	}
	return p.lastFollower
}

func (f *follower) memory(now time.Time) filter.Memory {
	if f == nil {
		return filter.Memory{}
	}
	return filter.Memory{Cache: f.lookups.Cache, Trusted: f.lookups.Feed.Trusted(now)}
}

// look has c wait for a look-up, which several streams may share; false if it
// cannot be sent.
func (f *follower) look(a filter.Action, c *httpContext) bool {
	if !f.lookups.Join(a.Lookup, &c.stream, c) {
		return true
	}
	sent := f.plugin.send(*a.Callout, lookup{f, a.Lookup})
	if !sent {
		f.lookups.Answer(a.Lookup, filter.Answer{}, f.plugin.at)
	}
	return sent
}

// lookup is one under way.
type lookup struct {
	follower *follower
	key      string
}

func (l lookup) answered(answer filter.Answer) {
	known, waiting, ending := l.follower.lookups.Answer(l.key, answer, l.follower.plugin.at)
	end(ending)
	for _, c := range waiting {
		if s := c.waited(); s != nil {
			c.goOn(c.stream.LookedUp(known, c.plugin.at), s)
		}
	}
}

// end closes streams whose session has ended.
func end(streams []*httpContext) {
	for _, c := range streams {
		if c.gone || proxywasm.SetEffectiveContext(c.id) != nil {
			continue
		}
		c.plugin.counters.add(filter.Ended)
		if err := upstreamgo.CloseStream(upstreamgo.StreamResponse); err != nil {
			proxywasm.LogErrorf("cloakroom: a stream whose session has ended cannot be closed: %v", err)
		}
	}
}

// recheck looks up the sessions of open streams whose end has come, or of which something
// was heard.
func (f *follower) recheck(now time.Time) {
	f.lookups.Tick(now)
	for {
		callout, key, ok := f.lookups.Due()
		if !ok {
			return
		}
		if l := (lookup{f, key}); !f.plugin.send(callout, l) {
			l.answered(filter.Answer{})
			return
		}
	}
}

// OnTick hears what the leading worker has learned, and leads if none does.
func (p *pluginContext) OnTick() {
	collect()
	p.counters.flush()
	p.at = now()
	for _, o := range p.outboxes {
		o.tick(p.at)
	}
	for _, f := range p.followers {
		f.tick(p.at)
	}
}

func (f *follower) tick(now time.Time) {
	feed := &f.lookups.Feed
	current, cas, _ := proxywasm.GetSharedData(f.leader)
	if next := feed.Lead(string(current), now); next != "" {
		feed.Won(proxywasm.SetSharedData(f.leader, []byte(next), cas) == nil)
	}
	if learned, _, err := proxywasm.GetSharedData(f.learned); err == nil {
		feed.Learn(string(learned))
	}
	f.poll()
	f.recheck(now)
}

// poll asks for the feed again and again while this worker leads.
func (f *follower) poll() {
	feed := &f.lookups.Feed
	callout, ok := feed.Poll(f.plugin.at)
	if !ok {
		return
	}
	polled := func(answer filter.Answer) {
		feed.Polled(answer)
		if answer.Status != "200" {
			return // the next tick tries again
		}
		if err := proxywasm.SetSharedData(f.learned, []byte(feed.Shared()), 0); err != nil {
			proxywasm.LogErrorf("cloakroom: the feed cannot be shared with the other workers: %v", err)
		}
		f.poll()
	}
	if !f.plugin.dispatch(callout, polled) {
		feed.Polled(filter.Answer{})
	}
}
