package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cloakroom/filter/config"
	"cloakroom/session"
)

// TestStreamsEndWithTheService has the session service fall silent with streams open: they are
// closed after end_streams_after and not earlier, and by default not at all.
func TestStreamsEndWithTheService(t *testing.T) {
	for _, tt := range []struct {
		name, config string
		feeds, live  bool // whether the feed and the look-ups are answered
		closed       bool
	}{
		{name: "all is well", config: `"10s"`, feeds: true, live: true},
		{name: "nothing answers", config: `"10s"`, closed: true},
		{name: "nothing answers, by default", config: `"0s"`},
		{name: "the feed alone answers", config: `"10s"`, feeds: true, closed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true,"end_streams_after":`+tt.config))
			h.follow()
			h.cache(keyOf(1), "u1")
			s := h.request(keyOf(1))
			h.feed(feedPage("2", false, session.SessionEvent(keyOf(1)))) // it is looked up again
			for began := h.now; h.now.Sub(began) < 11*time.Second; {
				h.tick()
				if h.now.Sub(began) < 9*time.Second && h.became[s] == "closed" {
					t.Fatalf("closed after %s", h.now.Sub(began))
				}
				for len(h.sent) > 0 {
					if tt.live {
						h.answer(always("200", liveAnswer("u1")))
					} else {
						h.answer(always("503", ""))
					}
				}
				if tt.feeds {
					h.feed(feedPage("2", false))
				}
			}
			if closed := h.became[s] == "closed"; closed != tt.closed {
				t.Errorf("closed: %v, want %v", closed, tt.closed)
			}
			if said := strings.Contains(strings.Join(h.log, " "), "end_streams_after"); said != tt.closed {
				t.Errorf("the log: %q", h.log)
			}
		})
	}
}

func TestEndStreamsAfterIsRefused(t *testing.T) {
	for _, more := range []string{`"end_streams":true,"end_streams_after":"4s"`, `"end_streams_after":"10s"`} {
		if _, err := config.Parse(fmt.Sprintf(cachedConfig, ","+more), nil); err == nil || !strings.Contains(err.Error(), "end_streams_after") {
			t.Errorf("%s: %v", more, err)
		}
	}
}

// TestStreamsOfALaterLookUp: with the feed silent for long, a stream whose session was looked up
// just now is not closed.
func TestStreamsOfALaterLookUp(t *testing.T) {
	h := newHost(t, fmt.Sprintf(cachedConfig, `,"end_streams":true,"end_streams_after":"10s"`))
	h.follow()
	h.now = h.now.Add(time.Minute)
	s := h.request(keyOf(1))
	h.answer(always("200", liveAnswer("u1")))
	h.tick()
	h.want(s, "continue")
	h.now = h.now.Add(10 * time.Second)
	h.tick()
	h.want(s, "closed")
}
