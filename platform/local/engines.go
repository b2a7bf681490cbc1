package local

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/broker"
	"github.com/musterdev/muster/platform/control"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/ctl"
	"github.com/musterdev/muster/platform/supervise/probe"
	"github.com/musterdev/muster/platform/telemetry"
)

// engines are the children that the supervisor starts before the services.
func (cfg *Config) engines() []supervise.Engine {
	f := cfg.Fleet
	all := []supervise.Engine{
		{
			Name: "control", Argv: append([]string{cfg.Program, "engine", "control", "--state", cfg.state(""), "--generation", rand.Text()}, cfg.controlFlags()...),
			Env: []string{"PORT=" + strconv.Itoa(f.Control.Port)}, Port: f.Control.Port,
			Setting: preflight.ControlSetting,
		},
		{
			Name: "edge", Argv: []string{cfg.Program, "engine", "edge", "--config", cfg.state("edge.json")}, Port: f.Edge.Port,
			Setting: preflight.EdgeSetting, Front: true,
			Env:   cfg.telemetry(),
			Ready: edgeLives(f.Edge.Port), Live: edgeLives(f.Edge.Port),
			Succeed: []string{"--take-over", ctl.Socket(cfg.Dir, edgeSocket)}, Leaves: gateway.DefaultDrain + time.Minute,
			Serves: edgeServes(ctl.Socket(cfg.Dir, edgeSocket)),
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

// edgeServes asks at the edge's socket which process serves.
func edgeServes(socket string) func(ctx context.Context, pid int) bool {
	client := admin.NewClient(socket)
	return func(ctx context.Context, pid int) bool {
		st, err := client.Status(ctx)
		return err == nil && st.PID == pid
	}
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
	log, endLog, err := cfg.openLog("engines")
	if err != nil {
		return nil, err
	}
	if edgeConfig.Telemetry, err = cfg.edgeTelemetry(ctx, log); err != nil {
		return nil, errors.Join(err, endLog())
	}
	parts := 1 + len(services)
	ended, ready := make(chan error, 2), make(chan struct{}, parts)
	edgeConfig.Ready = func(net.Addr) { ready <- struct{}{} }
	edge, stopEdge := context.WithCancel(ctx)
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	stop = func() error {
		stopEdge()
		stopRest()
		defer flush(edgeConfig.Telemetry)
		return errors.Join(<-ended, <-ended, endLog())
	}
	go func() { ended <- gateway.Run(edge, edgeConfig) }()
	go func() {
		ended <- muster.Run(rest, services, muster.With(sqlite.Driver, otlp.Driver), muster.Environment(environment(env)),
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
	headers, err := telemetry.ParseHeaders(os.Getenv("OTEL_EXPORTER_OTLP_HEADERS"))
	if err != nil {
		return nil, nil, err
	}
	services = []muster.Service{control.Service(control.Config{
		StateDir: cfg.state(""), Generation: rand.Text(), Fleet: f.Name, Retention: f.Telemetry.Retention, Export: f.Telemetry.Export,
		Headers: headers, Hosts: cfg.Names, DNS: f.Control.DNS, Before: cfg.Before,
	})}
	env = map[string]string{
		"CONTROL_PORT": strconv.Itoa(f.Control.Port), "PORT": strconv.Itoa(f.Control.Port),
		otlpEndpoint: cfg.telemetryURL(), "CONTROL_OTEL_SDK_DISABLED": "true", // its own would be about what it gets
	}
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
