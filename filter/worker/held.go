package worker

// Held is what a worker holds for streams and callouts, besides the cache. With all streams
// done and all callouts answered every number is 0.
type Held struct {
	Waiting, WaitingBytes int // streams that wait, and the bodies of their callouts
	Backlog               int // streams that wait for a later callback
	Flights               int // look-ups under way
	Watches, Watched      int // sessions with open streams, and these streams
	Due                   int // sessions with open streams that are to be looked up again
	Queued, UnderWay      int // calls that wait to be batched, and callouts under way
}

// Held returns what the worker holds.
func (w *Worker) Held() (h Held) {
	h.Waiting, h.WaitingBytes, h.Backlog = w.waiting, w.waitBytes, w.backlog.len()
	for _, v := range w.order {
		for _, l := range v.each() {
			h.Flights += len(l.flights)
			h.Watches += len(l.watches.byHash)
			h.Due += len(l.watches.due)
			for _, at := range l.watches.byHash {
				h.Watched += len(at.streams)
			}
		}
	}
	for _, b := range w.batching {
		h.Queued += len(b.queue)
		h.UnderWay += b.underWay
	}
	return h
}
