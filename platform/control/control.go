// Package control is the engine that knows the fleet: today its registry, later its
// rollouts, telemetry, identities and dashboard. Calls never depend on it: with
// control dead, callers and edge go on with what they knew last.
package control

import (
	"context"
	"path/filepath"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/registry"
)

// Config says where control keeps what survives a restart.
type Config struct {
	StateDir   string // "" keeps nothing
	Generation string // names this run of the fleet; see registry.Config
}

// Service returns control as a service like any other, with probes, logs and drain.
// It is told its port by PORT.
func Service(cfg Config) muster.Service {
	return muster.Service{Name: "control", Run: func(ctx context.Context, app *muster.App) error {
		var file string
		if cfg.StateDir != "" {
			file = filepath.Join(cfg.StateDir, "registry.json")
		}
		reg := registry.New(registry.Config{File: file, Generation: cfg.Generation, Log: app.Log()})
		app.Handle("/v1/", reg)
		app.Go("registry", func(ctx context.Context) error {
			reg.Run(ctx)
			return nil
		})
		return app.Serve(ctx)
	}}
}
