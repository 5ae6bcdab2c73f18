package hostsim

import "sync"

// metricKind is the ABI's metric type; it also stands in the low bits of an id.
type metricKind uint32

const (
	counter metricKind = iota
	gauge
	histogram

	metricKindMask = 3
	metricIDStep   = 4
)

// metric is one number that all VMs share. A histogram counts its samples.
type metric struct{ value uint64 }

// metricStore holds the metrics of a host by kind and name.
type metricStore struct {
	mu     sync.Mutex
	byName map[string]*metric
}

// metricName is how Envoy names a guest's metric.
func metricName(name string) string { return "wasmcustom." + name }

// named gives the metric of that name, made on first use.
func (s *metricStore) named(name string) *metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.byName[metricName(name)]
	if m == nil {
		m = &metric{}
		s.byName[metricName(name)] = m
	}
	return m
}

func (s *metricStore) snapshot() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]uint64, len(s.byName))
	for name, m := range s.byName {
		out[name] = m.value
	}
	return out
}

// metricTable is one VM's view: ids are the VM's own, numbers are shared.
type metricTable struct {
	store *metricStore
	byID  map[uint32]*metric
	next  [3]uint32
}

func (t *metricTable) define(kind uint32, name string) (uint32, status) {
	if kind > uint32(histogram) {
		return 0, badArgument
	}
	t.next[kind]++
	id := t.next[kind]*metricIDStep | kind
	t.byID[id] = t.store.named(name)
	return id, ok
}

func (t *metricTable) increment(id uint32, offset int64) status {
	kind := metricKind(id & metricKindMask)
	m := t.byID[id]
	switch {
	case kind != counter && kind != gauge:
		return badArgument
	case m == nil:
		return notFound
	case kind == counter && offset <= 0:
		return badArgument
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	m.value += uint64(offset)
	return ok
}

func (t *metricTable) record(id uint32, value uint64) status {
	m := t.byID[id]
	if m == nil {
		return notFound
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	switch metricKind(id & metricKindMask) {
	case counter:
		m.value += value
	case gauge:
		m.value = value
	case histogram:
		m.value++
	}
	return ok
}

func (t *metricTable) get(id uint32) (uint64, status) {
	if kind := metricKind(id & metricKindMask); kind != counter && kind != gauge {
		return 0, badArgument
	}
	m := t.byID[id]
	if m == nil {
		return 0, notFound
	}
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	return m.value, ok
}
