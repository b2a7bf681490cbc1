package overload

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load/latency"
)

// The targets.
const (
	leastGoodput  = 0.9   // of what can be done, while too much is asked
	mostTimes     = 3.0   // p99 of a good day, for who gets in
	leastCritical = 0.999 // of the most important answered
	leastUsual    = 0.99  // of all answered on a good day, before and after
)

// judge compares what was seen with what was to be.
func (cfg Config) judge(s *seen) *drill.Report {
	r := &drill.Report{Drill: "overload", Seed: cfg.Seed}
	good, much, again := &s.phase[goodDay], &s.phase[tooMuch], &s.phase[wellAgain]
	r.Add("the generator's lag, p99", "<= "+maxLag.String(), latency.Short(s.result.Lag.P99), s.result.Void == "")
	share := func(what string, least float64, asked, ok int64) {
		of := float64(ok) / float64(max(1, asked))
		r.Add(what, fmt.Sprintf(">= %.4g %%", 100*least), fmt.Sprintf("%.4g %% (%d of %d)", 100*of, ok, asked), asked > 0 && of >= least)
	}
	asked, ok := good.sum()
	share("answered on a good day", leastUsual, asked, ok)
	r.Add(fmt.Sprintf("%gx asked: answered of what can be done", times), fmt.Sprintf(">= %.4g %%", 100*leastGoodput),
		fmt.Sprintf("%.4g %% (%.0f of %.0f a second)", 100*much.rate()/s.peak, much.rate(), s.peak), much.rate() >= leastGoodput*s.peak)
	most := time.Duration(mostTimes * float64(good.good.Times().P99))
	r.Add(fmt.Sprintf("%gx asked: p99 of who gets in", times), fmt.Sprintf("<= %s, %g times a good day's", latency.Short(most), mostTimes),
		latency.Short(much.good.Times().P99), much.good.Times().Count > 0 && much.good.Times().P99 <= most)
	r.Add(fmt.Sprintf("%gx asked: p99 of a refusal", times), "<= "+latency.Short(most), latency.Short(much.no.Times().P99),
		much.refused > 0 && much.no.Times().P99 <= most)
	share(fmt.Sprintf("%gx asked: critical ones answered", times), leastCritical, much.asked[resilience.Critical], much.ok[resilience.Critical])
	other := int64(0)
	for _, f := range append(s.phase, s.onsets) {
		for _, n := range f.other {
			other += n
		}
	}
	r.Add("neither answered well nor 503", "0", other, other == 0)
	r.Add("refused without Retry-After", "0", s.unsaid, s.unsaid == 0)
	asked, ok = again.sum()
	share(fmt.Sprintf("answered from %s after it", soon), leastUsual, asked, ok)
	r.Add(fmt.Sprintf("p99 from %s after it", soon), "<= "+latency.Short(most), latency.Short(again.good.Times().P99),
		again.good.Times().Count > 0 && again.good.Times().P99 <= most)
	cfg.notes(r, s)
	return r
}

// notes tells what is no target.
func (cfg Config) notes(r *drill.Report, s *seen) {
	if s.shared != "" {
		r.Note("the edge has no processor for itself: %s", s.shared)
	}
	r.Note("each request has a token that is verified anew (ES512): %.0f requests a second is what the edge can do, seen with %d callers who wait for their answers", s.peak, callers)
	day := s.phase[goodDay].good.Times()
	r.Note("a good day, %g of that: p50 %s, p99 %s", usual, latency.Short(day.P50), latency.Short(day.P99))
	much := &s.phase[tooMuch]
	for p := range resilience.Priority(resilience.Priorities) {
		r.Note("%gx asked: %d of %d %s ones answered", times, much.ok[p], much.asked[p], p)
	}
	t := much.good.Times()
	r.Note("%gx asked, from %s on: who gets in p50 %s, p90 %s, p99 %s; a refusal p50 %s", times, much.from-cfg.side(), latency.Short(t.P50), latency.Short(t.P90),
		latency.Short(t.P99), latency.Short(much.no.Times().P50))
	on := s.onsets.good.Times()
	_, ok := s.onsets.sum()
	r.Note("the first %s of it: %d answered, p99 %s, %d refused", soon, ok, latency.Short(on.P99), s.onsets.refused)
	for _, f := range append(s.phase, s.onsets) {
		for status, n := range f.other {
			r.Note("from %s on: %s %d times", f.from, status, n)
		}
	}
	if s.result.Void != "" {
		r.Note("nothing here may be believed: %s", s.result.Void)
	}
	if r.Held() {
		return // that some are turned away is no news
	}
	for _, f := range s.result.Failures {
		r.Note("%.200s", f)
	}
}
