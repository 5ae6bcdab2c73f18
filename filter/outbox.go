package filter

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// batchPath takes several calls in one request: a line for each, of its path, a space
// and its JSON; and answers a line for each, in the same order, of its number from 0
// on, its status and its JSON.
const batchPath = "/v1/batch"

// maxBatch is how many calls go together.
const maxBatch = 32

// patience is how long a callout may be under way before the next goes beside it.
const patience = 5 * time.Millisecond

// TooLarge is the status of a call whose answer has no room in the batch's: it is to
// be asked alone.
const TooLarge = "413"

// Outbox joins the callouts of one worker to one session service. While one is under
// way the others wait, unless it takes long, and then go together: under load callouts
// get larger, not more. W is whoever gets the answer. The zero value is ready.
type Outbox[W any] struct {
	underway int
	sent     time.Time // the last
	waiting  []Parcel[W]
	spare    []Parcel[W] // memory, for those that wait next
}

// Parcel is a callout and whom its answer is for.
type Parcel[W any] struct {
	Callout Callout
	For     W
}

// Put takes a callout and gives what is to be sent now, the callout among it, or nothing.
// One that may wait and is waiting already is not taken again: w hears nothing.
func (o *Outbox[W]) Put(c Callout, w W, now time.Time) []Parcel[W] {
	if strings.IndexByte(c.Body, '\n') >= 0 {
		o.underway++
		return []Parcel[W]{{c, w}} // it would be two lines of a batch
	}
	if c.Later && slices.ContainsFunc(o.waiting, func(p Parcel[W]) bool { return p.Callout == c }) {
		return nil // many requests may find one session due
	}
	o.waiting = append(o.waiting, Parcel[W]{c, w})
	if c.Later && len(o.waiting) < maxBatch {
		return nil
	}
	return o.next(now)
}

// Returned has the answer to what was sent, or that it could not be sent, and gives
// what is to be sent now.
func (o *Outbox[W]) Returned(now time.Time) []Parcel[W] {
	o.underway--
	for _, p := range o.waiting {
		if !p.Callout.Later {
			return o.next(now)
		}
	}
	return nil
}

// Tick gives what has waited for company long enough.
func (o *Outbox[W]) Tick(now time.Time) []Parcel[W] { return o.next(now) }

func (o *Outbox[W]) next(now time.Time) []Parcel[W] {
	if len(o.waiting) == 0 || (o.underway > 0 && now.Sub(o.sent) < patience) {
		return nil
	}
	o.underway++
	o.sent = now
	n := min(len(o.waiting), maxBatch)
	batch := o.waiting[:n:n]
	o.waiting, o.spare = append(o.spare, o.waiting[n:]...), nil
	return batch
}

// Done has a batch of which everybody has heard, for its memory.
func (o *Outbox[W]) Done(batch []Parcel[W]) {
	clear(batch)
	o.spare = batch[:0]
}

// ContentType is of the callout's body.
func (c Callout) ContentType() string {
	if c.Path == batchPath {
		return "text/plain"
	}
	return "application/json"
}

// Join makes one callout of several to one service. Its body holds until memory is used
// again.
func Join[W any](batch []Parcel[W], memory *[]byte) Callout {
	joined := batch[0].Callout
	if len(batch) == 1 {
		return joined
	}
	body := (*memory)[:0]
	for i := range batch {
		c := &batch[i].Callout
		body = append(append(append(append(body, c.Path...), ' '), c.Body...), '\n')
		joined.Timeout = max(joined.Timeout, c.Timeout)
	}
	*memory = body
	joined.Path, joined.Body, joined.Later = batchPath, textOf(body), false
	return joined
}

// Split appends the answers to n joined callouts. Where their number or their order is in
// doubt there is no answer to any.
func Split(dst []Answer, a Answer, n int) []Answer {
	if n == 1 {
		return append(dst, a)
	}
	first, rest := len(dst), a.Body
	for i := range n {
		line, more, ended := cut(rest, '\n')
		number, line, _ := cut(line, ' ')
		status, body, ok := cut(line, ' ')
		if a.Status != "200" || !ended || !ok || number != strconv.Itoa(i) || (i == n-1 && more != "") {
			return append(dst[:first], make([]Answer, n)...)
		}
		dst, rest = append(dst, Answer{Status: status, Body: body}), more
	}
	return dst
}
