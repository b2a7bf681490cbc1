package muster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/problem"
)

const (
	dialTimeout     = 2 * time.Second
	telemetryFlush  = 3 * time.Second
	maxHeaderBytes  = 64 << 10
	readHeaderBound = 10 * time.Second
)

// Run runs services in this process until ctx ends or one of them fails; then all
// drain. Calls between them go over in-memory listeners with the same client,
// server and policies as over a network, so that a team starts as one process and
// splits later without rewriting. It returns their failures joined, each with its
// service's name where there are several.
func Run(ctx context.Context, services []Service, opts ...Option) error {
	o := newOptions(opts)
	settings, err := allSettings(services, o)
	if err != nil {
		return err
	}
	if err := o.planFromEnv(settings); err != nil {
		return err
	}
	pipes := newPipes(services)
	var registry *discovery.Client
	if url := settings[0].RegistryURL; url != "" {
		caller := settings[0].Service
		if len(settings) > 1 {
			caller = "" // one watch for several services
		}
		registry, err = discovery.NewClient(discovery.ClientConfig{
			URL: url, Dir: settings[0].StateDir, Service: caller, HTTP: o.registryClient(),
			Log: observe.NewLogger(o.log, settings[0].LogLevel).With("service", settings[0].Service, "instance", settings[0].Instance),
		})
		if err != nil {
			return configErrorf("MUSTER_REGISTRY_URL: %v", err)
		}
		defer registry.Close()
		pipes.elsewhere = registry
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(services))
	var running sync.WaitGroup
	for name := range pipes.views {
		if registry != nil {
			running.Go(func() { pipes.follow(ctx, name) })
		}
	}
	for i, s := range services {
		running.Go(func() {
			defer cancel() // one ends, all end
			if errs[i] = runOne(ctx, cancel, s, settings[i], o, pipes, registry); errs[i] != nil && len(services) > 1 {
				errs[i] = fmt.Errorf("service %q: %w", s.Name, errs[i])
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

func allSettings(services []Service, o *options) ([]Settings, error) {
	if len(services) == 0 {
		return nil, configErrorf("muster.Run was given no service")
	}
	out := make([]Settings, len(services))
	seen := map[string]bool{}
	for i, s := range services {
		if s.Run == nil {
			return nil, configErrorf("service %q has no Run", s.Name)
		}
		if seen[s.Name] {
			return nil, configErrorf("muster.Run was given the service %q twice", s.Name)
		}
		seen[s.Name] = true
		var err error
		if out[i], err = readSettings(s.Name, len(services) > 1, o.lookup); err != nil {
			return nil, err
		}
		if err := sameProcess(out[0], out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sameProcess refuses settings of a service that differ from the first one's although
// the process has only one of the kind.
func sameProcess(first, s Settings) error {
	for _, shared := range []struct{ variable, first, other string }{
		{"MUSTER_REGISTRY_URL", first.RegistryURL, s.RegistryURL},
		{"MUSTER_STATE_DIR", first.StateDir, s.StateDir},
	} {
		if shared.first != shared.other {
			return configErrorf("%s is %q for %q but %q for %q: services in one process share it; set it once, without a prefix",
				shared.variable, shared.first, first.Service, shared.other, s.Service)
		}
	}
	return nil
}

func runOne(ctx context.Context, endAll func(), s Service, set Settings, o *options, p *pipes, registry *discovery.Client) (err error) {
	leave := sync.OnceFunc(p.outside.Done)
	defer leave() // also of a service that never begins: its siblings wait for it
	limits, doors := &quota.Keeper{}, o.admission
	if doors.Quota == nil {
		doors.Quota = limits
	}
	door, err := admission.New(doors)
	if err != nil {
		return configErrorf("muster.Admission: %v", err)
	}
	telemetry, err := observe.Start(ctx, observe.Config{
		Service: set.Service, Instance: set.Instance, Version: set.Version, Zone: set.Zone,
		Exporter: o.exporter(), Endpoint: set.OTLP, Log: o.log, Level: set.LogLevel, Env: o.lookup,
	})
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	if err := door.Report(telemetry.Meters.Meter("github.com/musterdev/muster/call/admission")); err != nil {
		return errors.Join(fmt.Errorf("metrics of admission: %w", err), telemetry.Shutdown(ctx))
	}
	a := &App{
		ctx: ctx, endAll: endAll, leave: leave,
		service: s, settings: set, options: o, pipes: p, telemetry: telemetry, registry: registry, door: door, mux: http.NewServeMux(),
		caller: call.New(call.Config{
			Resolver: p, Name: set.Service, TLS: o.tls, Tokens: o.tokens, Stamp: stamp, Dial: o.dial(p), GRPC: telemetry.DialOptions(), Log: telemetry.Logger,
			Balance: balance.Config{Caller: set.Instance, Zone: set.Zone},
		}),
	}
	if err := a.caller.Report(telemetry.Meters.Meter("github.com/musterdev/muster/call")); err != nil {
		return errors.Join(fmt.Errorf("metrics of calls: %w", err), telemetry.Shutdown(ctx))
	}
	if registry != nil {
		following, unfollow := context.WithCancel(ctx)
		var follow sync.WaitGroup
		follow.Go(func() { followLimits(following, registry.View(set.Service), limits, telemetry.Logger) })
		defer follow.Wait()
		defer unfollow()
	}
	a.grpc = grpc.NewServer(a.grpcOptions()...)
	a.health = health.NewServer()
	a.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(a.grpc, a.health)
	reflection.Register(a.grpc)
	defer func() { err = errors.Join(err, a.close()) }()
	err = s.Run(ctx, a)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // as while it waited for its database
		a.Log().Info("gave up, as it was told to end", "error", err)
		return nil
	}
	return err
}

// stamp names the step of a saga that a call is made in.
func stamp(ctx context.Context) (key string, fence int64) {
	step, ok := saga.StepOf(ctx)
	if !ok {
		return "", 0
	}
	return step.Key(), step.Fence
}

func (a *App) grpcOptions() []grpc.ServerOption {
	opts := []grpc.ServerOption{
		grpc.StatsHandler(a.telemetry.ServerStats()),
		grpc.ChainUnaryInterceptor(observe.UnaryServerInterceptor, problem.UnaryServerInterceptor(a.Log()), a.door.Unary(), admitUnary(a.options.guard), a.withinUnary),
		grpc.ChainStreamInterceptor(observe.StreamServerInterceptor, problem.StreamServerInterceptor(a.Log()), a.door.Stream(), admitStream(a.options.guard)),
	}
	if a.pipes.views[a.Name()] != nil {
		opts = append(opts, grpc.StatsHandler(countOutside{&a.outside}))
	}
	return append(opts, serverCredentials(a.options.tls)...)
}

// close releases what the service held. What cannot be flushed in time is dropped.
func (a *App) close() error {
	a.grpc.Stop()
	a.caller.Close()
	ctx, cancel := context.WithTimeout(context.Background(), telemetryFlush)
	defer cancel()
	if err := a.telemetry.Shutdown(ctx); err != nil {
		a.Log().Warn("telemetry was not sent in full", "error", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.broker != nil {
		err = a.broker.Close()
	}
	if a.db != nil {
		err = errors.Join(err, a.db.Close())
	}
	return err
}
