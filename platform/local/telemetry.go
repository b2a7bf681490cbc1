package local

import (
	"context"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/supervise/logs"
)

// otlpEndpoint names the backend of a whole fleet's telemetry.
const otlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"

// telemetryURL is where the services' telemetry goes: what this process was told, what
// muster.yaml says, and else control. It is "" where muster.yaml says another place for
// each service, and where OTEL_SDK_DISABLED says that there is to be none.
func (cfg *Config) telemetryURL() string {
	told, endpoint := os.Getenv(otlpEndpoint), cfg.Fleet.Telemetry.Endpoint
	switch {
	case strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true"):
		return ""
	case told != "":
		return told
	case endpoint == "":
		return loopback(cfg.Fleet.Control.Port)
	case strings.Contains(endpoint, "${"):
		return ""
	}
	return endpoint
}

// telemetry tells an engine where the services' telemetry goes, so that a trace begins
// there.
func (cfg *Config) telemetry() []string {
	url := cfg.telemetryURL()
	if url == "" {
		return nil
	}
	return []string{otlpEndpoint + "=" + url}
}

// controlFlags say what control is to do with what it gets, and who may look.
func (cfg *Config) controlFlags() []string {
	flags, t := []string{"--fleet", cfg.Fleet.Name}, cfg.Fleet.Telemetry
	for _, name := range cfg.Names {
		flags = append(flags, "--name", name)
	}
	if port := cfg.Fleet.Control.DNS; port != 0 {
		flags = append(flags, "--dns", strconv.Itoa(port))
	}
	if t.Export != "" {
		flags = append(flags, "--export", t.Export)
	}
	for _, service := range slices.Sorted(maps.Keys(t.Retention)) {
		flags = append(flags, "--keep", service+"="+t.Retention[service].String())
	}
	return flags
}

// flushWithin bounds the sending of what telemetry is left at the end.
const flushWithin = 3 * time.Second

// edgeTelemetry is that of an edge in this process.
func (cfg *Config) edgeTelemetry(ctx context.Context, log io.Writer) (*observe.Telemetry, error) {
	return observe.Start(ctx, observe.Config{Service: "edge", Instance: "edge", Log: log, Exporter: otlp.Driver, Endpoint: cfg.telemetryURL()})
}

// flush sends what is left. What cannot be sent any more is no failure of the fleet.
func flush(t *observe.Telemetry) {
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	if err := t.Shutdown(ctx); err != nil {
		t.Logger.Warn("telemetry was not sent in full", "error", err)
	}
}

// openLog opens the log of several services in this process, whose lines are collected as
// those of children are.
func (cfg *Config) openLog(name string) (w io.Writer, end func() error, err error) {
	book, err := logs.NewBook(cfg.state("logs"))
	if err != nil {
		return nil, nil, err
	}
	log, err := book.Open(name, name)
	if err != nil {
		return nil, nil, err
	}
	url := cfg.telemetryURL()
	if url == "" {
		return log, func() error { log.Close(); return nil }, nil
	}
	c, err := newCollector(url, cfg.state("collect-"+name))
	if err != nil {
		log.Close()
		return nil, nil, err
	}
	c.follow(book.Follow("", 0), true)
	return log, func() error { log.Close(); return c.close() }, nil
}
