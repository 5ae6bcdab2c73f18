// Package metrics stores the metrics of the guests.
package metrics

import (
	"sync"

	"cloakroom/hostsim/internal/abi"
)

// Kind is a metric type of the ABI. The low bits of a metric's id hold it.
type Kind uint32

// The kinds of metrics.
const (
	Counter Kind = iota
	Gauge
	Histogram

	kindMask = 3
	idStep   = 4
)

// Metric is one number, which all VMs share. That of a histogram is the number of samples.
type Metric struct {
	Kind  Kind
	Value uint64
}

// Store holds the metrics of a host. It is safe for concurrent use.
type Store struct {
	mu     sync.Mutex
	byName map[string]*Metric
}

// envoyName returns Envoy's name of a guest's metric.
func envoyName(name string) string { return "wasmcustom." + name }

// metric returns the metric of a name; the first use creates it, with its kind.
func (s *Store) metric(kind Kind, name string) *Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.byName[envoyName(name)]
	if m == nil {
		m = &Metric{Kind: kind}
		s.byName[envoyName(name)] = m
	}
	return m
}

// Snapshot returns a copy of all metrics, by Envoy's names.
func (s *Store) Snapshot() map[string]Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Metric, len(s.byName))
	for name, m := range s.byName {
		out[name] = *m
	}
	return out
}

// Table holds the metrics that one VM has defined, by the ids of that VM. It is not safe for
// concurrent use.
type Table struct {
	store *Store
	byID  map[uint32]*Metric
	next  [3]uint32
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{byName: map[string]*Metric{}} }

// NewTable returns an empty table over a store.
func NewTable(s *Store) *Table {
	return &Table{store: s, byID: map[uint32]*Metric{}}
}

// Define returns a new id for the metric of a kind and a name.
func (t *Table) Define(kind uint32, name string) (uint32, abi.Status) {
	if kind > uint32(Histogram) {
		return 0, abi.BadArgument
	}
	t.next[kind]++
	id := t.next[kind]*idStep | kind
	t.byID[id] = t.store.metric(Kind(kind), name)
	return id, abi.OK
}

// Increment adds offset to a counter or a gauge; that of a counter must be positive.
func (t *Table) Increment(id uint32, offset int64) abi.Status {
	kind := Kind(id & kindMask)
	m := t.byID[id]
	switch {
	case kind != Counter && kind != Gauge:
		return abi.BadArgument
	case m == nil:
		return abi.NotFound
	case kind == Counter && offset <= 0:
		return abi.BadArgument
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	m.Value += uint64(offset)
	return abi.OK
}

// Record adds value to a counter, sets a gauge, or adds a sample to a histogram.
func (t *Table) Record(id uint32, value uint64) abi.Status {
	m := t.byID[id]
	if m == nil {
		return abi.NotFound
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	switch Kind(id & kindMask) {
	case Counter:
		m.Value += value
	case Gauge:
		m.Value = value
	case Histogram:
		m.Value++
	}
	return abi.OK
}

// Get returns the value of a counter or a gauge.
func (t *Table) Get(id uint32) (uint64, abi.Status) {
	if kind := Kind(id & kindMask); kind != Counter && kind != Gauge {
		return 0, abi.BadArgument
	}
	m := t.byID[id]
	if m == nil {
		return 0, abi.NotFound
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return m.Value, abi.OK
}
