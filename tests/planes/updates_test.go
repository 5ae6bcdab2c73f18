package planes

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloakroom/internal/testenv"
)

// load is requests that do not stop: with a session and without one, on connections of their own.
type load struct {
	stop    chan struct{}
	working sync.WaitGroup
	mu      sync.Mutex
	counts  map[string]int // by "with 200" and the like
	passed  []string       // those without a session that reached a service
}

func (p *plane) startLoad(key string) *load {
	l := &load{stop: make(chan struct{}), counts: map[string]int{}}
	for _, g := range p.gateways {
		for i := range 4 {
			l.working.Go(func() {
				with, who := "", "without"
				if i%2 == 0 {
					with, who = key, "with"
				}
				pause := time.NewTicker(10 * time.Millisecond)
				defer pause.Stop()
				for {
					select {
					case <-l.stop:
						return
					case <-pause.C:
					}
					r, err := g.send(http.MethodGet, "/", append(asScript(with), "X-User-Id: 1")...)
					l.note(g, who, r, err)
				}
			})
		}
	}
	return l
}

func (l *load) note(g *gateway, who string, r reply, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.counts[who+" "+err.Error()]++
		return
	}
	l.counts[fmt.Sprintf("%s %d", who, r.status)]++
	if r.seen != nil && (who == "without" || r.seen.Header.Get("X-User-Id") != "7") {
		l.passed = append(l.passed, fmt.Sprintf("%s, %s a session: %v", g.name, who, r))
	}
}

// take returns the counts so far, and begins anew. It fails the test for what passed unprotected.
func (l *load) take(t *testing.T) map[string]int {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.passed {
		t.Errorf("unprotected: %s", p)
	}
	counts := l.counts
	l.counts, l.passed = map[string]int{}, nil
	return counts
}

// more waits for some more requests of each kind.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	count := func() (with, without int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for what, n := range l.counts {
			if strings.HasPrefix(what, "with ") {
				with += n
			} else {
				without += n
			}
		}
		return with, without
	}
	with, without := count()
	until(t, "more requests", func() error {
		if a, b := count(); a < with+n || b < without+n {
			return fmt.Errorf("%d and %d", a-with, b-without)
		}
		return nil
	})
}

func (l *load) end() {
	close(l.stop)
	l.working.Wait()
}

// TestIstioUpdates changes module and configuration under load.
func TestIstioUpdates(t *testing.T) {
	s := newSite(t)
	p := startIstio(t, s, s.readManifest(t, "istio.yaml", append(istioHTTP, istioCached...)...), testenv.Envoy140, testenv.Envoy136)
	p.updates(t, s, 403)
}

// TestGatewayUpdates does the same in Envoy Gateway.
func TestGatewayUpdates(t *testing.T) {
	s := newSite(t)
	p := startGateway(t, s, s.readManifest(t, "gateway.yaml", append(gatewayHost, cached...)...), testenv.Envoy140, testenv.Envoy136)
	p.updates(t, s, 403) // by the SecurityPolicy; routes that it leaves out get 500
}

// updates checks that no request is lost to an update that can be applied, and that none passes
// unprotected in any. unpulled is what all requests get when a new image cannot be pulled.
func (p *plane) updates(t *testing.T, s *site, unpulled int) {
	p.ready(t, s)
	key := s.login(t)
	l := p.startLoad(key)
	defer l.end()
	l.more(t, 50)
	smooth := func(what string) {
		t.Helper()
		l.more(t, 200)
		counts := l.take(t)
		if len(counts) != 2 || counts["with 200"] == 0 || counts["without 401"] == 0 {
			t.Errorf("%s: %v, want all with a session to get 200, all without 401", what, counts)
		}
		p.note(t, what, fmt.Sprintf("%s, under load: %d requests with a session admitted, %d without refused, none lost", what, counts["with 200"], counts["without 401"]))
	}
	smooth("no update")

	image := s.registry.push(t, withSection(s.module, "a new build"))
	newer := strings.ReplaceAll(p.full, s.image, image)
	pulled := s.registry.got.Load()
	p.apply(t, newer)
	until(t, "the new module", func() error {
		if s.registry.got.Load() == pulled {
			return fmt.Errorf("it has not been pulled")
		}
		return nil
	})
	smooth("a new module")

	p.apply(t, edit(t, newer, "data_keys: [cart]", "data_keys: [theme]"))
	for _, g := range p.gateways {
		took := until(t, g.name+": the new configuration", func() error {
			r, err := g.send(http.MethodGet, "/go/whoami", asScript(key)...)
			if err == nil && (r.seen == nil || r.seen.Header.Get("X-Session") != `{"theme":"dark"}`) {
				err = fmt.Errorf("%v", r)
			}
			return err
		})
		t.Logf("%s has a new configuration after %v", g.name, took)
	}
	smooth("a new configuration")

	// What Envoy refuses leaves what was before.
	p.apply(t, edit(t, newer, "mode: required", "mode: of"))
	until(t, "the refusal", func() error {
		if !strings.Contains(p.logs(), "must be one of") {
			return fmt.Errorf("the logs do not have it")
		}
		return nil
	})
	smooth("a configuration in error")

	// What cannot be pulled: no request passes.
	p.apply(t, strings.ReplaceAll(p.full, s.image, strings.Split(s.image, "@")[0]+"@sha256:"+strings.Repeat("1", 64)))
	for _, g := range p.gateways {
		until(t, g.name+": no image", func() error {
			if err := g.status("/", key, unpulled); err != nil {
				return err
			}
			return g.status("/", "", unpulled)
		})
	}
	l.more(t, 200)
	p.note(t, "no image", fmt.Sprintf("an image that cannot be pulled, under load: %v", sorted(l.take(t))))
	p.apply(t, newer)
	for _, g := range p.gateways {
		took := until(t, g.name+": the image is back", func() error { return g.status("/", key, 200) })
		t.Logf("%s admits again %v after the image is back", g.name, took.Round(time.Millisecond))
	}
	l.more(t, 50)
	l.take(t)
	smooth("afterwards")
}

func sorted(counts map[string]int) string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s: %d", what, counts[what]))
	}
	return strings.Join(all, ", ")
}

// adminOf returns the address of the admin interface of an Envoy that Envoy Gateway has started for
// a Gateway, "namespace/name".
func adminOf(t *testing.T, dir, gateway string) string {
	t.Helper()
	var found string
	until(t, "the admin address", func() error {
		files, err := filepath.Glob(filepath.Join(dir, "run", "*", "admin-address.txt"))
		if err != nil {
			return err
		}
		for _, file := range files {
			address, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			response, err := http.Get("http://" + string(address) + "/server_info")
			if err != nil {
				return err
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err == nil && strings.Contains(string(body), gateway) {
				found = "http://" + string(address)
				return nil
			}
		}
		return fmt.Errorf("of %d Envoys none is that of %s", len(files), gateway)
	})
	return found
}
