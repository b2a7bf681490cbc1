package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/control"
	"github.com/musterdev/muster/platform/telemetry"
)

// dashboardCmd keeps and shows the telemetry of any programs.
type dashboardCmd struct {
	Port   int                      `default:"8081" help:"Port of the dashboard, which takes OTLP too; 0 is any free one."`
	GRPC   int                      `name:"otlp-grpc" default:"4317" help:"Port that takes OTLP over gRPC; 0: only the dashboard's."`
	HTTP   int                      `name:"otlp-http" default:"4318" help:"Port that takes OTLP over HTTP; 0: only the dashboard's."`
	Host   string                   `default:"127.0.0.1" help:"Address to listen on: 0.0.0.0 is all of this machine's."`
	Name   []string                 `placeholder:"NAME" help:"Name by which browsers ask for it, besides localhost and addresses."`
	Dir    string                   `default:".muster/dashboard" placeholder:"DIR" help:"Folder for what is kept: .muster/dashboard where nothing is said."`
	Export string                   `placeholder:"URL" help:"OTLP backend that gets everything too."`
	Keep   map[string]time.Duration `placeholder:"SERVICE=168h" help:"How long a service's traces and logs are kept; * is all others."`
}

// hostNames checks the names by which browsers ask.
func hostNames(list []string) error {
	for _, name := range list {
		if name == "" || strings.ContainsAny(name, ":/ *") {
			return terminal.Usagef("--name: %q is no name of a host, such as shop.example: without scheme, port and path", name)
		}
	}
	return nil
}

func (c *dashboardCmd) Run(ctx context.Context, t terminal.Terminal) error {
	for flag, port := range map[string]int{"--port": c.Port, "--otlp-grpc": c.GRPC, "--otlp-http": c.HTTP} {
		if port < 0 || port > 65535 {
			return terminal.Usagef("%s must be 0 to 65535, not %d", flag, port)
		}
	}
	if err := hostNames(c.Name); err != nil {
		return err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return terminal.Usage(fmt.Errorf("--dir: %w", err))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return terminal.Usage(fmt.Errorf("--dir: %w", err))
	}
	log, err := os.OpenFile(filepath.Join(dir, "dashboard.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return terminal.Usage(fmt.Errorf("--dir: %w", err))
	}
	defer func() { _ = log.Close() }() // nobody writes any more
	headers, err := telemetry.ParseHeaders(os.Getenv("OTEL_EXPORTER_OTLP_HEADERS"))
	if err != nil {
		return terminal.Usage(err)
	}
	env := map[string]string{"PORT": strconv.Itoa(c.Port), "MUSTER_HOST": c.Host}
	for name, kept := range c.Keep {
		if kept <= 0 {
			return terminal.Usagef("--keep: %s must be kept for more than 0s, not %s", name, kept)
		}
	}
	err = muster.Run(ctx, []muster.Service{control.Service(control.Config{
		StateDir: dir, Retention: c.Keep, Export: c.Export, Headers: headers, Hosts: c.Name,
		OTLP: control.Intake{Host: c.Host, HTTP: c.HTTP, GRPC: c.GRPC},
	})}, muster.LogTo(log), muster.Environment(func(name string) (string, bool) { v, ok := env[name]; return v, ok }),
		muster.OnReady(func(_ string, s muster.Settings) {
			_, _ = fmt.Fprintf(t.Out, "dashboard  http://%s:%d/\nOTLP       gRPC %s:%d, HTTP %s:%d; logs of its own in %s\nCtrl-C ends it.\n",
				c.Host, s.Port, c.Host, cmp.Or(c.GRPC, s.Port), c.Host, cmp.Or(c.HTTP, s.Port), log.Name())
		}))
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w (--port, --otlp-grpc, --otlp-http)", err)
	}
	return err
}
