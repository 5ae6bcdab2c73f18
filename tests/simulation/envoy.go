package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"cloakroom/filter"
	"cloakroom/filter/config"
	"cloakroom/filter/worker"
)

// envoy is one process: workers, the data that they share, and one clock.
type envoy struct {
	w      *world
	n      int
	clock  clock
	down   bool
	vms    []*vm
	shared map[string]worker.SharedData
	links  []link // to each replica
	faults
}

// link is what is wrong between an Envoy and a replica.
type link struct{ faults }

// vm is one worker of an Envoy with the real filter in it. It carries the filter's outputs out
// as package plugin does.
type vm struct {
	w       *world
	e       *envoy
	n       int
	dead    bool
	worker  *worker.Worker
	keys    []string
	at      time.Time // of the callback at hand, or one before
	quick   bool
	ticking uint64
	streams []*request       // that have not ended
	spare   []*worker.Stream // whose memory is used again, as that of the plugin's streams is
	calls   []*callout       // under way
	refused []*worker.Call
	leases  []lease
	replies []reply
	inside  int
}

type lease struct {
	write worker.Write
	done  bool
}

// reply is a local reply, which enters the VM again when the callback at hand has ended.
type reply struct {
	r       *request
	status  int
	headers filter.Headers
	direct  bool // response headers were there already: the filter does not see it
}

func newEnvoy(w *world, n int) *envoy {
	e := &envoy{w: w, n: n, clock: clock{w: w}, links: make([]link, w.plan.replicas), vms: make([]*vm, w.plan.workers)}
	e.begin()
	return e
}

func (e *envoy) begin() {
	e.down, e.shared = false, map[string]worker.SharedData{}
	for i := range e.vms {
		e.newVM(i)
	}
}

func (e *envoy) newVM(n int) {
	config, err := config.Parse(e.w.plan.config(), nil)
	if err != nil {
		panic(err)
	}
	v := &vm{w: e.w, e: e, n: n}
	v.worker = worker.New(config, worker.Options{ID: fmt.Sprintf("%d.%d.%d", e.n, n, e.w.draw(forTick))})
	v.keys = v.worker.SharedKeys()
	e.vms[n] = v
	v.tickIn(e.w.between(0, worker.Housekeeping, forTick, uint64(n)))
}

// fail ends the VM: its streams end, and its callouts have no callback.
func (v *vm) fail() {
	v.dead = true
	v.ticking++
	for _, c := range v.calls {
		c.over = true
	}
	for _, r := range append([]*request(nil), v.streams...) {
		r.broken()
	}
}

func (e *envoy) die() {
	e.down = true
	for _, v := range e.vms {
		if !v.dead {
			v.fail()
		}
	}
}

func (v *vm) String() string { return fmt.Sprintf("envoy %d.%d", v.e.n, v.n) }

// now reads the clock.
func (v *vm) now() time.Time {
	v.at = v.e.clock.now()
	return v.at
}

// tickIn has the VM tick d from now, and not when it would have.
func (v *vm) tickIn(d time.Duration) {
	v.ticking++
	n := v.ticking
	v.w.after(d, func() {
		if v.ticking == n {
			v.tick()
		}
	})
}

func (v *vm) tick() {
	now := v.now()
	var shared []worker.SharedData
	if v.worker.Due(now) {
		for _, key := range v.keys {
			shared = append(shared, v.e.shared[key])
		}
	}
	o := v.worker.Tick(shared, now)
	if !o.Soon {
		v.quick = false
	}
	v.perform(o, nil, 0)
	d := worker.Housekeeping
	if v.quick {
		d = time.Millisecond
	}
	v.tickIn(d)
}

// perform carries an output out, and what follows from what is refused.
func (v *vm) perform(o *worker.Output, r *request, d worker.Direction) {
	v.inside++
	for o != nil {
		if o.Decided && r != nil {
			v.act(r, d, &o.Action)
		}
		for i := range o.Resumed {
			step := &o.Resumed[i]
			if other := v.w.requests[step.Stream.ID]; other.stream == step.Stream && !other.done {
				v.act(other, step.Direction, &step.Action)
			} else {
				v.w.fail(2, "%s goes on with a stream that is gone", v)
			}
		}
		for _, s := range o.Closed {
			v.w.requests[s.ID].closed()
		}
		for _, text := range o.Warnings {
			v.w.tell(v.String(), "warns: %s", text)
		}
		for i := range o.Writes {
			v.write(&o.Writes[i])
		}
		for _, c := range o.Calls {
			if !v.dispatch(c) {
				v.refused = append(v.refused, c)
			}
		}
		if o.Soon && !v.quick {
			v.quick = true
			v.tickIn(time.Millisecond)
		}
		o = v.followUp()
	}
	v.inside--
	for v.inside == 0 && len(v.replies) > 0 {
		next := v.replies[0]
		v.replies = v.replies[1:]
		headers := append(filter.Headers{{":status", strconv.Itoa(next.status)}}, next.headers...)
		switch {
		case next.r.done:
		case next.direct:
			next.r.answered(headers)
		default:
			next.r.respond(headers)
		}
	}
}

