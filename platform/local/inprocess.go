package local

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/preflight"
)

// ProcessConfig says what runs together in this process.
type ProcessConfig struct {
	Fleet    *fleet.Fleet // tells the services' databases, the routes and the engines' ports
	Dir      string       // gets the folder .muster; "" is the fleet's
	Services []muster.Service
	Options  []muster.Option   // drivers and the like
	Ready    func(name string) // called for each engine and service that is ready; may be nil
}

// Process is a fleet of which everything is in this process: the services call each
// other over in-memory listeners.
type Process struct {
	*life
	EdgeURL    string
	ControlURL string
	cancel     context.CancelFunc
}

// StartInProcess runs services, control and edge in this process and returns when all
// are ready, or with what kept them from that. They end with ctx, and when one of
// them does.
func StartInProcess(ctx context.Context, pc ProcessConfig) (*Process, error) {
	cfg := &Config{Fleet: pc.Fleet, Dir: cmp.Or(pc.Dir, pc.Fleet.Dir)}
	if err := preflight.ChoosePorts(pc.Fleet); err != nil {
		return nil, err
	}
	if err := preflight.Ports(pc.Fleet); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.state("data"), 0o755); err != nil {
		return nil, err
	}
	p := &Process{life: newLife(), EdgeURL: loopback(pc.Fleet.Edge.Port), ControlURL: loopback(pc.Fleet.Control.Port)}
	if err := cfg.write(p.ControlURL); err != nil {
		return nil, err
	}
	edge, err := gateway.ReadConfig(cfg.state("edge.json"))
	if err != nil {
		return nil, err
	}
	env, err := pc.environment(cfg.Dir)
	if err != nil {
		return nil, err
	}
	engines, told, err := cfg.engineServices()
	if err != nil {
		return nil, err
	}
	log, endLog, err := cfg.openLog("process")
	if err != nil {
		return nil, err
	}
	if edge.Telemetry, err = cfg.edgeTelemetry(ctx, log); err != nil {
		return nil, errors.Join(err, endLog())
	}
	maps.Copy(env, told)
	services := slices.Concat(engines, pc.Services)

	asked := ctx
	ctx, p.cancel = context.WithCancel(asked)
	up, ended := make(chan string, len(services)+1), make(chan error, 2)
	edge.Ready = func(net.Addr) { up <- "edge" }
	go func() { ended <- gateway.Run(ctx, edge) }()
	go func() {
		opts := append([]muster.Option{
			muster.Environment(environment(env)), muster.LogTo(log),
			muster.OnReady(func(name string, _ muster.Settings) { up <- name }),
		}, pc.Options...)
		ended <- muster.Run(ctx, services, opts...)
	}()
	go func() {
		first := <-ended
		p.cancel() // one ends, all end
		flush(edge.Telemetry)
		p.end(errors.Join(first, <-ended, endLog()))
	}()
	for range len(services) + 1 {
		select {
		case name := <-up:
			if pc.Ready != nil {
				pc.Ready(name)
			}
		case <-p.Done():
			err := p.Wait()
			if asked.Err() != nil {
				err = ErrInterrupted
			}
			return nil, err
		}
	}
	return p, nil
}

// environment returns what the services are told: what is theirs under their name,
// as in muster.Settings.
func (pc *ProcessConfig) environment(dir string) (map[string]string, error) {
	env := map[string]string{"MUSTER_BUS_URL": busURL(pc.Fleet), "MUSTER_REGISTRY_URL": loopback(pc.Fleet.Control.Port)}
	if pc.Fleet.Bus != "" {
		var err error
		if env["MUSTER_BUS_URL"], err = pc.Fleet.BusURL(nil); err != nil {
			return nil, err
		}
	}
	for _, s := range pc.Services {
		spec, ok := pc.Fleet.Service(s.Name)
		if !ok {
			continue
		}
		own, err := pc.Fleet.Environment(spec, fleet.Instance{ID: s.Name, Dir: dir})
		if err != nil {
			return nil, err
		}
		prefix := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")) + "_"
		for _, name := range []string{"DATABASE_URL", "MUSTER_CONFIG"} {
			if v, told := own[name]; told {
				env[prefix+name] = v
			}
		}
	}
	return env, nil
}

// Stop ends everything and returns when it has.
func (p *Process) Stop() error {
	p.cancel()
	return p.Wait()
}
