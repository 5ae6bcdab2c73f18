package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func sentPaths(batch []Parcel[int]) string {
	var all []string
	for _, p := range batch {
		all = append(all, p.Callout.Path)
	}
	return strings.Join(all, " ")
}

// TestOutbox holds what is sent when.
func TestOutbox(t *testing.T) {
	type event struct {
		after time.Duration
		do    string // the path that is put, "returned" or "tick"; a path in brackets may wait
		sent  string
	}
	for _, tt := range []struct {
		name   string
		events []event
	}{
		{"the first goes at once", []event{{0, "a", "a"}}},
		{"others wait, and go together", []event{{0, "a", "a"}, {0, "b", ""}, {0, "c", ""}, {0, "returned", "b c"}, {0, "returned", ""}, {0, "d", "d"}}},
		{"a slow one is passed", []event{{0, "a", "a"}, {patience - 1, "b", ""}, {1, "c", "b c"}, {1, "d", ""}, {0, "returned", ""}, {0, "returned", "d"}}},
		{"a slow one is passed by a tick", []event{{0, "a", "a"}, {1, "b", ""}, {patience, "tick", "b"}}},
		{"what may wait waits for a tick", []event{{0, "(a)", ""}, {0, "(b)", ""}, {0, "tick", "a b"}, {0, "tick", ""}}},
		{"the same waits once", []event{{0, "(a)", ""}, {0, "(b)", ""}, {0, "(a)", ""}, {0, "tick", "a b"}, {0, "(a)", ""}, {patience, "tick", "a"}}},
		{"but what is waited for is never the same", []event{{0, "a", "a"}, {0, "b", ""}, {0, "b", ""}, {0, "returned", "b b"}}},
		{"or for company", []event{{0, "(a)", ""}, {0, "b", "a b"}}},
		{"and does not go by itself before", []event{{0, "a", "a"}, {0, "(b)", ""}, {0, "returned", ""}, {0, "tick", "b"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o Outbox[int]
			now := time.Unix(1, 0)
			var underway [][]Parcel[int]
			for i, e := range tt.events {
				now = now.Add(e.after)
				var got []Parcel[int]
				switch path, later := strings.CutPrefix(strings.TrimSuffix(e.do, ")"), "("); path {
				case "returned":
					// One of those under way: which, does not matter. Its memory is then for others.
					got = o.Returned(now)
					o.Done(underway[0])
					underway = underway[1:]
				case "tick":
					got = o.Tick(now)
				default:
					got = o.Put(Callout{Path: path, Later: later}, i, now)
				}
				if sentPaths(got) != e.sent {
					t.Fatalf("event %d, %s: sent %q, want %q", i, e.do, sentPaths(got), e.sent)
				}
				if got != nil {
					underway = append(underway, got)
				}
				for _, batch := range underway {
					if slices.ContainsFunc(batch, func(p Parcel[int]) bool { return p.Callout.Path == "" }) {
						t.Fatalf("event %d, %s: the memory of a batch under way is used again: %v", i, e.do, batch)
					}
				}
			}
		})
	}
}

// TestOutboxFull holds that batches are bounded, and nothing is lost between them.
func TestOutboxFull(t *testing.T) {
	var o Outbox[int]
	now := time.Unix(1, 0)
	o.Put(Callout{}, -1, now)
	for i := range 2*maxBatch + 1 {
		if o.Put(Callout{}, i, now) != nil {
			t.Fatal("sent while one was under way")
		}
	}
	next := 0
	for _, want := range []int{maxBatch, maxBatch, 1, 0} {
		batch := o.Returned(now)
		if len(batch) != want {
			t.Fatalf("a batch of %d, want %d", len(batch), want)
		}
		for _, p := range batch {
			if p.For != next {
				t.Fatalf("%d goes before %d", p.For, next)
			}
			next++
		}
	}
	for i := range maxBatch {
		if got := o.Put(Callout{Later: true, Body: strconv.Itoa(i)}, i, now); (got != nil) != (i == maxBatch-1) {
			t.Fatalf("%d may wait: %d sent", i, len(got))
		}
	}
}

// TestOutboxLines holds that nothing in a callout can be taken for another one.
func TestOutboxLines(t *testing.T) {
	var o Outbox[int]
	now := time.Unix(1, 0)
	o.Put(Callout{Path: "a"}, 0, now)
	o.Put(Callout{Path: "b"}, 0, now)
	if got := sentPaths(o.Put(Callout{Path: "c", Body: "{}\n/v1/flush {}"}, 0, now)); got != "c" {
		t.Errorf("sent %q, want the one of two lines alone", got)
	}
	if got := sentPaths(o.Returned(now)) + "," + sentPaths(o.Returned(now)); got != ",b" {
		t.Errorf("sent %q afterwards, want what waited, when both have returned", got)
	}
}

func TestJoin(t *testing.T) {
	a := Callout{To: &Destination{"c", "h", "t"}, Path: "/v1/touch", Body: `{"key":"1"}`, Timeout: 1, Later: true}
	b := a
	b.Path, b.Body, b.Timeout = "/v1/lookup", `{"key":"2"}`, 2
	if got := Join([]Parcel[int]{{a, 0}}, new([]byte)); got != a {
		t.Errorf("one alone became %v", got)
	}
	want := Callout{To: a.To, Path: "/v1/batch", Timeout: 2,
		Body: "/v1/touch {\"key\":\"1\"}\n/v1/lookup {\"key\":\"2\"}\n"}
	if got := Join([]Parcel[int]{{a, 0}, {b, 1}}, new([]byte)); got != want {
		t.Errorf("joined %v, want %v", got, want)
	}
}

// TestSplit holds that answers whose number or order is in doubt are nobody's.
func TestSplit(t *testing.T) {
	none := []Answer{{}, {}}
	for _, tt := range []struct {
		name string
		a    Answer
		want []Answer
	}{
		{"two", Answer{"200", "0 200 {\"a\":1}\n1 404 x y\n"}, []Answer{{"200", `{"a":1}`}, {"404", "x y"}}},
		{"none", Answer{}, none},
		{"another status", Answer{"503", "0 200 {}\n1 200 {}\n"}, none},
		{"one too few", Answer{"200", "0 200 {}\n"}, none},
		{"one too many", Answer{"200", "0 200 {}\n1 200 {}\n2 200 {}\n"}, none},
		{"another order", Answer{"200", "1 200 {}\n0 200 {}\n"}, none},
		{"one twice", Answer{"200", "0 200 {}\n0 200 {}\n"}, none},
		{"one left out", Answer{"200", "0 200 {}\n2 200 {}\n"}, none},
		{"cut short", Answer{"200", "0 200 {}\n1 200 {}"}, none},
		{"no status", Answer{"200", "0 200 {}\n1 {}\n"}, none},
		{"a page", Answer{"200", "<!doctype html>\n<title>Welcome</title>\n"}, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Split(nil, tt.a, 2); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if got := Split(nil, Answer{"200", "{}"}, 1); fmt.Sprint(got) != "[{200 {}}]" {
		t.Errorf("one alone: %v", got)
	}
}
