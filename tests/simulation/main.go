// Command simulation plays histories of Envoys, session services, a store, a feed, browsers and
// Django in virtual time: the filter's and the service's real code, and everything between them
// going wrong. One seed is one history. One that breaks an invariant is played again with less
// in it, while it still does, and printed. Run it as `make simulate`.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/alecthomas/kong"
)

type cli struct {
	Seeds    uint64        `default:"10000" help:"How many histories to play."`
	From     uint64        `help:"The first seed; 0: drawn from the clock, and printed."`
	Duration time.Duration `help:"For how long to play, in place of --seeds."`
	Seed     uint64        `help:"Play this history alone, and print it."`
	Whole    bool          `help:"Do not shrink what fails."`
}

func main() {
	var c cli
	kong.Parse(&c, kong.Name("simulation"))
	if c.Seed != 0 {
		w := play(planned(c.Seed), true)
		if w.failure == nil {
			fmt.Print(w.plan, "\n", w.story.String(), "every invariant holds\n")
			return
		}
		report(os.Stdout, c.Seed, c.Whole)
		os.Exit(1)
	}
	if c.From == 0 {
		c.From = uint64(time.Now().UnixNano()) >> 8
	}
	s := search(c.From, c.Seeds, c.Duration)
	fmt.Println(s)
	if s.failed != nil {
		report(os.Stdout, s.failed.seed, c.Whole)
		os.Exit(1)
	}
}
