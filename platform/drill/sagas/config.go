package sagas

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
)

// Config says which saga is to be proven, and how.
type Config struct {
	Saga  string     // its name
	Fleet live.Fleet // has crash.Variable "on" in every service, and one instance of each that is crashed
	Plan  load.Plan  // its flows, and where they go; its stages and rates are not used
	Flow  string     // the flow that begins one such saga; "": the first of the plan that does
	// Services are whose boundaries are crashed at; none: the service that has the saga.
	Services []string
	Only     *crash.Point  // one point alone; nil: all that are recorded
	Sample   int           // so many of them, chosen by chance; 0: all
	Seed     uint64        // of that choice, and of the visitors'; 0: any
	Within   time.Duration // from a crash until all is quiet; 0: 30 s
	// Check tells what else is not as it must be, once the fleet is quiet; nil: nothing is.
	// It is asked again for a few seconds until it returns nil.
	Check func(context.Context) error
	// Again is the command line that crashes at one point alone; nil: it is not told.
	Again func(service, flow, point string) string
	Told  func(line string) // how it goes, now and then; may be nil
}

const (
	// takeover is how long it may take until another goes on with what a dead process had
	// in hand: its lease is 4 s.
	takeover = 5 * time.Second
	// tries is how often a point is tried that is not come to: goroutines and timers take
	// turns of their own.
	tries = 3
	// settles is how long a check may be wrong before it counts: what a saga asked others to do
	// by event they do when it has ended.
	settles = 5 * time.Second
	// told is how often the drill says how it goes.
	told = 2 * time.Second
	look = 15 * time.Millisecond // between two looks at a condition
)

func (cfg Config) withDefaults() Config {
	cfg.Within = cmp.Or(cfg.Within, 30*time.Second)
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1<<32) + 1
	}
	if cfg.Check == nil {
		cfg.Check = func(context.Context) error { return nil }
	}
	if cfg.Again == nil {
		cfg.Again = func(service, flow, point string) string { return point + " of " + service + " in " + flow }
	}
	if cfg.Told == nil {
		cfg.Told = func(string) {}
	}
	return cfg
}

// Validate returns what is wrong with the flow, the sample and the point, without a fleet.
func (cfg Config) Validate() error {
	if _, err := cfg.candidates(); err != nil {
		return err
	}
	switch {
	case cfg.Sample < 0:
		return fmt.Errorf("a sample of %d points: it has 1 or more, or 0 for all", cfg.Sample)
	case cfg.Only != nil && len(cfg.Services) > 1:
		return fmt.Errorf("%s is a boundary of one service: say of which, not %s", cfg.Only, strings.Join(cfg.Services, " and "))
	}
	return nil
}
