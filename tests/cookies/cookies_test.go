// Package cookies compares what the filter makes of Cookie fields with how upstreams' own
// parsers read them: Django's and those of other frameworks in Python, Go, JavaScript and
// Java. Requests are generated.
//
// CLOAKROOM_SEED runs a printed seed again, CLOAKROOM_FUZZ sets for how long to run, such as
// 10m, and CLOAKROOM_READERS names more programs to compare with (see readers.py for what they
// read and write) by their command lines, with semicolons between them.
package cookies

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// Without CLOAKROOM_FUZZ as many requests are compared.
const (
	usualRequests = 2048
	batchSize     = 256
)

// TestReaders holds, for any Cookie fields, that an upstream reads the session cookie that the
// filter has looked up, or none, unless the filter refuses the request; and that it reads every
// other cookie of an ordinary request as without the filter.
func TestReaders(t *testing.T) {
	signSessions(t)
	all, missing := libraries(t)
	checkReaders(t, all)
	seed, began := newSeed(t), time.Now()
	random := rand.New(rand.NewPCG(seed, 0))
	var count counts
	for more := budget(t); more(count.requests) && !t.Failed(); {
		b := newBatch()
		for range batchSize {
			g := &generator{Rand: random, name: names[random.IntN(len(names))], sessions: stored}
			sites := storedSites
			if random.IntN(2) == 0 {
				g.sessions, sites = signed, signedSites
			}
			fields, ordinary := g.next()
			b.pass(t, sites, g.name, fields, ordinary)
		}
		of := readAll(t, all, b.requests)
		count.add(b, len(of))
		if i := slices.IndexFunc(b.exchanges, func(e exchange) bool { return e.fault(of) != "" }); i >= 0 {
			e := b.exchanges[i].smallest(t, all)
			t.Errorf("CLOAKROOM_SEED=%d\nname:     %s\nsite:     %s\nrequest:  %q\nupstream: %q\n%s",
				seed, e.name, e.site.name, e.fields, e.passage.fields, e.check(t, all))
		}
	}
	note(t, "readers", count.String(time.Since(began), seed, missing))
}

// checkReaders checks that every reader reads at all.
func checkReaders(t *testing.T, all []library) {
	t.Helper()
	for name, got := range readAll(t, all, [][]string{{"a=1; sessionid=" + stored[0]}, {}}) {
		if session := got[0]["sessionid"]; !slices.Equal(session, stored[:1]) {
			t.Fatalf("%s reads the session cookie as %q", name, session)
		}
		if len(got[1]) != 0 {
			t.Fatalf("%s reads %q, and there is no cookie", name, got[1])
		}
	}
}

// budget returns a function that reports whether more requests are to be compared.
func budget(t *testing.T) func(done int) bool {
	t.Helper()
	text := os.Getenv("CLOAKROOM_FUZZ")
	if text == "" {
		return func(done int) bool { return done < usualRequests }
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CLOAKROOM_FUZZ: %v", err)
	}
	end := time.Now().Add(d)
	return func(int) bool { return time.Now().Before(end) }
}

// counts is how much was compared.
type counts struct {
	requests, readers, exchanges, refused, rewritten, readings int
}

func (c *counts) add(b *batch, readers int) {
	c.requests += batchSize
	c.readers = readers
	for i := range b.exchanges {
		e := &b.exchanges[i]
		c.exchanges++
		switch {
		case e.refused:
			c.refused++
			continue
		case !slices.Equal(e.fields, e.passage.fields):
			c.rewritten++
		}
		c.readings += readers
	}
}

func (c *counts) String(took time.Duration, seed uint64, missing []string) string {
	line := fmt.Sprintf("%d requests with any Cookie fields on %d or %d sites (%d refused, %d rewritten, %d as they were) read by %d parsers, %d readings of the session cookie, in %.0f s (CLOAKROOM_SEED=%d)",
		c.requests, len(storedSites), len(signedSites), c.refused, c.rewritten, c.exchanges-c.refused-c.rewritten, c.readers, c.readings, took.Seconds(), seed)
	for _, name := range missing {
		line += "; LEFT OUT: " + name
	}
	return line
}

// note writes a line for `make test` to show.
func note(t *testing.T, name, line string) {
	t.Helper()
	t.Log(line)
	if t.Failed() {
		line += " (WITH FAILURES)"
	}
	if err := testenv.Summarize("cookies-"+name, "cookies: "+line); err != nil {
		t.Fatal(err)
	}
}
