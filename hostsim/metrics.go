package hostsim

import (
	"sync"

	"cloakroom/hostsim/internal/abi"
)

// MetricKind is the ABI's metric type; it also stands in the low bits of an id.
type MetricKind uint32

// The kinds of metrics.
const (
	Counter MetricKind = iota
	Gauge
	Histogram

	metricKindMask = 3
	metricIDStep   = 4
)

// Metric is one number that all VMs share. A histogram counts its samples.
type Metric struct {
	Kind  MetricKind
	Value uint64
}

// metricStore holds the metrics of a host by kind and name.
type metricStore struct {
	mu     sync.Mutex
	byName map[string]*Metric
}

// metricName is how Envoy names a guest's metric.
func metricName(name string) string { return "wasmcustom." + name }

// named gives the metric of that name, made on first use.
func (s *metricStore) named(kind MetricKind, name string) *Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.byName[metricName(name)]
	if m == nil {
		m = &Metric{Kind: kind}
		s.byName[metricName(name)] = m
	}
	return m
}

func (s *metricStore) snapshot() map[string]Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Metric, len(s.byName))
	for name, m := range s.byName {
		out[name] = *m
	}
	return out
}

// metricTable is one VM's view: ids are the VM's own, numbers are shared.
type metricTable struct {
	store *metricStore
	byID  map[uint32]*Metric
	next  [3]uint32
}

func (t *metricTable) define(kind uint32, name string) (uint32, abi.Status) {
	if kind > uint32(Histogram) {
		return 0, abi.BadArgument
	}
	t.next[kind]++
	id := t.next[kind]*metricIDStep | kind
	t.byID[id] = t.store.named(MetricKind(kind), name)
	return id, abi.OK
}

func (t *metricTable) increment(id uint32, offset int64) abi.Status {
	kind := MetricKind(id & metricKindMask)
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

func (t *metricTable) record(id uint32, value uint64) abi.Status {
	m := t.byID[id]
	if m == nil {
		return abi.NotFound
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	switch MetricKind(id & metricKindMask) {
	case Counter:
		m.Value += value
	case Gauge:
		m.Value = value
	case Histogram:
		m.Value++
	}
	return abi.OK
}

func (t *metricTable) get(id uint32) (uint64, abi.Status) {
	if kind := MetricKind(id & metricKindMask); kind != Counter && kind != Gauge {
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
