package cookies

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// exchange is a request, what the filter makes of it on one site, and where its readings are
// among those of its batch.
type exchange struct {
	site     *site
	name     string // of the session cookie
	fields   []string
	ordinary bool // all other cookies must reach the upstream as they are
	passage
	before, after int // before is of ordinary requests only
}

// batch is Cookie fields that are read at once, each combination once.
type batch struct {
	exchanges []exchange
	requests  [][]string
	at        map[string]int
}

func newBatch() *batch { return &batch{at: map[string]int{}} }

// add returns where the reading of these fields is to be.
func (b *batch) add(fields []string) int {
	key := fmt.Sprintf("%q", fields) // no fields are not one that is empty
	i, ok := b.at[key]
	if !ok {
		i = len(b.requests)
		b.at[key] = i
		b.requests = append(b.requests, fields)
	}
	return i
}

// pass has the filter decide on a request on each of several sites.
func (b *batch) pass(t *testing.T, sites []site, name string, fields []string, ordinary bool) {
	for i := range sites {
		e := exchange{site: &sites[i], name: name, fields: fields, ordinary: ordinary, passage: sites[i].pass(t, name, fields)}
		if !e.refused {
			e.after = b.add(e.passage.fields)
		}
		if ordinary {
			e.before = b.add(fields)
		}
		b.exchanges = append(b.exchanges, e)
	}
}

// fault returns what is wrong with an exchange, by the readings of its batch, or "".
func (e *exchange) fault(of readings) string {
	if e.refused {
		return ""
	}
	agreed, agreedBy := "", ""
	for _, reader := range slices.Sorted(maps.Keys(of)) {
		after := of[reader][e.after]
		for _, value := range after[e.name] {
			switch {
			case value == "": // no session's
				continue
			case e.withheld:
				return fmt.Sprintf("%s reads the session cookie %.80q, which was withheld", reader, value)
			case e.session != "" && value != e.session:
				return fmt.Sprintf("%s reads the session cookie %.80q, the filter %.80q", reader, value, e.session)
			case e.session == "" && (slices.Contains(stored, value) || slices.Contains(signed, value)):
				return fmt.Sprintf("%s reads the session cookie %.80q, the filter none", reader, value)
			case agreedBy != "" && value != agreed:
				return fmt.Sprintf("%s reads the session cookie %.80q, %s %.80q", reader, value, agreedBy, agreed)
			}
			agreed, agreedBy = value, reader
		}
		if e.ordinary {
			if lost := e.lost(of[reader][e.before], after); lost != "" {
				return reader + " " + lost
			}
		}
	}
	return ""
}

// lost returns what a reader no longer reads of an ordinary request, or reads differently, or
// "".
func (e *exchange) lost(before, after reading) string {
	if before == nil {
		return "" // it refuses the request by itself
	}
	if after == nil {
		return "refuses the request"
	}
	for _, r := range []reading{before, after} {
		for _, name := range slices.Sorted(maps.Keys(r)) {
			if name != e.name && !slices.Equal(before[name], after[name]) {
				return fmt.Sprintf("reads the cookie %q as %q, and before the filter as %q", name, after[name], before[name])
			}
		}
	}
	if e.session != "" && !e.withheld && before[e.name] != nil && after[e.name] == nil {
		return "reads no session cookie any more"
	}
	return ""
}

// check has the filter decide anew, and returns what is wrong.
func (e *exchange) check(t *testing.T, all []library) string {
	b := newBatch()
	b.pass(t, []site{*e.site}, e.name, e.fields, e.ordinary)
	again := b.exchanges[0]
	e.passage, e.before, e.after = again.passage, again.before, again.after
	return e.fault(readAll(t, all, b.requests))
}

// smallest returns an exchange that has a fault too, and as little in its fields as can be. It
// leaves an ordinary request as it is, whose parts need not be ordinary.
func (e *exchange) smallest(t *testing.T, all []library) *exchange {
	if e.ordinary {
		return e
	}
	smallest := *e
	faulty := func(fields []string) bool {
		smaller := smallest
		smaller.fields = fields
		if smaller.check(t, all) == "" {
			return false
		}
		smallest = smaller
		return true
	}
	for size := 64; size > 0; size /= 2 {
		for i := 0; i < len(smallest.fields); i++ {
			if faulty(slices.Delete(slices.Clone(smallest.fields), i, i+1)) {
				i--
				continue
			}
			for at := 0; at+size <= len(smallest.fields[i]); {
				fields := slices.Clone(smallest.fields)
				fields[i] = carried(fields[i][:at] + fields[i][at+size:])
				if !faulty(fields) {
					at += size
				}
			}
		}
	}
	return &smallest
}
