package sagas

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// strike lets one visitor come, crashes a process at a point, and finds out what became of
// it. reached is false when the process did not come to the point.
func (d *drive) strike(ctx context.Context, p *point) (reached bool, wrong string, err error) {
	victim, err := d.victim(p.service)
	if err != nil {
		return false, "", err
	}
	if err := d.order(ctx, p.service, crash.Order{Point: p.at}); err != nil {
		return false, "", err
	}
	var accepted bool
	var failed error
	visited := make(chan struct{})
	go func() {
		defer close(visited)
		accepted, _, failed = d.visit(ctx, p.flow.Flow)
	}()
	died, reached := d.death(ctx, victim, p.patience(), visited)
	<-visited
	if failed != nil {
		return reached, "", failed
	}
	if !reached {
		if died, reached, err = d.spare(ctx, victim); err != nil {
			return false, "", err
		}
	}
	if reached {
		if err := d.back(ctx, p.service, victim); err != nil {
			return true, "", err
		}
	}
	return reached, d.aftermath(ctx, accepted, died, reached), ctx.Err()
}

// spare takes the order to crash back: it is not to happen to the next visitor. Who cannot be told so any
// more has come to the point at the last moment, and that is seen when he was started again.
func (d *drive) spare(ctx context.Context, victim instance.Status) (died time.Time, reached bool, err error) {
	if err = d.order(ctx, victim.Service, crash.Order{}); err != nil {
		if died, reached = d.death(ctx, victim, orderWithin, nil); reached {
			err = nil
		}
	}
	return died, reached, err
}

// death waits until a process has died, or has not although the visitor left so long ago; nil: he had left.
func (d *drive) death(ctx context.Context, victim instance.Status, patience time.Duration, visited <-chan struct{}) (died time.Time, yes bool) {
	over := time.Now().Add(patience)
	for {
		now, err := d.victim(victim.Service)
		if err == nil && now.Restarts > victim.Restarts {
			return time.Now().Add(-time.Duration(float64(now.Uptime) * float64(time.Second))), true
		}
		select {
		case <-visited:
			over = time.Now().Add(patience)
			visited = nil
		default:
		}
		if visited == nil && time.Now().After(over) || live.Pause(ctx, look) != nil {
			return time.Time{}, false
		}
	}
}

// back waits until a process that died is ready again.
func (d *drive) back(ctx context.Context, service string, victim instance.Status) error {
	now := victim
	_, ok := live.Until(ctx, time.Minute, func() bool {
		var err error
		now, err = d.victim(service)
		return err == nil && now.Restarts > victim.Restarts && now.Phase == instance.Ready
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok:
		return fmt.Errorf("%s is %s a minute after it was crashed; it ended last time as %s", victim.ID, now.Phase, now.LastExit)
	}
	return nil
}

// aftermath waits until all is quiet and says what is wrong: "" when nothing is.
func (d *drive) aftermath(ctx context.Context, accepted bool, died time.Time, reached bool) string {
	want := came{}
	if accepted {
		want.atLeast = 1
	}
	began := time.Now()
	s, wrong := d.await(ctx, want)
	d.tally.ended(s)
	switch {
	case wrong != "":
		return wrong
	case len(s.fresh) > 1:
		return fmt.Sprintf("one visitor began %d sagas: %s/%s and %s/%s", len(s.fresh), s.fresh[0].Name, s.fresh[0].ID, s.fresh[1].Name, s.fresh[1].ID)
	}
	if reached {
		d.tally.longest = max(d.tally.longest, time.Since(died))
		took, err := d.takeovers(ctx, s.fresh, died)
		if err != nil {
			return "ask for its history: " + oneLine(err)
		}
		for _, t := range took {
			d.tally.takeovers.Record(t)
		}
	} else {
		d.tally.longest = max(d.tally.longest, time.Since(began))
	}
	d.tally.visitors++
	if accepted {
		d.tally.accepted++
	}
	if err := d.check(ctx); err != nil {
		return oneLine(err)
	}
	return ""
}
