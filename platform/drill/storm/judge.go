package storm

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load/latency"
)

// The targets.
const (
	wellBefore    = 0.99  // answered before the trouble, or it is no trouble's doing
	leastGoodput  = 0.9   // of what was physically possible in the trouble
	mostAttempts  = 1.15  // for a call
	leastLater    = 0.99  // answered from soon after the trouble on
	leastCritical = 0.999 // of the most important answered in the trouble
	collapsed     = 0.5   // a textbook storm leaves fewer than this answered
	judgeLast     = 5 * time.Second
)

// judge compares what was seen with what was to be.
func (cfg Config) judge(t trouble, s *seen) *drill.Report {
	r := &drill.Report{Drill: t.name, Seed: cfg.Seed}
	r.Add("the generator's lag, p99", "<= "+maxLag.String(), latency.Short(s.result.Lag.P99), s.result.Void == "")
	end := warm + cfg.For
	row := func(what string, least float64, of second) {
		asked, ok := of.all()
		r.Add(what, ">= "+percent(least), fmt.Sprintf("%s (%d of %d)", percent(of.share()), ok, asked), asked > 0 && of.share() >= least)
	}
	row("answered before", wellBefore, s.sum(time.Second, warm))
	in := s.sum(warm, end)
	if cfg.Textbook {
		cfg.collapse(r, s, in)
		return r
	}
	possible := cfg.possible(t, in)
	_, ok := in.all()
	goodput := float64(ok) / possible
	r.Add(t.during()+": answered of what was possible", ">= "+percent(leastGoodput), fmt.Sprintf("%s (%d of %.0f)", percent(goodput), ok, possible), goodput >= leastGoodput)
	critical := second{}
	critical.asked[0], critical.ok[0] = in.asked[resilience.Critical], in.ok[resilience.Critical]
	row(t.during()+": critical ones answered", leastCritical, critical)
	attempts(r, t, s)
	var expired int64
	for n := range hops {
		expired += s.end[n].Expired
	}
	r.Add("work done for callers whose time was up", "0", expired, expired == 0)
	row(fmt.Sprintf("answered from %s after it", soon), leastLater, s.sum(end+soon, end+cfg.after()))
	cfg.notes(r, t, s, in)
	return r
}

func (t trouble) during() string {
	if t.speed < 1 {
		return fmt.Sprintf("the last service at %s", percent(t.speed))
	}
	return fmt.Sprintf("%gx of what can be done", t.load)
}

// possible is how many could be answered in the trouble: what the least able service can
// do, and not more than asked.
func (cfg Config) possible(t trouble, in second) float64 {
	asked, _ := in.all()
	return max(1, min(cfg.Capacity*t.speed*cfg.For.Seconds(), float64(asked)))
}

// attempts adds a row for each service: what reached its door for each call to it.
func attempts(r *drill.Report, t trouble, s *seen) {
	for n := range hops {
		calls, made := s.retries.calls, s.retries.attempts
		if n > 0 {
			c := s.trigger[n-1].Since(s.before[n-1])
			calls, made = c.Calls, c.Attempts
		}
		ratio := float64(made) / float64(max(1, calls))
		r.Add(t.during()+": attempts for a call to "+hop(n+1), fmt.Sprintf("<= %.2f", mostAttempts),
			fmt.Sprintf("%.2f (%d for %d)", ratio, made, calls), calls > 0 && ratio <= mostAttempts)
	}
}

// collapse wants the textbook's retries to make an outage of the trouble.
func (cfg Config) collapse(r *drill.Report, s *seen, in second) {
	end := warm + cfg.For
	r.Note("this is what three retries with backoff and jitter do, without a budget, deadlines or admission: the drill held if it shows the collapse")
	row := func(what string, of second) {
		asked, ok := of.all()
		r.Add(what, "< "+percent(collapsed)+", the collapse", fmt.Sprintf("%s (%d of %d)", percent(of.share()), ok, asked), asked > 0 && of.share() < collapsed)
	}
	row(fmt.Sprintf("the last service at %s: answered", percent(slow)), in)
	row(fmt.Sprintf("all services well again for %s: answered", afterTextbook-judgeLast), s.sum(end+afterTextbook-judgeLast, end+afterTextbook))
	last := s.trigger[hops-2].Since(s.before[hops-2])
	r.Note("attempts for a call to %s in the trouble: %.2f", hop(hops), float64(last.Attempts)/float64(max(1, last.Calls)))
	var expired, begun int64
	for n := range hops {
		expired, begun = expired+s.end[n].Expired, begun+s.end[n].Begun
	}
	r.Note("work done for callers whose time was up: %d of %d", expired, begun)
}

// notes tells what is no target.
func (cfg Config) notes(r *drill.Report, t trouble, s *seen, in second) {
	r.Note("%d services in a row, %d workers of %s each: %.0f requests a second; visitors wait %s", hops, cfg.workers(), work, cfg.Capacity, patience)
	for p := range resilience.Priority(resilience.Priorities) {
		r.Note("%s: %s of the %s visitors answered (%d of %d)", t.during(), percent(in.share(p)), p, in.ok[p], in.asked[p])
	}
	for n := range hops {
		c := s.trigger[n].Since(s.before[n])
		r.Note("%s in the trouble: %s", hop(n+1), did(c))
	}
	for at, i := warm, 1; at < warm+cfg.For; at, i = at+time.Second, i+1 {
		_, ok := s.sum(at, at+time.Second).all()
		if float64(ok) < 0.8*cfg.possible(t, in)/cfg.For.Seconds() {
			r.Note("second %d of it: %d answered", i, ok)
		}
	}
	if r.Held() {
		return // that some are turned away is no news
	}
	for _, f := range s.result.Failures {
		r.Note("%.200s", f)
	}
}

func did(c stage.Counts) string {
	return fmt.Sprintf("%d let in, %d worked on, %d gave up waiting for a worker", c.Asked, c.Begun, c.GaveUp)
}

func percent(share float64) string { return fmt.Sprintf("%.4g %%", 100*share) }
