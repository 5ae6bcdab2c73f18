// Command bench measures the filter's cost in Envoy, compared to no filter, a wasm that does
// nothing, Lua and ext_authz; the rate at which the session service looks up sessions in each
// store, compared to Django; `cloakroom sim` compared to Envoy; the memory for cached sessions and
// many requests; how the cost grows; and, only if selected by name, the cost and the benefit of
// the index of users. What is compared is measured in one run, in turns. Run it as `make bench`.
//
// CPU is Envoy's own, from /proc, under load; latency is that of one request at a time. Figures of
// different runs or machines are not comparable.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"cloakroom/internal/testenv"
)

type cli struct {
	Rounds      int           `default:"5" help:"How often each side takes its turn."`
	Load        time.Duration `default:"3s" help:"How long a turn under load lasts."`
	Serial      time.Duration `default:"1s" help:"How long a turn of one request at a time lasts."`
	Connections int           `default:"16" help:"Connections under load."`
	Only        string        `default:"" enum:",filter,stores,sim,soak,growth,users" help:"Measure one part alone; users is not among all."`
	Sides       []string      `help:"Of the filter's sides, measure these alone, by their names (none, noop, cached, …)."`
	Against     string        `type:"existingfile" placeholder:"WASM" help:"Another build of the filter, which is measured beside this one."`
	Stored      int           `default:"1000000" help:"How many sessions are stored, for users."`
	UserStores  []string      `help:"Of the stores of users, measure these alone: sqlite, postgres, redis."`
	Soak        uint64        `default:"2000000" help:"How many requests the soak sends."`
}

func main() {
	var c cli
	kong.Parse(&c, kong.Name("bench"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (c *cli) run(ctx context.Context) error {
	for _, part := range []struct {
		name    string
		measure func(context.Context) (string, error)
	}{{"filter", c.filter}, {"stores", c.stores}, {"sim", c.sim}, {"soak", c.soak}, {"growth", c.growth}, {"users", c.users}} {
		if (c.Only != "" || part.name == "users") && c.Only != part.name {
			continue
		}
		text, err := part.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Println(text)
		root, err := testenv.Root()
		if err != nil {
			return err
		}
		out := filepath.Join(root, "build", "bench")
		if err := os.MkdirAll(out, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, part.name+".md"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// settle is the maximum time until a worker has reported its counters.
const settle = 1200 * time.Millisecond

// filter compares the sides in Envoy.
func (c *cli) filter(ctx context.Context) (string, error) {
	b, err := newBench(ctx, true)
	if err != nil {
		return "", err
	}
	defer b.stop()
	sides := slices.DeleteFunc(sides(b), func(s side) bool { return c.Sides != nil && !slices.Contains(c.Sides, s.Name) })
	sides = beside(sides, b.wasm, c.Against)
	envoy, err := b.envoy(ctx, sides, 1)
	if err != nil {
		return "", err
	}
	zipf, err := b.zipf(ctx)
	if err != nil {
		return "", err
	}
	turns := map[string][]turn{}
	for round := range c.Rounds {
		for i := range sides {
			// Each round begins with another side.
			s := envoy.sides[(round+i)%len(sides)]
			fmt.Fprintf(os.Stderr, "\rround %d of %d: %-20s", round+1, c.Rounds, s.what)
			next := s.requests(s.cookie(b))
			if s.mixed {
				next = func(ctx context.Context) (*http.Request, error) { return s.requests(zipf())(ctx) }
			}
			var callouts func(context.Context) (uint64, error)
			if s.callouts {
				callouts = func(ctx context.Context) (uint64, error) {
					time.Sleep(settle) // ticks report the counters
					return envoy.Stat(ctx, "wasmcustom.cloakroom.callouts")
				}
			}
			t, err := c.turn(ctx, envoy.PID(), next, callouts)
			if err != nil {
				return "", fmt.Errorf("%s: %w", s.what, err)
			}
			turns[s.Name] = append(turns[s.Name], t)
		}
	}
	fmt.Fprintf(os.Stderr, "\rmemory                              ")
	if err := envoy.Stop(); err != nil {
		return "", err
	}
	memory, err := b.memory(ctx)
	if err != nil {
		return "", err
	}
	fmt.Fprint(os.Stderr, "\r")
	if err := chart(sides, turns); err != nil {
		return "", err
	}
	return report(sides, turns, memory)
}
