package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"cloakroom/filter"
	"cloakroom/filter/worker"
)

// browser is one with a cookie of its own; two browsers share a user.
type browser struct {
	w      *world
	n      int
	user   string
	cookie string
	past   []string // the keys that it has had
}

func newBrowser(w *world, n int) *browser {
	b := &browser{w: w, n: n, user: fmt.Sprint("u", n/2)}
	b.cookie = w.oracle.firstSession(b)
	b.past = append(b.past, b.cookie)
	return b
}

func (b *browser) String() string { return fmt.Sprint("browser ", b.n) }

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// request is one of a browser's, through an Envoy to an upstream and back.
type request struct {
	w    *world
	id   uint32
	it   *item
	kind kind
	b    *browser
	v    *vm

	cookie  string
	lineage *lineage // the cookie's, when it was sent; nil: none
	tag     string   // of the session that it begins
	user    string   // whom it logs in

	stream     *worker.Stream
	headers    filter.Headers
	response   filter.Headers
	arrived    time.Duration
	waits      time.Duration // since when it waits for the filter; 0: it does not
	as         string        // whom the upstream took it for
	passed     bool
	local      bool           // the answer is the filter's
	refusal    filter.Outcome // why
	opened     bool           // it stays open
	answeredAt time.Duration
	done       bool
	last       bool   // of the history: everything is well again
	did        string // what Django did to the session
	wrote      string // the name that it stored something under
}

func (r *request) String() string { return fmt.Sprintf("request %d", r.id) }

// ask sends a request.
func (b *browser) ask(it *item) *request {
	w := b.w
	r := &request{w: w, id: uint32(len(w.requests)), it: it, kind: it.kind, b: b, cookie: b.cookie, user: b.user}
	w.requests = append(w.requests, r)
	w.stats.requests++
	e := w.envoys[it.envoy]
	r.v = e.vms[it.worker%len(e.vms)]
	r.tag = fmt.Sprint("T", r.id)
	if w.chance(20, forBrowser, uint64(b.n)) {
		r.user = fmt.Sprint("u", w.draw(forBrowser, 1)%2)
	}
	w.oracle.begins(r)
	w.tell(b.String(), "asks for %s by %s with %s (%s)", kindNames[r.kind], r.v, w.oracle.name(r.cookie), r)
	w.after(w.between(0, 2*time.Millisecond, forBrowser, 2), r.arrive)
	return r
}

// routes are the names of Envoy's routes; "" is the one that needs a session.
var routes = map[kind]string{visit: "visit", login: "visit", djangoLogin: "visit"}

func (r *request) arrive() {
	w, v := r.w, r.v
	if r.done {
		return
	}
	if v.dead || v.e.down {
		r.broken()
		return
	}
	method, path := "GET", "/"+strings.ReplaceAll(kindNames[r.kind], " ", "-")
	if r.kind == logout {
		method, path = "POST", "/logout/"
	}
	r.headers = filter.Headers{{":method", method}, {":path", path}, {":authority", "site.test"}, {"sec-fetch-mode", "cors"}, {"x-user-id", "forged"}}
	if r.cookie != "" {
		r.headers = append(r.headers, [2]string{"cookie", "sessionid=" + r.cookie})
	}
	r.stream, r.arrived = v.newStream(r.id), w.now
	v.streams = append(v.streams, r)
	route, err := v.worker.Route(routes[r.kind], nil)
	if err != nil {
		panic(err)
	}
	r.wait()
	headers, spoil := lend(r.headers)
	v.perform(v.worker.Request(r.stream, headers, route, v.now()), r, worker.Request)
	spoil()
}

// patience is within what a request or a response that waits for the filter goes on: a callout
// may wait for a housekeeping, and takes engine.service.timeout at most.
const patience = 700 * time.Millisecond

