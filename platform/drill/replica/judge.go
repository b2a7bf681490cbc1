package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load/latency"
)

const (
	mostOfTwo = 0.5 // peak-ewma's p99, of that of the power of two
	// noise is how much worse the better of two policies may measure before the order
	// counts as another than simulated.
	noise = 1.1

	notRun = "not run" // of a policy none of whose rounds counts
)

func (cfg Config) judge(policies []*policy) *drill.Report {
	r := &drill.Report{Drill: "slow-replica", Seed: cfg.Seed}
	p99 := make([]time.Duration, len(policies))
	void, lost, lag := 0, 0, time.Duration(0)
	for i, p := range policies {
		t := p.times.Times()
		p99[i] = t.P99
		void, lost = void+p.void, lost+p.lost
		lag = max(lag, p.lag)
		if t.Count == 0 {
			r.Note("%s: not run: the generator was late in every round", p.name)
			continue
		}
		r.Note("%s: p50 %s, p99 %s, p99.9 %s, %d of %d failed", p.name, latency.Short(t.P50), latency.Short(t.P99), latency.Short(t.P999), p.failed, t.Count)
		for what, n := range p.failures {
			r.Note("%s, in %d rounds: %s", p.name, n, what)
		}
	}
	rounds := cfg.rounds() * len(policies)
	r.Add("rounds in which the generator kept time", fmt.Sprintf("%d", rounds), fmt.Sprintf("%d, and %d that do not count", rounds-lost, void), lost == 0)
	r.Note("the generator's lag: at most %s at p99 of a round; one with more than %s does not count and is held again, up to %d times, and %d of all", latency.Short(lag), cfg.maxLag, again, cfg.spare())
	ran := func(kinds ...int) bool {
		return !slices.ContainsFunc(kinds, func(kind int) bool { return policies[kind].times.Times().Count == 0 })
	}
	measured, held := notRun, false
	if ran(peakEWMA, twoChoices) {
		ratio := float64(p99[peakEWMA]) / float64(max(1, p99[twoChoices]))
		measured, held = fmt.Sprintf("%.2f (%s, %s)", ratio, latency.Short(p99[peakEWMA]), latency.Short(p99[twoChoices])), ratio <= mostOfTwo
	}
	r.Add("p99 of peak-ewma, of that of the power of two", fmt.Sprintf("<= %g", mostOfTwo), measured, held)
	for i := range policies[1:] {
		better, worse := policies[i], policies[i+1]
		measured, held = notRun, false
		if ran(i, i+1) {
			measured, held = latency.Short(p99[i])+", "+latency.Short(p99[i+1]), float64(p99[i]) <= noise*float64(p99[i+1])
		}
		r.Add(fmt.Sprintf("p99 of %s and %s, as simulated", better.name, worse.name), "the first is no longer", measured, held)
	}
	p := policies[peakEWMA]
	measured = notRun
	if ran(peakEWMA) {
		measured = fmt.Sprintf("%d of %d", p.failed, p.times.Times().Count)
	}
	r.Add("peak-ewma: failed requests", "0", measured, ran(peakEWMA) && p.failed == 0)
	r.Note("%d replicas of %d workers, one at %g of the speed; %s a request on the mean, exponentially distributed; %.0f requests a second (%g of what can be done) from %d callers; who has no answer after %s counts with that",
		replicas, workers, slow, cfg.work().Round(10*time.Microsecond), cfg.Rate, utilised, callers, cfg.deadline().Round(time.Millisecond))
	return r
}
