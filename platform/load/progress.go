package load

import (
	"time"

	"github.com/musterdev/muster/platform/load/latency"
)

// Progress is how a run stands at a moment.
type Progress struct {
	Interval // counts of all visits so far

	After    time.Duration // since the first stage began
	Of       time.Duration // that visitors arrive for
	InFlight int64         // visitors inside now
	Recent   Times         // responses that ended since it was last told
}

// told is how often a run tells of its progress.
const told = time.Second

// watch tells of the run's progress until stop is called.
func (r *run) watch() (stop func()) {
	if r.cfg.Progress == nil {
		return func() {}
	}
	r.tally.recent = latency.New() // nobody counts yet
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(told)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p := r.tally.progress()
				p.After, p.Of, p.InFlight = max(0, time.Since(r.began)), r.plan.For(), r.inFlight.Load()
				r.cfg.Progress(p)
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// progress returns the counts so far, and the responses since it was last called.
func (t *tally) progress() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := Progress{Recent: t.recent.Times(), Interval: Interval{
		Offered: t.r.Offered, OK: t.r.OK, Failed: t.r.Failed, Shed: t.r.Shed, Dropped: t.r.Dropped, Cut: t.r.Cut,
	}}
	t.recent.Reset()
	return p
}
