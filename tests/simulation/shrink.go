package main

import "slices"

// breaks returns whether a plan's history breaks an invariant.
func breaks(invariant int) func(*plan) bool {
	return func(p *plan) bool {
		f := play(p, false).failure
		return f != nil && f.invariant == invariant
	}
}

// shrink returns the least plan that fails, as far as leaving things out of one leads.
func shrink(p *plan, fails func(*plan) bool) *plan {
	for again := true; again; {
		again = false
		for n := len(p.items) / 2; n > 0; n /= 2 {
			for i := 0; i+n <= len(p.items); {
				c := *p
				c.items = slices.Delete(slices.Clone(p.items), i, i+n)
				if fails(&c) {
					p, again = &c, true
				} else {
					i += n
				}
			}
		}
		for _, c := range simpler(p) {
			if fails(c) {
				p, again = c, true
				break
			}
		}
	}
	return p
}

// simpler returns plans that have one thing less each.
func simpler(p *plan) (all []*plan) {
	try := func(change func(c *plan) bool) {
		c := *p
		c.items = slices.Clone(p.items)
		if change(&c) {
			all = append(all, &c)
		}
	}
	off := func(field func(c *plan) *bool) {
		try(func(c *plan) bool { was := *field(c); *field(c) = false; return was })
	}
	off(func(c *plan) *bool { return &c.cycle })
	off(func(c *plan) *bool { return &c.acct })
	off(func(c *plan) *bool { return &c.tokens })
	off(func(c *plan) *bool { return &c.stale })
	off(func(c *plan) *bool { return &c.endStreams })
	off(func(c *plan) *bool { return &c.slide })
	off(func(c *plan) *bool { return &c.cache })
	fewer := func(field func(c *plan) *int, of func(it *item) *int) {
		try(func(c *plan) bool {
			if *field(c) == 1 {
				return false
			}
			*field(c)--
			for i := range c.items {
				*of(&c.items[i]) = min(*of(&c.items[i]), *field(c)-1)
			}
			return true
		})
	}
	fewer(func(c *plan) *int { return &c.envoys }, func(it *item) *int { return &it.envoy })
	fewer(func(c *plan) *int { return &c.workers }, func(it *item) *int { return &it.worker })
	fewer(func(c *plan) *int { return &c.replicas }, func(it *item) *int { return &it.replica })
	fewer(func(c *plan) *int { return &c.browsers }, func(it *item) *int { return &it.browser })
	return all
}
