package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot/plotter"
)

// curve measures how the filter's cost grows with one variable. At each of its values a side is
// measured, in turns with the others.
type curve struct {
	what string
	at   []int
	// make returns the side at a value, and its requests.
	make func(ctx context.Context, b *bench, n int) (side, func(side) nextRequest, error)
	// of is what is measured: Envoy's CPU under load, or the latency of one request at a time.
	of     measure
	ofWhat string
	// grows reports that the values are reached one after the other, in one store.
	grows bool
}

func cachedSide(b *bench, name string, routes map[string]any) side {
	config := map[string]any{"engine": map[string]any{"service": map[string]any{"cluster": "sessions", "timeout": "5s", "token": b.token, "cache": map[string]any{"ttl": "1h"}}}}
	if routes != nil {
		config["routes"] = routes
	}
	return side{Name: name, wasm: b.wasm, config: config}
}

// withKey returns requests that carry one session.
func withKey(key string) func(side) nextRequest {
	return func(s side) nextRequest { return s.requests(key) }
}

var curves = []curve{
	{"configured routes", []int{1, 10, 100}, func(_ context.Context, b *bench, n int) (side, func(side) nextRequest, error) {
		routes := map[string]any{}
		for i := range n {
			routes["route-"+strconv.Itoa(i)] = map[string]any{"mode": "optional", "login": map[string]any{"url": "/login/" + strconv.Itoa(i)}}
		}
		return cachedSide(b, "routes-"+strconv.Itoa(n), routes), withKey(b.key), nil
	}, cpu, "Envoy's CPU for each request", false},
	{"cookies in a request", []int{1, 5, 20, 50}, func(_ context.Context, b *bench, n int) (side, func(side) nextRequest, error) {
		var others strings.Builder
		for i := 1; i < n; i++ {
			fmt.Fprintf(&others, "name%d=value-%d; ", i, i)
		}
		return cachedSide(b, "cookies-"+strconv.Itoa(n), nil), func(s side) nextRequest {
			return func(ctx context.Context) (*http.Request, error) {
				request, err := s.requests(b.key)(ctx)
				if err == nil {
					request.Header.Set("Cookie", others.String()+"sessionid="+b.key)
				}
				return request, err
			}
		}, nil
	}, cpu, "Envoy's CPU for each request", false},
	{"session data", []int{128, 1 << 10, 8 << 10, 32 << 10}, func(ctx context.Context, b *bench, n int) (side, func(side) nextRequest, error) {
		data := strings.TrimSuffix(sessionData, "}") + `,"more":"` + strings.Repeat("x", n) + `"}`
		keys, err := b.sessions(ctx, 1, data)
		if err != nil {
			return side{}, nil, err
		}
		s := cachedSide(b, "data-"+strconv.Itoa(n), nil)
		// Upstreams bound the size of request headers, not the filter: send one key of the data.
		s.config["identity"] = map[string]any{"data_keys": []any{"theme"}}
		return s, withKey(keys[0]), nil
	}, cpu, "Envoy's CPU for each request", false},
	{"sessions in the store", []int{1, 1000, 100_000, 1_000_000}, func(ctx context.Context, b *bench, n int) (side, func(side) nextRequest, error) {
		keys, err := b.sessions(ctx, n-b.stored, sessionData)
		if err != nil {
			return side{}, nil, err
		}
		if b.stored = n; b.some == nil || len(keys) > len(b.some) {
			b.some = keys
		}
		s := cachedSide(b, "store-"+strconv.Itoa(n), nil)
		s.config["engine"].(map[string]any)["service"].(map[string]any)["cache"] = map[string]any{}
		some, next := b.some, 0
		return s, func(s side) nextRequest {
			return func(ctx context.Context) (*http.Request, error) { // one at a time
				next = (next + 7919) % len(some)
				return s.requests(some[next])(ctx)
			}
		}, nil
	}, serial, "a look-up, one request at a time, p50", true},
}

// growth measures all curves.
func (c *cli) growth(ctx context.Context) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "One worker; medians of %d rounds, [lowest–highest].\n\n", c.Rounds)
	fmt.Fprintln(&out, "| what grows | value | measured | |\n|---|---|---|---|")
	var names []string
	var lines []plotter.XYs
	for _, curve := range curves {
		points, err := c.curve(ctx, curve, &out)
		if err != nil {
			return "", fmt.Errorf("%s: %w", curve.what, err)
		}
		names, lines = append(names, curve.what), append(lines, points)
	}
	return out.String(), drawCurves(names, lines)
}

func (c *cli) curve(ctx context.Context, curve curve, out *strings.Builder) (points plotter.XYs, err error) {
	turns := map[int][]turn{}
	b, err := newBench(ctx, false)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	measureAll := func(values []int, rounds int) error {
		var sides []side
		var next []func(side) nextRequest
		for _, n := range values {
			s, requests, err := curve.make(ctx, b, n)
			if err != nil {
				return err
			}
			sides, next = append(sides, s), append(next, requests)
		}
		envoy, err := b.envoy(ctx, sides, 1)
		if err != nil {
			return err
		}
		defer envoy.Stop()
		for round := range rounds {
			for i := range values {
				n := (round + i) % len(values)
				fmt.Fprintf(os.Stderr, "\r%s: %d, round %d of %d      ", curve.what, values[n], round+1, rounds)
				requests := next[n](envoy.sides[n])
				t, err := c.oneAtATime(ctx, requests)
				if err == nil && !curve.grows {
					t, err = c.turn(ctx, envoy.PID(), requests, nil)
				}
				if err != nil {
					return err
				}
				turns[values[n]] = append(turns[values[n]], t)
			}
		}
		return nil
	}
	if curve.grows {
		for _, n := range curve.at {
			if err := measureAll([]int{n}, c.Rounds); err != nil {
				return nil, err
			}
		}
	} else if err := measureAll(curve.at, c.Rounds); err != nil {
		return nil, err
	}
	fmt.Fprint(os.Stderr, "\r")
	first := median(turns[curve.at[0]], curve.of)
	for i, n := range curve.at {
		fmt.Fprintf(out, "| %s | %d | %s | %s |\n", curve.what, n, spread(turns[n], curve.of), curve.ofWhat)
		points = append(points, plotter.XY{X: float64(i + 1), Y: float64(median(turns[n], curve.of)-first) / float64(time.Microsecond)})
	}
	return points, nil
}

// oneAtATime measures only latency.
func (c *cli) oneAtATime(ctx context.Context, next nextRequest) (turn, error) {
	if _, err := requests(ctx, next, 1, 200*time.Millisecond); err != nil {
		return turn{}, err
	}
	took, err := requests(ctx, next, 1, c.Serial)
	if err != nil {
		return turn{}, err
	}
	return turn{serialP50: quantile(took, 0.5)}, nil
}
