package local

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/broker"
	"github.com/musterdev/muster/platform/control"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/probe"
)

// otlpEndpoint names the backend of a whole fleet's telemetry.
const otlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"

// engines are the children that the supervisor starts before the services.
func (cfg *Config) engines() []supervise.Engine {
	f := cfg.Fleet
	all := []supervise.Engine{
		{
			Name: "control", Argv: []string{cfg.Program, "engine", "control", "--state", cfg.state(""), "--generation", rand.Text()},
			Env: []string{"PORT=" + strconv.Itoa(f.Control.Port)}, Port: f.Control.Port,
			Setting: preflight.ControlSetting,
		},
		{
			Name: "edge", Argv: []string{cfg.Program, "engine", "edge", "--config", cfg.state("edge.json")}, Port: f.Edge.Port,
			Setting: preflight.EdgeSetting, Front: true,
			Env:   cfg.telemetry(),
			Ready: edgeLives(f.Edge.Port), Live: edgeLives(f.Edge.Port),
		},
	}
	if preflight.Broker(f) {
		all = append(all, cfg.brokerEngine())
	}
	return all
}

// edgeLives asks the edge itself: a port alone is open for a frozen process too.
func edgeLives(port int) probe.Target {
	return probe.Target{Kind: probe.HTTP, Address: "127.0.0.1:" + strconv.Itoa(port), Path: gateway.LivePath}
}

// telemetry tells the edge where the services' telemetry goes, so that a trace begins
// there.
func (cfg *Config) telemetry() []string {
	endpoint := cfg.Fleet.Telemetry.Endpoint
	if _, set := os.LookupEnv(otlpEndpoint); set || endpoint == "" || strings.Contains(endpoint, "${") {
		return nil // inherited, nowhere, or another for each service
	}
	return []string{otlpEndpoint + "=" + endpoint}
}

// startEngines runs the engines in this process. The edge ends with ctx, so that it
// lets nothing in while the services end; stop ends what is left.
func (cfg *Config) startEngines(ctx context.Context) (stop func() error, err error) {
	edgeConfig, err := gateway.ReadConfig(cfg.state("edge.json"))
	if err != nil {
		return nil, err
	}
	services, env, err := cfg.engineServices()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.state("logs"), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(cfg.state("logs/engines.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	parts := 1 + len(services)
	ended, ready := make(chan error, 2), make(chan struct{}, parts)
	edgeConfig.Ready = func(net.Addr) { ready <- struct{}{} }
	edge, stopEdge := context.WithCancel(ctx)
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	stop = func() error {
		stopEdge()
		stopRest()
		return errors.Join(<-ended, <-ended, log.Close())
	}
	go func() { ended <- gateway.Run(edge, edgeConfig) }()
	go func() {
		ended <- muster.Run(rest, services, muster.With(sqlite.Driver), muster.Environment(environment(env)),
			muster.OnReady(func(string, muster.Settings) { ready <- struct{}{} }), muster.LogTo(log))
	}()
	for range parts {
		select {
		case <-ready:
		case err := <-ended:
			ended <- err // for stop
			if err = stop(); err == nil || ctx.Err() != nil {
				err = ErrInterrupted // no engine ends by itself
			}
			return nil, err
		}
	}
	return stop, nil
}

// engineServices are the engines that are services like any other, and what they are
// told: what is theirs under their name, as in muster.Settings.
func (cfg *Config) engineServices() (services []muster.Service, env map[string]string, err error) {
	f := cfg.Fleet
	services = []muster.Service{control.Service(control.Config{StateDir: cfg.state(""), Generation: rand.Text()})}
	env = map[string]string{"CONTROL_PORT": strconv.Itoa(f.Control.Port), "PORT": strconv.Itoa(f.Control.Port)}
	if !preflight.Broker(f) {
		return services, env, nil
	}
	config, err := cfg.brokerConfig()
	if err != nil {
		return nil, nil, err
	}
	for name, v := range cfg.brokerEnvironment() {
		env["BROKER_"+name] = v
	}
	delete(env, "BROKER_MUSTER_REGISTRY_URL") // services of one process share theirs
	env["MUSTER_REGISTRY_URL"] = loopback(f.Control.Port)
	return append(services, broker.Service(config)), env, nil
}

// environment answers only for these variables.
func environment(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}
