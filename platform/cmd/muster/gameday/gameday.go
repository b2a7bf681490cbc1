// Package gameday breaks the reference shop on purpose while users are there, and
// judges what they met: the drills of the muster binary, and the demo's chaos. What to
// break comes from package drill, the shop and its proof from package reference.
package gameday

import (
	"context"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
)

// Rolling replaces every replica again and again for so long.
func Rolling(ctx context.Context, shop *reference.Fleet, length time.Duration) (*drill.Report, error) {
	return underTraffic(shop, func(flows []drill.Flow) *drill.Report {
		return drill.Rolling(ctx, drill.RollingConfig{
			Fleet: shop, Services: reference.Names(), For: length, Least: int(length / time.Second), Flows: flows,
		})
	})
}

// controlBack is how soon control must be ready when it may start again.
const controlBack = 5 * time.Second

// ControlDown keeps control dead for so long.
func ControlDown(ctx context.Context, shop *reference.Fleet, length time.Duration) (*drill.Report, error) {
	return underTraffic(shop, func(flows []drill.Flow) *drill.Report {
		return drill.Down(ctx, drill.Outage{
			Part: "control", For: length, Back: controlBack, Flows: flows,
			Kill:  func(away time.Duration) error { return shop.Processes().KillFor("control", away) },
			Alive: func() bool { return shop.Lives("control") },
		})
	})
}

func underTraffic(shop *reference.Fleet, run func([]drill.Flow) *drill.Report) (*drill.Report, error) {
	flows, closeTraffic, err := reference.Traffic(shop.URL)
	if err != nil {
		return nil, err
	}
	defer closeTraffic()
	return run(flows), nil
}
