package hostsim

import "time"

// Faults are what is to go wrong. The same seed, with the same requests one after
// the other, makes the same run.
type Faults struct {
	Seed   uint64
	Faults []Fault
}

// Fault is one thing that goes wrong: the Nth time that it could, every so many
// times, or with a likelihood; where none of the three is given, each time.
type Fault struct {
	// On is where: a callback (proxy_on_request_headers) or a host call
	// (proxy_set_shared_data) by its name, or "callout".
	On      string
	Cluster string // with a callout: of which cluster; empty: of any
	Path    string // and to which path; empty: to any
	// Do is what happens. In a callback: trap; in proxy_on_memory_allocate also
	// fail, which is 0 for an address. In a host call: trap, or a status for an answer:
	// not_found, bad_argument, serialization_failure, invalid_memory_access, empty,
	// cas_mismatch, internal_failure. To a callout: delay (it goes out By later), refuse
	// (nobody listens), reset (the answer breaks off after its headers) and late (the
	// answer comes when the stream that asked has ended).
	Do    string
	By    time.Duration
	Nth   int     // from 1
	Every int     // 2: the second time, the fourth, …
	Share float64 // of all times, at random by Seed: 0 to 1
}
