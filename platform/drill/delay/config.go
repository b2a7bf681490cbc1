package delay

import (
	"cmp"
	"fmt"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
)

// Config says how the drill is held. Only Command is needed.
type Config struct {
	Command   stage.Command // how this program calls Serve; engines run in this process
	For       time.Duration // that visitors come; 0 means 30 s
	Delay     time.Duration // each way between front and back, 5 ms to 500 ms; 0 means 20 ms
	Bandwidth int64         // bytes a second of each connection to front, 100,000 to 10,000,000; 0 means 1,000,000
	Rate      load.Rate     // visitors a second, of all ways together, 13/s to 500/s; 0 means 52/s
	Seed      uint64        // of arrivals; 0: any

	maxLag time.Duration // voids the run; 0 means 5 ms, a part of the shortest round trip
}

// The bounds of a Config.
const (
	leastDelay, mostDelay         = 5 * time.Millisecond, 500 * time.Millisecond
	leastBandwidth, mostBandwidth = 100_000, 10_000_000
	leastRate, mostRate           = 13, 500
)

// Validate returns nil, or an error that names the first field out of its range.
func (cfg Config) Validate() error {
	cfg = cfg.filled()
	switch {
	case cfg.Delay < leastDelay || cfg.Delay > mostDelay:
		return fmt.Errorf("the delay must be %s to %s each way, not %s", leastDelay, mostDelay, cfg.Delay)
	case cfg.Bandwidth < leastBandwidth || cfg.Bandwidth > mostBandwidth:
		return fmt.Errorf("the bandwidth must be %d to %d bytes a second, not %d", leastBandwidth, mostBandwidth, cfg.Bandwidth)
	case !(cfg.Rate >= leastRate && cfg.Rate <= mostRate):
		return fmt.Errorf("the rate must be %d/s to %d/s, not %s", leastRate, mostRate, cfg.Rate)
	}
	return nil
}

func (cfg Config) filled() Config {
	cfg.For = cmp.Or(cfg.For, 30*time.Second)
	cfg.Delay = cmp.Or(cfg.Delay, 20*time.Millisecond)
	cfg.Bandwidth = cmp.Or(cfg.Bandwidth, 1_000_000)
	cfg.Rate = cmp.Or(cfg.Rate, 52)
	cfg.maxLag = cmp.Or(cfg.maxLag, 5*time.Millisecond)
	return cfg
}

// trip is a round trip between front and back.
func (cfg Config) trip() time.Duration { return 2 * cfg.Delay }

// The services, and the instance of placed that shares front's zone.
const (
	front  = "front"
	back   = "back"   // one instance, far away
	placed = "placed" // back's twin with a second instance, which is near
	near   = placed + "-2"

	home, away = "home", "away" // zones
)

// long are the ways that the delay lies on.
func long() []fault.Edge {
	return []fault.Edge{
		{From: front, To: back, Endpoint: discovery.HTTP},
		{From: front, To: placed, Instance: placed + "-1", Endpoint: discovery.HTTP},
	}
}

func (cfg Config) toxics() fault.Toxics {
	return fault.Toxics{
		Handshake: cfg.trip(),
		Up:        fault.Stream{Latency: cfg.Delay},
		Down:      fault.Stream{Latency: cfg.Delay, Bandwidth: cfg.Bandwidth},
	}
}

// services are those of the fleet. Front publishes, so that there is a broker.
func services() stage.Services {
	return stage.Services{
		{Name: back, More: map[string]any{"zone": away}},
		{Name: placed, Replicas: 2, More: map[string]any{"zone": away}},
		{Name: front, More: map[string]any{"zone": home, "publishes": topic().Name}},
	}
}
