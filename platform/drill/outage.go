package drill

import (
	"context"
	"fmt"
	"time"
)

// Outage says which part is kept dead, for how long and under which traffic.
type Outage struct {
	Part  string
	Kill  func(away time.Duration) error // kills it; it is not started again before away has passed
	Alive func() bool                    // reports whether it is ready
	For   time.Duration
	Back  time.Duration // how soon after that it must be ready
	Flows []Flow
}

// lookEvery is how often a part is looked at.
const lookEvery = 10 * time.Millisecond

// Down keeps a part dead for a while under traffic, and wants no request to fail and
// the part to come back.
func Down(ctx context.Context, o Outage) *Report {
	r := &Report{Drill: o.Part + "-down"}
	traffic := Start(ctx, o.Flows...)
	err := o.Kill(o.For)
	began, seen := time.Now(), time.Duration(0)
	for ctx.Err() == nil && time.Since(began) < o.For {
		pause(ctx, lookEvery)
		if o.Alive() {
			seen += lookEvery
		}
	}
	ended := time.Now()
	for ctx.Err() == nil && !o.Alive() && time.Since(ended) < o.Back {
		pause(ctx, lookEvery)
	}
	back := time.Since(ended)
	traffic.Stop()

	if err != nil {
		r.Add(o.Part+" killed", "succeeds", err, false)
	}
	r.Add(o.Part+" dead", "> 95 % of "+o.For.String(), (o.For - seen).Round(lookEvery), seen < o.For/20)
	r.Add(o.Part+" ready again", fmt.Sprintf("within %s", o.Back), back.Round(lookEvery), o.Alive())
	for _, t := range traffic.Tallies {
		t.Report(r)
	}
	return r
}
