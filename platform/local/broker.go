package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/musterdev/muster/platform/broker"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/problem"
)

// brokerName is what the engine is called in the registry, the logs and `muster ps`.
const brokerName = "broker"

// subscriptionsFile is what the broker reads at its start.
func (cfg *Config) subscriptionsFile() string { return cfg.state("broker/subscriptions.json") }

// brokerEngine is the broker as a child.
func (cfg *Config) brokerEngine() supervise.Engine {
	f := cfg.Fleet
	return supervise.Engine{
		Name: brokerName, Port: f.Broker.HTTP, Setting: preflight.EventsSetting,
		Argv: []string{
			cfg.Program, "engine", "broker", "--port", strconv.Itoa(f.Broker.Port),
			"--store", cfg.state("broker"), "--subscriptions", cfg.subscriptionsFile(),
		},
		Env: append(cfg.telemetry(), pairs(cfg.brokerEnvironment())...),
		Told: func(peers map[string]fleet.Address) ([]string, error) {
			url, err := f.BusURL(peers)
			return []string{"MUSTER_BUS_URL=" + url}, err // "" goes before what this process may have been told
		},
	}
}

// brokerEnvironment is what the broker is told as a service.
func (cfg *Config) brokerEnvironment() map[string]string {
	return map[string]string{
		"PORT":                strconv.Itoa(cfg.Fleet.Broker.HTTP),
		"DATABASE_URL":        "sqlite:" + filepath.ToSlash(cfg.state("broker/parked.db")),
		"MUSTER_INSTANCE":     brokerName,
		"MUSTER_REGISTRY_URL": loopback(cfg.Fleet.Control.Port),
	}
}

// brokerConfig is the broker in this process.
func (cfg *Config) brokerConfig() (broker.Config, error) {
	external, err := cfg.Fleet.BusURL(nil)
	return broker.Config{
		Port: cfg.Fleet.Broker.Port, StoreDir: cfg.state("broker"), External: external, Subscriptions: cfg.subscriptionsFile(),
	}, err
}

// busURL is MUSTER_BUS_URL of the fleet's own broker; "" when it has none.
func busURL(f *fleet.Fleet) string {
	if !preflight.Broker(f) || f.Bus != "" {
		return ""
	}
	return "nats://127.0.0.1:" + strconv.Itoa(f.Broker.Port)
}

// eventsURL is MUSTER_EVENTS_URL; "" without a broker of the platform's.
func eventsURL(f *fleet.Fleet) string {
	if !preflight.Broker(f) {
		return ""
	}
	return loopback(f.Broker.HTTP)
}

// subscriptions are what the services of a fleet want posted.
func subscriptions(f *fleet.Fleet) []broker.Subscription {
	list := []broker.Subscription{}
	for _, s := range f.Services {
		for _, on := range s.On {
			list = append(list, broker.Subscription{Service: s.Name, Topic: on.Topic, Path: on.Path})
		}
	}
	return list
}

// writeSubscriptions lets a broker that starts post without being told by anybody.
func (cfg *Config) writeSubscriptions(f *fleet.Fleet) error {
	if err := os.MkdirAll(cfg.state("broker"), 0o700); err != nil {
		return fmt.Errorf("make the broker's folder: %w", err)
	}
	return writeJSON(cfg.subscriptionsFile(), subscriptions(f))
}

// subscribe tells the broker that runs what a changed fleet wants posted.
func (cfg *Config) subscribe(ctx context.Context, f *fleet.Fleet) error {
	had, bus := preflight.Broker(cfg.Fleet), cfg.Fleet.Bus
	switch wants := preflight.Broker(f); {
	case wants && !had:
		return errors.New("the fleet deals in events now, and has its broker only after the next start")
	case !had:
		return nil
	case f.Bus != bus:
		return errors.New("bus: is another broker now; the fleet uses it after the next start")
	}
	if err := cfg.writeSubscriptions(f); err != nil {
		return err
	}
	body, err := json.Marshal(subscriptions(f))
	if err != nil {
		return err
	}
	return untilTaken(ctx, func(ctx context.Context) error {
		return put(ctx, eventsURL(cfg.Fleet)+"/v1/subscriptions", body)
	})
}

// brokerBack is how long a broker may be away when the fleet changes: killed, it is
// back sooner.
const brokerBack = 15 * time.Second

// untilTaken asks again for as long as nobody answers.
func untilTaken(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, brokerBack)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask(ctx)
		if err == nil || problem.CodeOf(err) != problem.Unavailable {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("tell the broker what to post: %w", err)
		}
	}
}

// put sends JSON; nobody there, or not ready, is problem.Unavailable.
func put(ctx context.Context, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req) //nolint:bodyclose // closed below, or by FromResponse
	if err != nil {
		return problem.Wrap(err, problem.Unavailable, "the broker does not answer")
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if res.StatusCode/100 == 2 {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // so that the connection can be used again
		return nil
	}
	return problem.FromResponse(res)
}

// pairs are variables as a process gets them.
func pairs(env map[string]string) []string {
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}
