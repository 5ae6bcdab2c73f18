// Package service is the session service: session.Store over HTTP, for the filter, which cannot
// open connections of its own. All calls are POST with a JSON object, so that no URL contains a
// key.
//
// That there is no session is a successful response (200 and {"state":"none"}). Any other status
// says nothing about the session.
package service

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cloakroom/api"
	"cloakroom/service/audit"
	"cloakroom/session"
)

// ErrConfig is the error of a Config that cannot be served.
var ErrConfig = errors.New("service configuration")

// DefaultMaxData is the default of Config.MaxData, in bytes.
const DefaultMaxData = 64 << 10

// Config configures a service. The zero values of the fields after Token are their defaults.
type Config struct {
	// Store keeps the sessions. The caller closes it.
	Store session.Store
	// Token is what callers send as "authorization: Bearer TOKEN".
	Token string
	// Accounts are the users that sessions belong to. If nil they are not checked, and a login
	// writes no _auth_user_hash.
	Accounts *Accounts
	// Feed publishes invalidation events to filters. If nil there is no feed, and filters must not
	// cache. The caller closes it.
	Feed session.Feed
	// Tokens are minted with look-ups. If nil there are none, and routes that want one refuse.
	Tokens *Tokens
	// Guard bounds the server's connections. If nil they are not bounded.
	Guard *Guard
	// Open serves without a token, to any client that can connect.
	Open bool
	// MaxData is how many bytes of JSON a session may have after a write.
	MaxData int
	// Timeout bounds the store's work for one request; default 3 s.
	Timeout time.Duration
	// Audit receives what happens to sessions; if nil it is not written. The caller closes it.
	Audit *audit.Log
	// Log receives the operator's messages; default slog.Default. They contain no keys, data or
	// tokens.
	Log *slog.Logger
	// Metrics registers the service's metrics, which /metrics serves; default a new registry.
	Metrics *prometheus.Registry
	// Now is the clock; default time.Now. The store should use the same one.
	Now func() time.Time
	// Random makes new keys; default crypto/rand.Reader.
	Random io.Reader
	// WithTimeout returns a context with a timeout: for one request, or for how long a request for
	// the feed is held; default context.WithTimeout.
	WithTimeout func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
	// Each calls do for each of 0 to n-1, in any order or concurrently, and waits for all;
	// default: each in a goroutine.
	Each func(n int, do func(i int))
}

type service struct {
	Config
	tokenSum [sha256.Size]byte
	metrics  *metrics
	throttle *throttle
	// largeReads holds a token for each large session that is being read.
	largeReads chan struct{}
	lacking    lackingAttributes
	asked      atomic.Bool // for a token, of a service without keys
}

// New returns the handler of a service. Without a token it fails with ErrConfig, unless Open is
// set.
func New(c Config) (http.Handler, error) {
	switch {
	case c.Store == nil:
		return nil, errors.Join(ErrConfig, errors.New("no store"))
	case c.Token == "" && !c.Open:
		return nil, errors.Join(ErrConfig, errors.New("no token: any client that can connect could read and write every session"))
	}
	s := &service{Config: c.withDefaults()}
	s.tokenSum = sha256.Sum256([]byte(c.Token))
	s.metrics = newMetrics(s.Metrics)
	registerAudit(s.Metrics, s.Audit)
	if bounded, ok := s.Store.(session.Bounded); ok {
		s.Metrics.MustRegister(newCapacityCollector(bounded, s.Timeout))
	}
	s.largeReads = make(chan struct{}, maxLargeReads)
	s.throttle = &throttle{log: s.Log, now: s.Now, kinds: map[string]*throttled{}}
	return s.routes(), nil
}

func (c Config) withDefaults() Config {
	if c.MaxData == 0 {
		c.MaxData = DefaultMaxData
	}
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.WithTimeout == nil {
		c.WithTimeout = context.WithTimeout
	}
	if c.Each == nil {
		c.Each = atOnce
	}
	return c
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	calls := map[string]call{
		api.Lookup:  calling(s, api.Lookup, s.lookup),
		api.Create:  calling(s, api.Create, s.create),
		api.Update:  calling(s, api.Update, s.update),
		api.Touch:   calling(s, api.Touch, s.touch),
		api.Rotate:  calling(s, api.Rotate, s.rotate),
		api.Login:   calling(s, api.Login, s.login),
		api.Flush:   calling(s, api.Flush, s.flush),
		api.Changed: calling(s, api.Changed, s.changed),
		api.Cycle:   calling(s, api.Cycle, s.cycle),
		api.Used:    calling(s, api.Used, s.used),
		api.Verify:  calling(s, api.Verify, s.verify),
	}
	handlers := map[string]http.Handler{api.Batch: batchEndpoint(s, calls), api.Feed: feedEndpoint(s)}
	for path, call := range calls {
		handlers[path] = endpoint(s, call)
	}
	for path, h := range handlers {
		mux.Handle(path, s.metrics.observe(path, method(http.MethodPost, s.authorized(h))))
	}
	for path, h := range map[string]http.Handler{
		"/healthz": http.HandlerFunc(s.health),
		"/readyz":  http.HandlerFunc(s.ready),
		"/metrics": s.metrics.handler(s.Metrics),
		jwksPath:   http.HandlerFunc(s.jwks),
	} {
		mux.Handle(path, s.metrics.observe(path, method(http.MethodGet, h)))
	}
	mux.Handle("/", s.metrics.observe("other", http.HandlerFunc(notFound)))
	return mux
}
