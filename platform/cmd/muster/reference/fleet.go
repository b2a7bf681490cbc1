// Package reference runs the shop, the reference application, as a fleet from the muster
// binary alone: for the demo, which lets shoppers come, and for the drills, which break
// something on purpose. It knows the shop's services, where they keep their data, and
// how to prove that they kept their promises.
package reference

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/shop"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// Options say how the shop runs.
type Options struct {
	Dir      string // gets everything
	Replicas int    // of each service but the card processor
	Single   bool   // supervisor and engines in one process
	AnyPort  bool   // nobody need find the edge: do not stand in another demo's way
	Inner    bool   // the edge passes on what only services should call, so that a drill can

	Beside *Beside // one more service; nil: none

	Databases map[string]string // URLs by service; a service that has none here keeps its SQLite file
	Env       map[string]string // told to every service besides its own

	Out    io.Writer         // told what is left out
	Events func(event.Event) // of the fleet; nil: nobody is told

	// Before is local.Config's: what stands before the registry. It wants Single.
	Before func(registry http.Handler) http.Handler

	inProcess bool
}

// Beside is a service that runs beside the shop, with a database of its own.
type Beside struct {
	Name  string
	Run   []string // what this binary is given to run it
	Route string   // at the edge
}

// Fleet is the shop as it runs.
type Fleet struct {
	URL     string // of the edge
	Control string // URL of the registry
	Broker  string // URL of the broker of its own; "": it uses another's
	Dir     string

	databases map[string]string
	local     *local.Fleet // nil in one process
	running   interface {
		Done() <-chan struct{}
		Wait() error
		Stop() error
	}
}

// cardProcessor stands for somebody else's: there is always one.
const cardProcessor = "card"

// Open starts the shop's fleet from this binary alone: each instance is this program
// again, as `muster shop NAME`. It returns when everything is ready.
func Open(ctx context.Context, o Options) (*Fleet, error) {
	f, err := o.file()
	if err != nil {
		return nil, err
	}
	up, err := local.Start(ctx, local.Config{Fleet: f, Dir: o.Dir, Single: o.Single, Events: o.Events, Before: o.Before})
	if err != nil {
		return nil, err
	}
	return &Fleet{URL: up.EdgeURL, Control: up.ControlURL, Broker: broker(f), Dir: o.Dir, databases: o.Databases, local: up, running: up}, nil
}

// OpenInProcess runs the whole shop and the engines in this one process; Databases are
// not for it. ready is called for each part.
func OpenInProcess(ctx context.Context, o Options, ready func(name string)) (*Fleet, error) {
	o.inProcess = true
	f, err := o.file()
	if err != nil {
		return nil, err
	}
	up, err := local.StartInProcess(ctx, local.ProcessConfig{
		Fleet: f, Dir: o.Dir, Services: Services(), Options: []muster.Option{Drivers()}, Ready: ready,
	})
	if err != nil {
		return nil, err
	}
	return &Fleet{URL: up.EdgeURL, Control: up.ControlURL, Broker: broker(f), Dir: o.Dir, databases: o.Databases, running: up}, nil
}

// broker returns where the fleet's own broker listens, once its port was chosen.
func broker(f *fleet.Fleet) string {
	if f.Bus != "" {
		return ""
	}
	return "nats://127.0.0.1:" + strconv.Itoa(f.Broker.Port)
}

// file reads the shop's muster.yaml out of the binary. What it would build from
// source is this binary here.
func (o *Options) file() (*fleet.Fleet, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the muster binary itself: %w", err)
	}
	file := filepath.Join(o.Dir, "muster.yaml")
	if err := os.WriteFile(file, shop.Fleet, 0o644); err != nil {
		return nil, fmt.Errorf("write the demo's muster.yaml: %w", err)
	}
	lookup := os.LookupEnv
	if o.AnyPort {
		lookup = anyPort
	}
	f, err := fleet.Load(file, fleet.Options{Env: lookup})
	if err != nil {
		return nil, err
	}
	if err := o.foreign(f); err != nil {
		return nil, err
	}
	for i := range f.Services {
		s := &f.Services[i]
		if inside(s.Name) {
			s.GoPackage, s.GoFlags, s.Run = "", nil, []string{exe, "shop", s.Name}
		}
		if s.Name != cardProcessor {
			s.Replicas = o.Replicas
		}
		if s.Env == nil {
			s.Env = map[string]string{}
		}
		maps.Copy(s.Env, o.Env)
		if url := o.Databases[s.Name]; url != "" {
			s.Database = fleet.Database{Engine: fleet.Postgres, URL: url}
		}
		if o.Inner && s.Name == "inventory" {
			s.Routes = append(s.Routes, fleet.Route{Path: "/" + inventoryv1.Inventory_ServiceDesc.ServiceName + "/", GRPC: true, Service: s.Name})
		}
	}
	if b := o.Beside; b != nil {
		i := slices.IndexFunc(f.Services, func(s fleet.Service) bool { return s.Name == "search" })
		s := f.Services[i] // it is like this one in all but what it is
		s.Name, s.Run, s.Routes, s.Database = b.Name, append([]string{exe}, b.Run...), []fleet.Route{{Path: b.Route, Service: b.Name}}, fleet.Database{Engine: fleet.SQLite}
		f.Services = append(f.Services, s)
	}
	return f, nil
}

// anyPort is the environment, but engines whose port it does not say take a free one.
func anyPort(name string) (string, bool) {
	v, ok := os.LookupEnv(name)
	if engine := strings.HasPrefix(name, "MUSTER_") && strings.HasSuffix(name, "_PORT"); engine && !ok {
		return "0", true
	}
	return v, ok
}

// Processes is the fleet as a supervisor has it; nil when everything is in one process.
func (s *Fleet) Processes() *local.Fleet { return s.local }

// Close ends the shop and returns when nothing of it is left.
func (s *Fleet) Close() error { return s.running.Stop() }

// Wait returns when ctx ends, or with an error when the shop ends by itself.
func (s *Fleet) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.running.Done():
	}
	err := s.running.Wait()
	if err == nil && ctx.Err() == nil {
		err = local.ErrEnded
	}
	return err
}

// Lives reports whether an engine is ready.
func (s *Fleet) Lives(engine string) bool {
	return slices.ContainsFunc(s.local.Status().Engines, func(e instance.Status) bool {
		return e.Service == engine && e.Phase == instance.Ready
	})
}

// Replace implements drill.Replacer.
func (s *Fleet) Replace(ctx context.Context, service string) (int, error) {
	before := s.instances(service)
	err := s.local.Replace(ctx, service)
	after := s.instances(service)
	replaced := 0
	for _, id := range before {
		if !slices.Contains(after, id) {
			replaced++
		}
	}
	return replaced, err
}

// instances returns the processes of a service, each named by its id and pid: an
// instance's id may be given again.
func (s *Fleet) instances(service string) []string {
	var ids []string
	for _, svc := range s.local.Status().Services {
		if svc.Name == service {
			for _, i := range svc.Instances {
				ids = append(ids, fmt.Sprintf("%s/%d", i.ID, i.PID))
			}
		}
	}
	return ids
}

// Port returns the HTTP port of one instance of a service, 0 when it has none now.
func (s *Fleet) Port(service string) int {
	if s.local == nil {
		return 0
	}
	for _, svc := range s.local.Status().Services {
		if svc.Name == service && len(svc.Instances) > 0 {
			return svc.Instances[0].Port
		}
	}
	return 0
}
