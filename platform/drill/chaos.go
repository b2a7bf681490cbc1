package drill

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// Killer knows a fleet's processes and kills them as a crash would.
type Killer interface {
	// Victims returns the processes that may be killed now, by kind (a service or an
	// engine): those whose death the fleet must bear. A kind of several replicas is
	// there when all of them are ready, one of a single process when that is.
	Victims() map[string][]string
	// Kill ends one process by SIGKILL.
	Kill(id string) error
}

// ChaosConfig says what is killed and how often.
type ChaosConfig struct {
	Fleet Killer
	Every time.Duration            // between two kills
	Apart map[string]time.Duration // least time between two kills of a kind, where it matters
	Seed  uint64                   // the same seed and the same states give the same victims
}

// Chaos kills a random process every so often until ctx ends, and returns the kills by
// kind. It chooses among the kinds that were killed least, so that each gets its share.
func Chaos(ctx context.Context, cfg ChaosConfig) map[string]int {
	r := rand.New(rand.NewPCG(cfg.Seed, cfg.Seed^0x9e3779b97f4a7c15))
	kills, last := map[string]int{}, map[string]time.Time{}
	tick := time.NewTicker(cfg.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return kills
		case <-tick.C:
		}
		victims := cfg.Fleet.Victims()
		for kind, apart := range cfg.Apart {
			if at, killed := last[kind]; killed && time.Since(at) < apart {
				delete(victims, kind)
			}
		}
		kind := least(victims, kills, r)
		if kind == "" {
			continue
		}
		ids := victims[kind]
		if err := cfg.Fleet.Kill(ids[r.IntN(len(ids))]); err == nil {
			kills[kind]++
			last[kind] = time.Now()
		}
	}
}

// least returns one of the kinds that were killed least, "" when there is none.
func least(victims map[string][]string, kills map[string]int, r *rand.Rand) string {
	var kinds []string
	for kind, ids := range victims {
		switch {
		case len(ids) == 0:
		case len(kinds) == 0 || kills[kind] < kills[kinds[0]]:
			kinds = []string{kind}
		case kills[kind] == kills[kinds[0]]:
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return ""
	}
	slices.Sort(kinds) // a map's order is not to be repeated
	return kinds[r.IntN(len(kinds))]
}
