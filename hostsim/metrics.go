package hostsim

// MetricKind is the type of a metric, numbered as in the proxy-wasm ABI.
type MetricKind uint32

// The kinds of metrics.
const (
	Counter MetricKind = iota
	Gauge
	Histogram
)

// Metric is the value of one metric, which all VMs of a Host share. The value of a
// histogram is the number of its samples.
type Metric struct {
	Kind  MetricKind
	Value uint64
}
