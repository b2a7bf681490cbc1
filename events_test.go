package muster_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
)

type greeting struct{ Text string }

var greeted = bus.Topic[greeting]{Name: "greeter.greeted"}

// inMemory is a bus driver for one broker in this process.
type inMemory struct{ broker *memory.Broker }

func (inMemory) Name() string         { return "memory" }
func (inMemory) BusSchemes() []string { return []string{"memory"} }

func (d inMemory) OpenBus(_ context.Context, url, _ string, _ *slog.Logger) (bus.Broker, error) {
	if url == "memory:broken" {
		return nil, errors.New("there is no such broker")
	}
	return d.broker, nil
}

// A service hears what another publishes, and ends without losing what it handles.
func TestAServiceHearsEvents(t *testing.T) {
	driver := inMemory{memory.New()}
	heard := make(chan greeting)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listener := muster.Service{Name: "listener", Run: func(ctx context.Context, app *muster.App) error {
		app.On(greeted.Name, bus.Typed(greeted, func(_ context.Context, d bus.Delivery, g greeting) error {
			if d.Group != "listener" {
				t.Errorf("delivered to the group %q", d.Group)
			}
			heard <- g
			return nil
		}))
		return app.Serve(ctx)
	}}
	speaker := muster.Service{Name: "speaker", Run: func(ctx context.Context, app *muster.App) error {
		broker, err := app.Bus()
		if err != nil {
			return err
		}
		app.Go("speak", func(ctx context.Context) error {
			m, err := greeted.Msg(ctx, "k", greeting{"hello"})
			if err != nil {
				return err
			}
			m.Source = "/speaker"
			return broker.Publish(ctx, []bus.Msg{m})[0].Err
		})
		return app.Serve(ctx)
	}}
	ended := make(chan error, 1)
	go func() {
		ended <- muster.Run(ctx, []muster.Service{listener, speaker}, muster.With(driver), env("MUSTER_BUS_URL", "memory:"), muster.LogTo(io.Discard))
	}()
	select {
	case g := <-heard:
		if g.Text != "hello" {
			t.Errorf("heard %+v", g)
		}
	case err := <-ended:
		t.Fatalf("ended before anything was heard: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestBadBus(t *testing.T) {
	for name, test := range map[string]struct {
		url, want string
		options   []muster.Option
		config    bool
	}{
		"not set":      {"", `service "a" uses events but MUSTER_BUS_URL is not set`, []muster.Option{muster.With(inMemory{})}, true},
		"no driver":    {"nats://127.0.0.1:4222", "built without a broker driver", nil, true},
		"other scheme": {"kafka://127.0.0.1", `has the scheme "kafka"; the drivers passed to muster.With know memory`, []muster.Option{muster.With(inMemory{})}, true},
		"no scheme":    {"localhost", "MUSTER_BUS_URL has no scheme", []muster.Option{muster.With(inMemory{})}, true},
		"driver fails": {"memory:broken", "MUSTER_BUS_URL: there is no such broker", []muster.Option{muster.With(inMemory{})}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := muster.Service{Name: "a", Run: func(ctx context.Context, app *muster.App) error {
				app.On(greeted.Name, func(context.Context, bus.Delivery) error { return nil })
				return app.Serve(ctx)
			}}
			err := muster.Run(t.Context(), []muster.Service{s}, append(test.options, env("MUSTER_BUS_URL", test.url), muster.LogTo(io.Discard))...)
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, muster.ErrConfig) != test.config {
				t.Errorf("%v, want %q (configuration: %t)", err, test.want, test.config)
			}
		})
	}
}
