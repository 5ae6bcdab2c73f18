package service

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are labelled with the API's paths and HTTP's statuses, with nothing that a caller could
// choose.
type metrics struct {
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	storeErrors *prometheus.CounterVec
	unreadable  prometheus.Counter
	withheld    prometheus.Counter
	replays     prometheus.Counter
	large       prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_requests_total", Help: "Requests answered, by path and status.",
		}, []string{"path", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cloakroom_request_seconds", Help: "Time to respond to a request, by path.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12),
		}, []string{"path"}),
		storeErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloakroom_store_errors_total", Help: "Requests that the store failed, by path.",
		}, []string{"path"}),
		unreadable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cloakroom_unreadable_sessions_total",
			Help: "Stored sessions met that cannot be read: tampered with, signed with another key, or of a form that is not known.",
		}),
		withheld: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cloakroom_withheld_sessions_total",
			Help: "Look-ups of sessions with values that JSON cannot show, which were left out.",
		}),
		large: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cloakroom_large_sessions_total",
			Help: "Look-ups of sessions over 1 MiB, whose data was left out.",
		}),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cloakroom_replayed_keys_total",
			Help: "Sessions ended because a rotated key was used after its grace period.",
		}),
	}
	registry.MustRegister(m.requests, m.seconds, m.storeErrors, m.unreadable, m.withheld, m.replays, m.large)
	return m
}

func (m *metrics) handler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// observe counts and times the requests of one path, including those within batches. Times are the
// host's, not those of the service's clock.
func (m *metrics) observe(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		m.observed(path, recorder.status, start)
	})
}

func (m *metrics) observed(path string, status int, start time.Time) {
	m.requests.WithLabelValues(path, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(path).Observe(time.Since(start).Seconds())
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader records the status.
func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the wrapped writer, so that http.MaxBytesReader can close the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
