package proxy

import (
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"cloakroom/hostsim"
)

// collector is a prometheus.Collector of the plugins' metrics. Their names are those of Envoy's
// /stats/prometheus: without wasmcustom, and with _ for characters that Prometheus does not
// allow. A histogram is reported as its number of samples.
type collector struct {
	metrics func() map[string]hostsim.Metric
}

var kinds = map[hostsim.MetricKind]prometheus.ValueType{
	hostsim.Counter:   prometheus.CounterValue,
	hostsim.Gauge:     prometheus.GaugeValue,
	hostsim.Histogram: prometheus.CounterValue,
}

var notAllowed = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// Describe sends nothing: the metrics are not known before the plugins define them.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the value of each metric.
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
