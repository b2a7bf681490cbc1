package drill

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// Killer knows a fleet's instances and kills them as a crash would.
type Killer interface {
	// Whole returns the instances of the services whose replicas are all ready and
	// which have at least two of them, by service.
	Whole() map[string][]string
	// Kill ends one instance by SIGKILL.
	Kill(instance string) error
}

// Chaos kills a random replica of a random whole service every so often until ctx
// ends, and returns the kills by service. A service that had fewer kills than the
// others by two comes first, so that each gets its share.
func Chaos(ctx context.Context, fleet Killer, every time.Duration, seed uint64) map[string]int {
	r := rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
	kills := map[string]int{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return kills
		case <-tick.C:
		}
		whole := fleet.Whole()
		service := victim(whole, kills, r)
		if service == "" {
			continue
		}
		instances := whole[service]
		if err := fleet.Kill(instances[r.IntN(len(instances))]); err == nil {
			kills[service]++
		}
	}
}

func victim(whole map[string][]string, kills map[string]int, r *rand.Rand) string {
	names := make([]string, 0, len(whole))
	for name := range whole {
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names) // the same seed and the same states give the same victims
	least := slices.MinFunc(names, func(a, b string) int { return kills[a] - kills[b] })
	chosen := names[r.IntN(len(names))]
	if kills[chosen] >= kills[least]+2 {
		return least
	}
	return chosen
}
