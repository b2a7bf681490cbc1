package sagas

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/platform/drill/live"
)

// point is where one process is crashed once.
type point struct {
	service string
	flow    begun // whose visitor begins the saga
	kind    crash.Kind
	at      crash.Point
	tried   int // and not come to
}

func (p *point) String() string {
	return fmt.Sprintf("%s of %s (%s)", p.at, p.service, p.flow.Name)
}

// record writes down what a service does for a visitor of a flow, and returns the points
// before and after each boundary, in the order in which these began. It does so twice, and
// takes what both have: of what a process does by itself now and then, as looking for work,
// there is more in one than in the other, and what belongs to the saga is in both.
func (d *drive) record(ctx context.Context, service string, f begun) ([]*point, error) {
	first, err := d.whole(ctx, service, &f)
	if err != nil {
		return nil, err
	}
	second, err := d.whole(ctx, service, &f)
	if err != nil {
		return nil, err
	}
	return points(service, f, common(first, second)), nil
}

// patience is how long after a visitor left a process may take to come to the point: longer
// each time that it did not, as what it does by itself it does in time.
func (p *point) patience() time.Duration {
	return min((p.flow.window+p.flow.window/2)<<p.tried, 20*time.Second)
}

// common are the boundaries of a recording of which another has one of the same name.
func common(list, other []crash.Boundary) (both []crash.Boundary) {
	names := map[string]bool{}
	for _, b := range other {
		names[b.Name()] = true
	}
	for _, b := range list {
		if names[b.Name()] {
			both = append(both, b)
		}
	}
	return both
}

// whole is a recording that lasted until all was over: it is made again, for longer, where
// it did not.
func (d *drive) whole(ctx context.Context, service string, f *begun) ([]crash.Boundary, error) {
	for range tries {
		state, whole, err := d.recording(ctx, service, *f)
		if err != nil || whole {
			return state.Boundaries, err
		}
		f.window *= 2
	}
	return nil, fmt.Errorf("a saga that was recorded took longer each time, at last more than %s: this machine has too much to do", f.window/2)
}

// recording lets one visitor come while a service writes down what it does. It is whole when
// all was over as the writing ended.
func (d *drive) recording(ctx context.Context, service string, f begun) (state crash.State, whole bool, err error) {
	if err := d.order(ctx, service, crash.Order{Record: true}); err != nil {
		return state, false, err
	}
	began := time.Now()
	accepted, why, err := d.visit(ctx, f.Flow)
	switch {
	case err != nil:
		return state, false, err
	case !accepted:
		return state, false, fmt.Errorf("a visitor failed while %s was recorded and nothing was broken: %s", service, why)
	}
	// Whoever asked the process whether the saga has ended would be recorded too.
	if err := live.Pause(ctx, max(0, f.window-time.Since(began))); err != nil {
		return state, false, err
	}
	if state, err = d.recorded(ctx, service); err != nil {
		return state, false, err
	}
	now := d.look(ctx)
	if _, wrong := d.await(ctx, came{atLeast: 1}); wrong != "" {
		return state, false, fmt.Errorf("a saga that was recorded, while nothing was broken: %s", wrong)
	}
	err = d.order(ctx, service, crash.Order{})
	return state, now.failed == "" && now.busy == "" && len(now.fresh) > 0, err
}

// points are both sides of each boundary.
func points(service string, f begun, list []crash.Boundary) (all []*point) {
	for _, b := range list {
		for _, side := range []crash.Side{crash.Before, crash.After} {
			all = append(all, &point{service: service, flow: f, kind: b.Kind, at: crash.Point{At: b.Name(), Side: side}})
		}
	}
	return all
}

// sampled is n of the points, chosen by chance, in their order; all for 0.
func sampled(all []*point, n int, seed uint64) []*point {
	if n == 0 || n >= len(all) {
		return all
	}
	chosen := rand.New(rand.NewPCG(seed, 1)).Perm(len(all))[:n]
	slices.Sort(chosen)
	some := make([]*point, n)
	for i, at := range chosen {
		some[i] = all[at]
	}
	return some
}

// only is one point of one service and flow.
func (d *drive) only(at crash.Point, services []string) ([]*point, error) {
	if len(d.flows) > 1 {
		return nil, fmt.Errorf("--at is a boundary in one flow, and %s and %s begin the saga: say which by --flow", d.flows[0].Name, d.flows[1].Name)
	}
	kind, _, _ := strings.Cut(at.At, " ")
	return []*point{{service: services[0], flow: d.flows[0], kind: crash.Kind(kind), at: at}}, nil
}
