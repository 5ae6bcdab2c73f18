package hostsim

import "time"

// Faults make a Host fail on purpose. With the same seed and the same requests, one after the
// other, a run is reproducible.
type Faults struct {
	Seed   uint64
	Faults []Fault
}

// Fault is one kind of fault. It happens on the Nth occasion, on every Every-th one, or at
// random with likelihood Share; if none of the three is set, on each occasion.
type Fault struct {
	// On is where it happens: the name of a callback (proxy_on_request_headers) or of a host
	// call (proxy_set_shared_data), or "callout".
	On      string
	Cluster string // of a callout; empty for any
	Path    string // of a callout; empty for any
	// Do is what happens. In a callback: trap; in proxy_on_memory_allocate also fail, which
	// makes it return 0. In a host call: trap, or the status that it returns instead:
	// not_found, bad_argument, serialization_failure, parse_failure, invalid_memory_access,
	// empty, cas_mismatch, internal_failure, unimplemented. To a callout: delay (it is sent
	// after By), refuse (the connection is refused), reset (the response is cut off after its
	// headers) and late (the response arrives when the stream that made the callout has ended).
	Do    string
	By    time.Duration
	Nth   int     // from 1 on
	Every int     // 2: the second occasion, the fourth, …
	Share float64 // from 0 to 1, at random by Faults.Seed
}