// wait notes that the request waits for the filter from now on.
func (r *request) wait() {
	r.waits = max(r.w.now, 1)
	since := r.waits
	r.w.after(patience, func() {
		if !r.done && r.waits == since {
			r.w.fail(4, "%s of %s (%s) still waits for the filter after %s", r, r.b, kindNames[r.kind], patience)
		}
	})
}

// admitted has the request pass to its upstream.
func (r *request) admitted(outcome filter.Outcome, headers filter.Headers) {
	if r.done {
		r.w.fail(2, "%s passes, though it is gone", r)
		return
	}
	r.passed, r.as = true, headers.Get("x-user-id")
	r.headers = headers
	r.w.tell(r.v.String(), "passes %s as %q (%s)", r, r.as, filter.Outcomes[outcome])
	r.w.oracle.admitted(r, outcome, headers)
	r.w.after(r.w.between(100*time.Microsecond, 20*time.Millisecond, forBrowser, 3), r.upstream)
}

// respond hands response headers to the filter.
func (r *request) respond(headers filter.Headers) {
	v := r.v
	if r.done || v.dead {
		return
	}
	r.response = headers
	if !r.local && r.stream.SkipsResponse() {
		r.answered(headers)
		return
	}
	if r.stream.NeedsTime() {
		v.now()
	}
	r.wait()
	lent, spoil := lend(headers)
	v.perform(v.worker.Response(r.stream, lent, v.at), r, worker.Response)
	spoil()
}

// answered sends the response to the browser.
func (r *request) answered(headers filter.Headers) {
	if r.done {
		return
	}
	w := r.w
	r.waits, r.answeredAt = 0, w.now
	status := headers.Get(":status")
	w.oracle.answered(r, status, headers)
	if r.kind == open && !r.local && status == "200" {
		r.opened = true
		w.after(time.Duration(w.draw(forBrowser, 4)%8000)*time.Millisecond, func() { r.leave() })
	} else {
		r.done = true
		w.after(0, func() { r.v.end(r) })
	}
	w.after(w.between(50*time.Microsecond, 3*time.Millisecond, forBrowser, 5), func() { r.delivered(status, headers) })
}

// delivered is the response at the browser, which takes its cookies.
func (r *request) delivered(status string, headers filter.Headers) {
	r.w.tell(r.b.String(), "gets %s to %s", status, r)
	for _, field := range headers {
		if field[0] != "set-cookie" {
			continue
		}
		if key, ok := sessionCookie(field[1]); ok {
			r.b.cookie = key
			if key != "" {
				r.b.past = append(r.b.past, key)
			}
			r.w.tell(r.b.String(), "has %s now", r.w.oracle.name(key))
		}
	}
	r.w.oracle.delivered(r, status)
}

// sessionCookie returns the session key that a Set-Cookie sets; "" where it deletes it.
func sessionCookie(line string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(line, "sessionid=")
	if !ok {
		return "", false
	}
	key, attributes, _ := strings.Cut(rest, ";")
	if key == `""` || strings.Contains(strings.ToLower(attributes), "max-age=0") {
		key = ""
	}
	return key, true
}

// leave is the browser's end of a request that is not over.
func (r *request) leave() {
	if !r.done {
		r.done = true
		r.w.tell(r.b.String(), "leaves %s", r)
		if r.stream != nil {
			r.v.end(r)
		}
	}
}

// broken is the end of a request whose VM is gone.
func (r *request) broken() {
	if !r.done {
		r.done = true
		r.w.tell(r.b.String(), "gets no answer to %s: the worker is gone", r)
		if r.stream != nil {
			r.v.end(r)
		}
	}
}

// closed is the end of a stream that the filter closes.
func (r *request) closed() {
	w := r.w
	if r.done {
		if r.answeredAt != w.now { // else the end of its session came with its answer
			w.fail(2, "%s is closed, though it is gone", r)
		}
		return
	}
	w.tell(r.v.String(), "closes %s", r)
	w.oracle.closed(r)
	r.done = true
	w.after(0, func() { r.v.end(r) })
}
