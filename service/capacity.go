package service

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloakroom/session"
)

// capacityPause is the time between checks of how full a store is; capacityReminder is the time
// between two equal warnings.
const (
	capacityPause    = 10 * time.Second
	capacityReminder = time.Hour
)

// WatchCapacity logs a warning when a store is nearly full, or when it evicts data. It returns
// when ctx ends.
func WatchCapacity(ctx context.Context, s session.Bounded, log *slog.Logger) {
	var before []string
	var said time.Time
	for first := true; first || pause(ctx, capacityPause); first = false {
		c, err := s.Capacity(ctx)
		if err != nil {
			continue // requests report and log that the store is unavailable
		}
		warnings := c.Warnings()
		if kinds := len(warnings); kinds != len(before) || kinds > 0 && time.Since(said) >= capacityReminder {
			for _, warning := range warnings {
				log.Warn(warning)
			}
			if kinds == 0 {
				log.Info("the store has free memory again", "used", c.Used, "max", c.Max)
			}
			said = time.Now()
		}
		before = slices.Clone(warnings)
	}
}

// capacityCollector collects the metrics of a store that can be full.
type capacityCollector struct {
	store     session.Bounded
	timeout   time.Duration
	used, max *prometheus.Desc
	evicts    *prometheus.Desc
}

func newCapacityCollector(s session.Bounded, timeout time.Duration) *capacityCollector {
	return &capacityCollector{
		store: s, timeout: timeout,
		used:   prometheus.NewDesc("cloakroom_store_used_bytes", "How much memory the store uses.", nil, nil),
		max:    prometheus.NewDesc("cloakroom_store_max_bytes", "How much memory the store may use; 0: no limit. When it is full, revocations fail.", nil, nil),
		evicts: prometheus.NewDesc("cloakroom_store_evicts", "1 where the store deletes sessions and revocations when it is full.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *capacityCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.used
	to <- c.max
	to <- c.evicts
}

// Collect implements prometheus.Collector. While the store is unavailable it sends no metrics.
func (c *capacityCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	is, err := c.store.Capacity(ctx)
	if err != nil {
		return
	}
	evicts := 0.0
	if is.Evicts != "" {
		evicts = 1
	}
	to <- prometheus.MustNewConstMetric(c.used, prometheus.GaugeValue, float64(is.Used))
	to <- prometheus.MustNewConstMetric(c.max, prometheus.GaugeValue, float64(is.Max))
	to <- prometheus.MustNewConstMetric(c.evicts, prometheus.GaugeValue, evicts)
}
