package drills

import (
	"context"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill/delay"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
)

// NetworkDelay measures what helps where the network between services is slow.
type NetworkDelay struct {
	For       time.Duration `default:"30s" help:"How long visitors come, 10s at least."`
	Delay     time.Duration `default:"20ms" help:"Each way between the two services."`
	Bandwidth int64         `default:"1000000" placeholder:"BYTES" help:"Bytes a second of each connection between them."`
	Rate      load.Rate     `default:"52/s" placeholder:"N/s" help:"Visitors a second, of all thirteen ways together."`
	Seed      uint64        `placeholder:"N" help:"Makes arrivals repeatable."`
	JSON      bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *NetworkDelay) Run(ctx context.Context, t terminal.Terminal) error {
	if err := within(c.For, 10*time.Second, time.Hour); err != nil {
		return err
	}
	cfg := delay.Config{For: c.For, Delay: c.Delay, Bandwidth: c.Bandwidth, Rate: c.Rate, Seed: c.Seed}
	if c.Delay == 0 || c.Bandwidth == 0 || c.Rate == 0 {
		return terminal.Usagef("--delay, --bandwidth and --rate must not be 0")
	}
	if err := cfg.Validate(); err != nil {
		return terminal.Usage(err)
	}
	var err error
	if cfg.Command, err = stage.Itself(StageVerb); err != nil {
		return err
	}
	cfg.Command.Argv = append(cfg.Command.Argv, delayArgument)
	r, err := delay.Run(ctx, cfg)
	return report(t, r, err, c.JSON)
}