func (v *vm) followUp() *worker.Output {
	if n := len(v.refused); n > 0 {
		c := v.refused[n-1]
		v.refused = v.refused[:n-1]
		return v.worker.Refused(c, filter.NotSent, v.at)
	}
	if n := len(v.leases); n > 0 {
		l := v.leases[n-1]
		v.leases = v.leases[:n-1]
		return v.worker.Written(l.write, l.done, v.at)
	}
	return nil
}

// write writes shared data. As in Envoy the CAS is checked only where there is data.
func (v *vm) write(write *worker.Write) {
	before, there := v.e.shared[write.Key]
	done := !there || write.CAS == 0 || write.CAS == before.CAS
	if done {
		v.e.shared[write.Key] = worker.SharedData{Value: strings.Clone(write.Value), CAS: before.CAS + 1}
	}
	if write.Lease {
		v.leases = append(v.leases, lease{*write, done})
	}
}

// act carries out what becomes of a stream.
func (v *vm) act(r *request, d worker.Direction, a *filter.Action) {
	if a.Verdict == filter.ReadHeaders {
		headers, spoil := lend(r.headers)
		completed := v.worker.Complete(r.stream, headers)
		completed.Edits = kept(completed.Edits)
		completed.Reply = keptReply(completed.Reply)
		spoil()
		a = &completed
	}
	r.waits = 0
	if a.Verdict == filter.Continue {
		edits := kept(a.Edits)
		r.stream.Resumed()
		if d == worker.Request {
			r.admitted(a.Outcome, edited(r.headers, edits))
		} else {
			r.answered(edited(r.response, edits))
		}
		return
	}
	out := keptReply(a.Reply)
	if out == nil || out.Status == 0 {
		out = &filter.LocalReply{Status: 503}
	}
	r.refusal, r.local = a.Outcome, true
	v.replies = append(v.replies, reply{r, out.Status, out.Headers, d == worker.Response})
}

// end drops a stream that is over.
func (v *vm) end(r *request) {
	for i, other := range v.streams {
		if other == r {
			v.streams = append(v.streams[:i], v.streams[i+1:]...)
			break
		}
	}
	if v.dead {
		return
	}
	v.worker.StreamDone(r.stream)
	v.spare = append(v.spare, r.stream)
	r.stream = nil
}

// newStream returns the memory of a new stream.
func (v *vm) newStream(id uint32) *worker.Stream {
	if n := len(v.spare); n > 0 {
		s := v.spare[n-1]
		v.spare = v.spare[:n-1]
		s.ID = id
		return s
	}
	return &worker.Stream{ID: id}
}

// lend returns headers whose text lies in memory that is spoilt when the callback is over, as
// that of a host is used for the next stream.
func lend(h filter.Headers) (borrowed filter.Headers, spoil func()) {
	size := 0
	for i := range h {
		size += len(h[i][0]) + len(h[i][1])
	}
	memory := make([]byte, 0, size)
	borrowed = make(filter.Headers, len(h))
	for i := range h {
		for j := range 2 {
			from := len(memory)
			memory = append(memory, h[i][j]...)
			borrowed[i][j] = unsafe.String(unsafe.SliceData(memory[from:]), len(memory)-from)
		}
	}
	return borrowed, func() {
		for i := range memory {
			memory[i] = '!'
		}
	}
}

func kept(edits []filter.Edit) []filter.Edit {
	out := make([]filter.Edit, len(edits))
	for i, e := range edits {
		out[i] = filter.Edit{Op: e.Op, Name: strings.Clone(e.Name), Value: strings.Clone(e.Value)}
	}
	return out
}

func keptReply(r *filter.LocalReply) *filter.LocalReply {
	if r == nil {
		return nil
	}
	out := *r
	out.Headers = make(filter.Headers, len(r.Headers))
	for i, field := range r.Headers {
		out.Headers[i] = [2]string{strings.Clone(field[0]), strings.Clone(field[1])}
	}
	return &out
}

// edited returns headers with the edits made.
func edited(h filter.Headers, edits []filter.Edit) filter.Headers {
	out := append(filter.Headers(nil), h...)
	for _, e := range edits {
		if e.Op != filter.Add {
			n := 0
			for _, field := range out {
				if field[0] != e.Name {
					out[n] = field
					n++
				}
			}
			out = out[:n]
		}
		if e.Op != filter.Remove {
			out = append(out, [2]string{e.Name, e.Value})
		}
	}
	return out
}
