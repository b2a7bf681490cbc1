package drill

import (
	"context"
	"fmt"
	"time"
)

// Outage says which part is kept dead, for how long and under which traffic.
type Outage struct {
	Part  string
	Kill  func() error // kills it if it runs; an error is one that has nothing to do
	Alive func() bool  // reports whether it is ready
	For   time.Duration
	Back  time.Duration // how soon it must be ready after the last kill
	Flows []Flow
}

// killEvery is how often a part that comes back is killed again.
const killEvery = 10 * time.Millisecond

// Down kills a part and whatever is started in its place, for a while, under traffic,
// and wants no request to fail and the part to come back.
func Down(ctx context.Context, o Outage) *Report {
	r := &Report{Drill: o.Part + "-down"}
	traffic := Start(ctx, o.Flows...)
	kills, seen := 0, time.Duration(0)
	began := time.Now()
	for tick := time.NewTicker(killEvery); ctx.Err() == nil && time.Since(began) < o.For; {
		if o.Kill() == nil {
			kills++
		}
		if o.Alive() {
			seen += killEvery
		}
		<-tick.C
	}
	ended := time.Now()
	for ctx.Err() == nil && !o.Alive() && time.Since(ended) < o.Back {
		pause(ctx, killEvery)
	}
	back := time.Since(ended)
	traffic.Stop()

	r.Add(o.Part+" killed", ">= 1 time", fmt.Sprintf("%d times in %s", kills, o.For), kills > 0)
	r.Add(o.Part+" ready meanwhile", "< 5 % of the time", seen.Round(time.Millisecond), seen < o.For/20)
	r.Add(o.Part+" ready again", fmt.Sprintf("within %s", o.Back), back.Round(time.Millisecond), o.Alive())
	for _, t := range traffic.Tallies {
		t.Report(r)
	}
	return r
}
