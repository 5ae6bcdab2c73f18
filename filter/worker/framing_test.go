package worker

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"cloakroom/api"
	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/session"
)

// feedAnswer is the service's response to a poll, which it writes by encoding/json.
type feedAnswer struct {
	Cursor string   `json:"cursor"`
	Gap    bool     `json:"gap"`
	Events []string `json:"events"`
}

// ignored is an invalidator that does nothing.
type ignored struct{}

func (ignored) invalidateHash(uint64) {}
func (ignored) invalidateUser(string) {}
func (ignored) invalidateAll()        {}

// FuzzFeed holds that a poll returns the events that the service wrote, and that no response
// yields an event that is not in it, by encoding/json.
func FuzzFeed(f *testing.F) {
	f.Add([]byte(`{"cursor":"8","gap":false,"events":["h0123456789abcdef","u\u2028"]}`), "8", "u7\nh1\n*", false)
	f.Add([]byte(`{"events":["u1"],"events":[],"gap":true,"cursor":""}`), "", "u\xff", true)
	f.Add([]byte(`{"cursor":"8","gap":false,"events":["u1",7]}`), "\n", "", false)
	f.Fuzz(func(t *testing.T, body []byte, cursor, events string, gap bool) {
		before := feed{invalidator: ignored{}, cursor: "7"}
		hostile := before
		if hostile.polled(filter.Answer{Status: "200", Body: string(body)}) {
			var members map[string]json.RawMessage
			var want feedAnswer
			if err := json.Unmarshal(body, &members); err != nil {
				t.Fatalf("%q is read: %v", body, err)
			}
			for name, into := range map[string]any{"cursor": &want.Cursor, "events": &want.Events} {
				if err := json.Unmarshal(members[name], into); err != nil {
					t.Fatalf("%q is read: %s: %v", body, name, err)
				}
			}
			want.Gap = string(members["gap"]) != "false"
			checkPolled(t, &hostile, want)
		}
		want := feedAnswer{strings.ToValidUTF8(cursor, "\ufffd"), gap, strings.Split(strings.ToValidUTF8(events, "\ufffd"), "\n")}
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(want); err != nil {
			t.Fatal(err)
		}
		own := before
		if !own.polled(filter.Answer{Status: "200", Body: line.String()}) {
			t.Fatalf("%q is not read", line.String())
		}
		checkPolled(t, &own, want)
	})
}

// checkPolled compares what a feed has read with what there was to read.
func checkPolled(t *testing.T, f *feed, want feedAnswer) {
	t.Helper()
	if want.Gap {
		want.Events = []string{session.EventAll}
	}
	for i, event := range want.Events {
		if len(event) > maxEvent {
			want.Events[i] = session.EventAll
		}
	}
	if last := want.Events[max(0, len(want.Events)-maxRecent):]; f.seq != uint64(len(want.Events)) || !slices.Equal(f.recent, last) || f.cursor != want.Cursor {
		t.Fatalf("read %d events %q up to %q, want %q up to %q", f.seq, f.recent, f.cursor, last, want.Cursor)
	}
}

// FuzzLines holds that the service finds in a batch the calls that were put into it, each on a
// line, and no others.
func FuzzLines(f *testing.F) {
	f.Add(`{"key":"a"}`, "{}", "\r")
	f.Add("{}\n/v1/flush {}", "", "\u2028 \x00")
	f.Fuzz(func(t *testing.T, first, second, third string) {
		h := newHost(t, `{"engine":{"service":{"cluster":"s"}}}`)
		to := &config.Destination{Cluster: "s"}
		h.w.begin(nil, true, h.now)
		var want, got []string
		for _, body := range []string{"{}", first, second, third, "{}"} { // the first is sent alone
			want = append(want, "/v1/update "+body)
			h.w.send(pendingCall{callout: filter.Callout{To: to, Path: "/v1/update", Body: body}})
		}
		calls := slices.Clone(h.w.end().Calls)
		for len(calls) > 0 {
			c := calls[0]
			calls = calls[1:]
			if c.Path != api.Batch {
				got = append(got, c.Path+" "+c.Body)
			} else {
				lines := strings.SplitAfter(c.Body, "\n")
				if lines[len(lines)-1] != "" {
					t.Fatalf("the last line of %q does not end", c.Body)
				}
				for _, line := range lines[:len(lines)-1] {
					got = append(got, strings.TrimSuffix(line, "\n"))
				}
			}
			calls = append(calls, h.w.CalloutDone(c, filter.Answer{}, h.now).Calls...)
			if len(calls) == 0 {
				calls = slices.Clone(h.w.Tick(nil, h.now).Calls) // a failure has the next wait for it
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("sent %q, want %q", got, want)
		}
	})
}
