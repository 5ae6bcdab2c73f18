package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"cloakroom/internal/testenv"
)

// report returns the figures as text: medians, and the spread in brackets.
func report(sides []side, turns map[string][]turn, m memory) (string, error) {
	path, err := testenv.Wasm()
	if err != nil {
		return "", err
	}
	wasm, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "Envoy %s, one worker; medians of %d rounds, [lowest–highest].\n\n", testenv.Envoy140, len(turns[sides[0].Name]))
	fmt.Fprintln(&out, "| side | Envoy's CPU for each request | added | requests/s | p50 under load | p99 | p99.9 | one at a time, p50 | added | callouts per 1000 |")
	fmt.Fprintln(&out, "|---|---|---|---|---|---|---|---|---|---|")
	base := turns[sides[0].Name]
	for _, s := range sides {
		t := turns[s.Name]
		fmt.Fprintf(&out, "| %s | %s | %s | %.0f | %s | %s | %s | %s | %s | %s |\n", s.what,
			spread(t, cpu), median(t, cpu)-median(base, cpu), perSecond(t),
			spread(t, p50), spread(t, p99), spread(t, p999), spread(t, serial), median(t, serial)-median(base, serial), callouts(s, t))
	}
	const mb = 1 << 20
	fmt.Fprintf(&out, "\nModule: %.2f MB. Envoy's resident memory with one worker: %d MB without the filter, %d MB with it; "+
		"each further worker adds %d MB (%d MB without).\n",
		float64(wasm.Size())/1e6, m.without/mb, m.with/mb, m.perWorker/mb, m.perWorkerNo/mb)
	return out.String(), nil
}

type measure func(turn) time.Duration

func cpu(t turn) time.Duration    { return t.cpu }
func p50(t turn) time.Duration    { return t.p50 }
func p99(t turn) time.Duration    { return t.p99 }
func p999(t turn) time.Duration   { return t.p999 }
func serial(t turn) time.Duration { return t.serialP50 }

// callouts returns the median of a side that counts them.
func callouts(s side, turns []turn) string {
	if !s.callouts {
		return ""
	}
	all := make([]float64, len(turns))
	for i, t := range turns {
		all[i] = t.callouts
	}
	slices.Sort(all)
	return fmt.Sprintf("%.1f", all[len(all)/2])
}

func sorted(turns []turn, of measure) []time.Duration {
	all := make([]time.Duration, len(turns))
	for i, t := range turns {
		all[i] = of(t).Round(100 * time.Nanosecond)
	}
	slices.Sort(all)
	return all
}

func median(turns []turn, of measure) time.Duration { return sorted(turns, of)[len(turns)/2] }

func spread(turns []turn, of measure) string {
	all := sorted(turns, of)
	return fmt.Sprintf("%s [%s–%s]", all[len(all)/2], all[0], all[len(all)-1])
}

func perSecond(turns []turn) float64 {
	all := make([]float64, len(turns))
	for i, t := range turns {
		all[i] = t.perSecond
	}
	slices.Sort(all)
	return all[len(all)/2]
}
