package testenv

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
)

// Test is the part of testing.TB that a Site needs.
type Test interface {
	Failer
	Cleanup(func())
	Context() context.Context
	Failed() bool
	Logf(string, ...any)
}

// SiteConfig configures a Site.
type SiteConfig struct {
	// FilterConfig is that of each Envoy. Its ports are filled in, and the cluster "sessions",
	// which has all replicas. Version "" means Envoy140.
	FilterConfig
	Envoys int // 0: one
	// Service is the configuration of each replica of the session service but for its port.
	Service  ServiceConfig
	Replicas int
	// Upstream is what the Envoys forward to; nil: the port FilterConfig.Upstream.
	Upstream http.Handler
}

// Site is Envoys with the filter before one upstream, and replicas of the session service on
// one store.
type Site struct {
	Envoys []*Envoy
	// Bases are the Envoys' addresses, http://host:port, and Admins their admin ports.
	Bases  []string
	Admins []int
	// Replicas are those of the session service, and Ports their ports.
	Replicas []*Process
	Ports    []int

	service ServiceConfig
}

// NewSite starts a site, which runs until the test ends. The logs of a failed test's Envoys are
// the test's.
func NewSite(t Test, c SiteConfig) *Site {
	t.Helper()
	n := max(1, c.Envoys)
	ports, err := FreePorts(c.Replicas + 2*n)
	if err != nil {
		t.Fatal(err)
	}
	s := &Site{Ports: ports[:c.Replicas], Replicas: make([]*Process, c.Replicas), service: c.Service}
	for i := range s.Replicas {
		s.StartReplica(t, i)
	}
	f := c.FilterConfig
	if c.Upstream != nil {
		f.Upstream = Listen(t, c.Upstream)
	}
	if f.Version == "" {
		f.Version = Envoy140
	}
	if c.Replicas > 0 {
		f.Clusters = maps.Clone(f.Clusters)
		if f.Clusters == nil {
			f.Clusters = map[string][]int{}
		}
		f.Clusters["sessions"] = s.Ports
	}
	for i := range n {
		f.Port, f.Admin = ports[c.Replicas+2*i], ports[c.Replicas+2*i+1]
		envoy, err := StartFilter(context.WithoutCancel(t.Context()), f)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = envoy.Stop()
			if t.Failed() {
				t.Logf("the end of the log of Envoy %d:\n%s", i, envoy.LogTail(100))
			}
		})
		s.Envoys = append(s.Envoys, envoy)
		s.Bases = append(s.Bases, "http://127.0.0.1:"+strconv.Itoa(f.Port))
		s.Admins = append(s.Admins, f.Admin)
	}
	return s
}

// StartReplica starts a replica of the session service, which is not running, at its port.
func (s *Site) StartReplica(t Test, i int) {
	t.Helper()
	c := s.service
	c.Port = s.Ports[i]
	p, err := StartService(context.WithoutCancel(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Resume(); _ = p.Stop() })
	s.Replicas[i] = p
}

// Listen serves a handler until the test ends, and returns its port.
func Listen(t Test, h http.Handler) int {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		_ = server.Config.Close()
	})
	return server.Listener.Addr().(*net.TCPAddr).Port
}
