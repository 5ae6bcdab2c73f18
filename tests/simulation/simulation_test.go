package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"cloakroom/internal/testenv"
	"cloakroom/session"
	"cloakroom/session/sessiontest"
	"cloakroom/store/memory"
)

// TestStoreModel holds that the model of the store is a store as the real ones are.
func TestStoreModel(t *testing.T) {
	sessiontest.Run(t, func(_ *testing.T, now func() time.Time) session.Store {
		return handle{&storeModel{rows: memory.New(now)}, nil}
	})
}

// TestSameSeedSameStory holds that a history follows from its seed.
func TestSameSeedSameStory(t *testing.T) {
	stories := map[uint64]uint64{}
	for seed := uint64(1); seed <= 40; seed++ {
		w := play(planned(seed), true)
		if again := play(planned(seed), true); w.hash() != again.hash() {
			t.Fatalf("seed %d: two stories, which part at\n%s", seed, parting(w.story.String(), again.story.String()))
		}
		if other, told := stories[w.hash()]; told {
			t.Errorf("seeds %d and %d have one story", other, seed)
		}
		stories[w.hash()] = seed
	}
}

func parting(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return "their ends"
}

// fixed are the seeds that are always played, from 1 on; how many are drawn besides follows
// from the time.
const fixed = 3000

// TestHistories plays histories: those of the fixed seeds, and others for the rest of the time.
func TestHistories(t *testing.T) {
	budget := 25 * time.Second
	if text := os.Getenv("CLOAKROOM_SIMULATION"); text != "" {
		var err error
		if budget, err = time.ParseDuration(text); err != nil {
			t.Fatalf("CLOAKROOM_SIMULATION: %v", err)
		}
	}
	begin := time.Now()
	var lines []string
	for _, s := range []func() searched{
		func() searched { return search(1, fixed, 0) },
		func() searched {
			return search(uint64(time.Now().UnixNano())>>8, 0, max(budget-time.Since(begin), time.Second))
		},
	} {
		s := s()
		t.Log(s)
		lines = append(lines, s.String())
		if s.failed != nil {
			var story strings.Builder
			report(&story, s.failed.seed, false)
			t.Error(story.String())
		}
		for k := firstFault; k < numKinds; k++ {
			if s.histories >= fixed && s.stats.faults[k] == 0 {
				t.Errorf("in %d histories there was no %s", s.histories, kindNames[k])
			}
		}
	}
	if err := testenv.Summarize("simulation", "simulation: "+strings.Join(lines, "\n")); err != nil {
		t.Fatal(err)
	}
}

// TestShrink holds that of a plan that fails what is needed stays.
func TestShrink(t *testing.T) {
	has := func(p *plan, k kind) bool {
		for _, it := range p.items {
			if it.kind == k && it.worker == 0 {
				return true
			}
		}
		return false
	}
	shrunk := 0
	for seed := uint64(1); shrunk < 5 && seed < 10_000; seed++ {
		p := planned(seed)
		fails := func(p *plan) bool { return has(p, set) && has(p, killReplica) && p.cache }
		if !fails(p) {
			continue
		}
		shrunk++
		if p = shrink(p, fails); len(p.items) != 2 || p.workers != 1 || p.envoys != 1 || p.cycle || !p.cache {
			t.Errorf("seed %d: %d items are left of %s", seed, len(p.items), p)
		}
	}
	if shrunk == 0 {
		t.Error("no plan was shrunk")
	}
}
