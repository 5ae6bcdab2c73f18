package sim

import (
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"cloakroom/hostsim"
)

// collector gives the plugins' metrics in Prometheus's form. Names are those of
// Envoy's own /stats/prometheus: without wasmcustom, and with _ for what Prometheus
// does not allow. Of histograms there is the number of samples.
type collector struct {
	metrics func() map[string]hostsim.Metric
}

var kinds = map[hostsim.MetricKind]prometheus.ValueType{
	hostsim.Counter:   prometheus.CounterValue,
	hostsim.Gauge:     prometheus.GaugeValue,
	hostsim.Histogram: prometheus.CounterValue,
}

var notAllowed = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// Describe gives nothing: which metrics there are is the plugins' affair.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect gives each metric's value.
func (c collector) Collect(out chan<- prometheus.Metric) {
	for name, m := range c.metrics() {
		short := notAllowed.ReplaceAllString(strings.TrimPrefix(name, "wasmcustom."), "_")
		if m.Kind == hostsim.Histogram {
			short += "_count"
		}
		desc := prometheus.NewDesc(short, name, nil, nil)
		out <- prometheus.MustNewConstMetric(desc, kinds[m.Kind], float64(m.Value))
	}
}
