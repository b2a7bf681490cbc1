package own

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise/ports"
	"github.com/musterdev/muster/strictyaml"
)

// mistake is what is wrong with what a drill was given: a [muster.ErrConfig], so that
// nothing was started.
type mistake struct{ error }

func (mistake) Is(target error) bool { return target == muster.ErrConfig }
func (m mistake) Unwrap() error      { return m.error }

func mistakef(format string, args ...any) error { return mistake{fmt.Errorf(format, args...)} }

// Files say which fleet is broken and who comes meanwhile.
type Files struct {
	Fleet       string // muster.yaml
	Environment string // laid over it; "" is development
	Load        string // a plan; see load.Read
	// Env are the process variables that muster.yaml may refer to; nil: none.
	Env func(name string) (string, bool)
}

// Fleet is a fleet and its load, ready to be started. Open makes it.
type Fleet struct {
	spec *fleet.Fleet
	plan load.Plan
	file string // of the load
}

// Open reads the files and starts nothing. Every error of it is a [muster.ErrConfig] or a
// *[fleet.Error], and says what to write where.
func Open(files Files) (*Fleet, error) {
	spec, err := fleet.Load(files.Fleet, fleet.Options{Environment: files.Environment, Env: files.Env})
	if err != nil {
		return nil, err
	}
	if spec.On != fleet.Local {
		return nil, mistakef("environment %q is on %s: a drill runs fleets on this machine", spec.EnvironmentName, spec.On)
	}
	if err := preflight.Files(spec); err != nil {
		return nil, err
	}
	if files.Load == "" {
		return nil, mistakef("--load is missing: a file that says who comes while something breaks, such as\n%s", example(spec))
	}
	plan, err := read(files.Load, spec.Edge.Port)
	if err != nil {
		return nil, err
	}
	return &Fleet{spec: spec, plan: plan, file: files.Load}, nil
}

// example is a load file for a fleet, by what its edge passes on.
func example(f *fleet.Fleet) string {
	path := "/"
	for _, r := range f.Routes() {
		if !r.GRPC && r.Host == "" && r.Service != "" {
			path = r.Path
			break
		}
	}
	return fmt.Sprintf("load:\n  rate: 50/s\n  for: 30s\n  flow:\n    - request: GET %s", path)
}

// read reads a load and wants it to go to the fleet: who sends requests elsewhere would
// see nothing of what the drill breaks.
func read(file string, edge int) (load.Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return load.Plan{}, mistakef("read the load: %w", err)
	}
	if len(text) > load.MaxFile {
		return load.Plan{}, mistakef("%s has %d bytes; a load has at most %d", file, len(text), load.MaxFile)
	}
	plan, err := load.Parse(file, text)
	if err != nil {
		return plan, mistake{err}
	}
	own := func(url string) bool {
		url = strings.TrimSuffix(url, "/")
		return edge != 0 && (url == fmt.Sprintf("http://127.0.0.1:%d", edge) || url == fmt.Sprintf("http://localhost:%d", edge))
	}
	if plan.URL != "" && !own(plan.URL) {
		return plan, mistakef("%s: url: %s is not this fleet's edge: leave url out, and the load goes to the fleet that the drill starts", file, plan.URL)
	}
	plan.URL = "http://127.0.0.1" // until it is known where the edge listens
	for _, f := range plan.Flows {
		for _, s := range f.Steps {
			if !strings.HasPrefix(s.Path, "/") {
				return plan, mistakef("%s: the request %q goes elsewhere: write its path alone, and it goes to the fleet that the drill starts", file, s.Path)
			}
		}
	}
	if err := plan.Validate(); err != nil {
		return plan, mistakef("%s: %w", file, err)
	}
	return plan, nil
}

// known returns an error that names the near ones when the fleet has no such service.
func (f *Fleet) known(names ...string) error {
	for _, name := range names {
		if _, ok := f.spec.Service(name); !ok {
			return mistakef("there is no service %q in the fleet%s", name, strictyaml.SuggestOrList(name, f.names(), "services"))
		}
	}
	return nil
}

func replicas(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

func (f *Fleet) names() []string {
	list := make([]string, len(f.spec.Services))
	for i, s := range f.spec.Services {
		list[i] = s.Name
	}
	return list
}

// replicated returns the services that a drill breaks one replica of: those that were
// named, or all that have two or more.
func (f *Fleet) replicated(named []string) ([]string, error) {
	if err := f.known(named...); err != nil {
		return nil, err
	}
	var list []string
	for _, s := range f.spec.Services {
		switch chosen := slices.Contains(named, s.Name); {
		case s.Replicas >= 2 && (chosen || len(named) == 0):
			list = append(list, s.Name)
		case chosen:
			return nil, mistake{s.Place("replicas").Errorf("service %s has %s: this drill breaks one and wants another to be there; write \"replicas: 2\"", s.Name, replicas(s.Replicas))}
		}
	}
	if len(list) == 0 {
		return nil, mistakef("no service of the fleet has two replicas: this drill breaks one and wants another to be there; write \"replicas: 2\"")
	}
	return list, nil
}

// Start starts the fleet in a folder, and returns when everything is ready. edges, when
// not nil, stand before its registry. The plan goes to its edge from then on. A port of
// its engines that is taken, as by the same fleet in earnest, is replaced by a free one,
// but for those that programs call each other at: see [choosePorts].
func (f *Fleet) Start(ctx context.Context, dir string, edges *fault.Edges) (*local.Fleet, error) {
	if err := choosePorts(f.spec); err != nil {
		return nil, err
	}
	cfg := local.Config{Fleet: f.spec, Dir: dir}
	if edges != nil {
		cfg.Single = true
		cfg.Before = func(registry http.Handler) http.Handler { return fault.Registry(registry, edges) }
	}
	up, err := local.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	f.plan.URL = up.EdgeURL
	return up, nil
}

// choosePorts takes ports of their own for the engines whose ports are taken. The edge's
// ports for the fleet's own programs are never replaced, as these have them written down:
// they would go on calling whoever has the port, such as the same fleet in earnest.
func choosePorts(f *fleet.Fleet) error {
	fixed := []ports.Fixed{{Port: f.Edge.Local, Who: "edge.local"}}
	for _, p := range f.Edge.TCP {
		fixed = append(fixed, ports.Fixed{Port: p.Port, Who: fmt.Sprintf("edge.tcp.%d", p.Port)})
	}
	for _, one := range fixed {
		if one.Port == 0 {
			continue
		}
		if err := ports.Check(one); err != nil {
			return mistakef("programs of the fleet call each other at %s, and would call whoever has it now: end the fleet first that runs already: %w", one.Who, err)
		}
	}
	pool, errs := ports.NewPool(), []error(nil)
	for _, port := range []*int{&f.Edge.Port, &f.Control.Port, &f.Control.DNS, &f.Broker.Port, &f.Broker.HTTP} {
		if *port == 0 || ports.Check(ports.Fixed{Port: *port}) == nil {
			continue
		}
		n, err := pool.Take()
		errs = append(errs, err)
		*port = n
	}
	return errors.Join(errs...)
}
