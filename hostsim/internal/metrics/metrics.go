package metrics

import (
	"sync"

	"cloakroom/hostsim/internal/abi"
)

// Kind is the ABI's metric type; it also stands in the low bits of an id.
type Kind uint32

// The kinds of metrics.
const (
	Counter Kind = iota
	Gauge
	Histogram

	kindMask = 3
	idStep   = 4
)

// Metric is one number that all VMs share. A histogram counts its samples.
type Metric struct {
	Kind  Kind
	Value uint64
}

// Store holds the metrics of a host by kind and name.
type Store struct {
	mu     sync.Mutex
	byName map[string]*Metric
}

// envoyName is how Envoy names a guest's metric.
func envoyName(name string) string { return "wasmcustom." + name }

// named gives the metric of that name, made on first use.
func (s *Store) named(kind Kind, name string) *Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.byName[envoyName(name)]
	if m == nil {
		m = &Metric{Kind: kind}
		s.byName[envoyName(name)] = m
	}
	return m
}

func (s *Store) Snapshot() map[string]Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Metric, len(s.byName))
	for name, m := range s.byName {
		out[name] = *m
	}
	return out
}

// Table is one VM's view: ids are the VM's own, numbers are shared.
type Table struct {
	store *Store
	byID  map[uint32]*Metric
	next  [3]uint32
}

func NewStore() *Store { return &Store{byName: map[string]*Metric{}} }

func NewTable(s *Store) *Table {
	return &Table{store: s, byID: map[uint32]*Metric{}}
}

func (t *Table) Define(kind uint32, name string) (uint32, abi.Status) {
	if kind > uint32(Histogram) {
		return 0, abi.BadArgument
	}
	t.next[kind]++
	id := t.next[kind]*idStep | kind
	t.byID[id] = t.store.named(Kind(kind), name)
	return id, abi.OK
}

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
