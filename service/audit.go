package service

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"cloakroom/api"
	"cloakroom/service/audit"
)

// traceKey is the key of a context's api.Trace.
type traceKey struct{}

func withTrace(ctx context.Context, t api.Trace) context.Context {
	if t == (api.Trace{}) {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, t)
}

// traceOf returns the Trace in a request's headers.
func traceOf(r *http.Request) api.Trace {
	return api.NewTrace(r.Header.Get(api.RequestIDHeader), r.Header.Get(api.TraceParentHeader))
}

// audit writes a record of the call at hand. Its errors are the log's: they stop nothing.
func (s *service) audit(ctx context.Context, r audit.Record) {
	r.Trace, _ = ctx.Value(traceKey{}).(api.Trace)
	_ = s.Audit.Write(r)
}

// auditOnce is audit for what each look-up of a session finds again.
func (s *service) auditOnce(ctx context.Context, r audit.Record) {
	r.Trace, _ = ctx.Value(traceKey{}).(api.Trace)
	s.Audit.WriteOnce(r)
}

// registerAudit registers the audit log's metrics.
func registerAudit(registry prometheus.Registerer, log *audit.Log) {
	counter := func(name, help string, of func(audit.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(of(log.Stats())) })
	}
	registry.MustRegister(
		counter("cloakroom_audit_errors_total", "Lines of the audit log that could not be written.", func(s audit.Stats) uint64 { return s.Errors }),
		counter("cloakroom_audit_omitted_total", "Lines of the audit log that were left out, over the limit of events that clients can cause at will.", func(s audit.Stats) uint64 { return s.Omitted }),
	)
}
