package own

import (
	"context"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/sagas"
	"github.com/musterdev/muster/platform/local"
)

// Saga crashes the service that has a saga, or those that t names, at each boundary of one
// saga of the load's visitors. what has all but the fleet, the plan and the services; check,
// when not nil, makes its Check for the fleet as it runs. The terms' time and rate are not
// used: how long it takes depends on how much there is to crash at.
func (f *Fleet) Saga(t Terms, what sagas.Config, check func(*local.Fleet) (func(context.Context) error, error)) (*Drill, error) {
	if err := f.known(t.Services...); err != nil {
		return nil, err
	}
	what.Plan, what.Services, what.Seed = f.plan, t.Services, t.Seed
	if err := what.Validate(); err != nil {
		return nil, mistake{err}
	}
	for i := range f.spec.Services {
		s := &f.spec.Services[i]
		for _, name := range t.Services {
			switch {
			case s.Name == name && s.Replicas == 0:
				return nil, mistakef("service %s has 0 replicas: there is nobody to crash; write \"replicas: 1\"", name)
			case s.Name == name && s.TCP:
				return nil, mistakef("service %s speaks another protocol than HTTP and gRPC: only services with package muster can be crashed at a boundary", name)
			}
		}
		s.Replicas = min(s.Replicas, 1) // so that it is known who has the saga in hand
		if s.Env == nil {
			s.Env = map[string]string{}
		}
		s.Env[crash.Variable] = "on"
	}
	return &Drill{run: func(ctx context.Context, up *local.Fleet) (*drill.Report, error) {
		what.Fleet = up
		what.Plan, _ = f.ready(t)
		if check != nil {
			var err error
			if what.Check, err = check(up); err != nil {
				return nil, err
			}
		}
		return sagas.Run(ctx, what)
	}}, nil
}
