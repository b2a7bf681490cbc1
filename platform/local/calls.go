package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/control"
	"github.com/musterdev/muster/platform/fleet"
)

// calls returns how the services of a fleet are to be called, where it says so.
func calls(f *fleet.Fleet) (map[string]discovery.Settings, error) {
	all := map[string]discovery.Settings{}
	for _, s := range f.Services {
		text, err := s.Calls.Encode()
		if err != nil {
			return nil, fmt.Errorf("service %q: how it is called: %w", s.Name, err)
		}
		if text != nil {
			all[s.Name] = text
		}
	}
	return all, nil
}

func (cfg *Config) writeCalls(f *fleet.Fleet) error {
	all, err := calls(f)
	if err != nil {
		return err
	}
	return writeJSON(cfg.state(control.CallsFile), all)
}

// setCalls tells the registry how services are to be called from now on.
func (cfg *Config) setCalls(ctx context.Context, registry *discovery.Client, f *fleet.Fleet) error {
	all, err := calls(f)
	if err != nil {
		return err
	}
	errs := []error{cfg.writeCalls(f)}
	for _, s := range f.Services {
		if err := registry.Set(ctx, s.Name, all[s.Name]); err != nil {
			errs = append(errs, fmt.Errorf("how %q is called: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}
