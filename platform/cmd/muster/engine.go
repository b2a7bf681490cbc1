package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/broker"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/control"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/supervise/guard"
	"github.com/musterdev/muster/platform/telemetry"
)

// otlpEndpoint names the backend of a whole fleet's telemetry.
const otlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"

// flushWithin bounds the sending of what telemetry is left at the end.
const flushWithin = 3 * time.Second

// engineCmd is the platform's own processes; the supervisor starts them.
type engineCmd struct {
	Control  controlCmd  `cmd:"" help:"Registry, telemetry and dashboard."`
	Edge     edgeCmd     `cmd:"" help:"The gateway."`
	Broker   brokerCmd   `cmd:"" help:"Events: NATS JetStream, and events over HTTP."`
	Guardian guardianCmd `cmd:"" help:"Ends a fleet whose supervisor died."`
}

type controlCmd struct {
	State      string                   `help:"Folder for what survives a restart."`
	Generation string                   `help:"Names this run of the fleet."`
	Fleet      string                   `help:"Its name."`
	Name       []string                 `help:"Name by which browsers ask for the dashboard."`
	DNS        int                      `help:"Port on 127.0.0.1 at which services are found by DNS; 0 for none."`
	Export     string                   `help:"OTLP backend that gets all telemetry too."`
	Keep       map[string]time.Duration `help:"How long traces and logs are kept, by service; * is all others."`
}

func (c *controlCmd) Run(ctx context.Context) error {
	headers, err := telemetry.ParseHeaders(os.Getenv("OTEL_EXPORTER_OTLP_HEADERS"))
	if err != nil {
		return terminal.Usage(err)
	}
	// without an exporter: beats and watches would drown a team's own traces
	return muster.Run(ctx, []muster.Service{control.Service(control.Config{
		StateDir: c.State, Generation: c.Generation, Fleet: c.Fleet, Export: c.Export, Retention: c.Keep, Headers: headers, Hosts: c.Name, DNS: c.DNS,
	})}, muster.LogTo(os.Stderr))
}

type edgeCmd struct {
	Config   string        `required:"" help:"Its configuration, JSON."`
	TakeOver string        `placeholder:"SOCKET" help:"Take the place of the edge that serves this admin socket; without one, start as the first."`
	Drain    time.Duration `default:"10m" help:"How long that edge may go on with what it has under way."`
}

func (c *edgeCmd) Run(ctx context.Context) error {
	cfg, err := gateway.ReadConfig(c.Config)
	if err != nil {
		return terminal.Usage(err)
	}
	cfg.TakeOver, cfg.Drain = c.TakeOver, c.Drain
	cfg.Telemetry, err = observe.Start(ctx, observe.Config{
		Service: "edge", Instance: "edge", Log: os.Stderr,
		Exporter: otlp.Driver, Endpoint: os.Getenv(otlpEndpoint),
	})
	if err != nil {
		return err
	}
	err = gateway.Run(ctx, cfg)
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	return errors.Join(err, cfg.Telemetry.Shutdown(flush))
}

type brokerCmd struct {
	Port          int    `required:"" help:"Port of the NATS protocol; no matter when MUSTER_BUS_URL names an outside broker."`
	Store         string `required:"" help:"Folder for the messages."`
	Subscriptions string `required:"" help:"What to post where, JSON."`
}

func (c *brokerCmd) Run(ctx context.Context) error {
	return muster.Run(ctx, []muster.Service{broker.Service(broker.Config{
		Port: c.Port, StoreDir: c.Store, External: os.Getenv("MUSTER_BUS_URL"), Subscriptions: c.Subscriptions,
	})}, muster.With(sqlite.Driver, otlp.Driver), muster.LogTo(os.Stderr))
}

type guardianCmd struct{}

func (*guardianCmd) Run() error {
	os.Exit(guard.Main(os.Stdin, os.Stdout))
	return nil
}
