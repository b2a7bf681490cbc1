// Package plan turns what muster.yaml says of a service into an instance to start.
// It decides nothing and starts nothing.
package plan

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/ports"
	"github.com/musterdev/muster/platform/supervise/probe"
	"github.com/musterdev/muster/platform/supervise/process"
)

// Instance returns how one instance of a service is started, asked and registered.
// program is what was built for it, or ""; env is what every child is told besides
// its own variables. Its error, of the fleet file, says where.
func Instance(f *fleet.Fleet, s fleet.Service, facts fleet.Instance, program string, env []string) (instance.Config, error) {
	own, err := Environment(f, s, facts)
	if err != nil {
		return instance.Config{}, err
	}
	argv, err := f.Command(s, facts, program)
	if err != nil {
		return instance.Config{}, err
	}
	all := slices.Clone(env)
	for _, name := range slices.Sorted(maps.Keys(own)) {
		all = append(all, name+"="+own[name]) // of two with one name the last counts
	}
	var meta map[string]string
	if s.Metrics != "" {
		meta = map[string]string{discovery.MetaMetrics: s.Metrics}
	}
	spoken := discovery.HTTP
	if s.TCP {
		spoken = discovery.TCP
	}
	return instance.Config{
		ID: facts.ID, Service: s.Name,
		Spec:  process.Spec{Argv: argv, Dir: s.Dir, Env: all},
		Ready: question(s.Ready, facts), Live: question(s.Live, facts), Grace: s.StopGrace,
		Record: discovery.Instance{
			ID: facts.ID, Service: s.Name, Version: s.Version, Zone: s.Zone, Weight: s.Weight,
			Endpoints: map[string]string{spoken: Local(facts.Port), discovery.GRPC: Local(facts.GRPCPort)},
			Meta:      meta,
		},
	}, nil
}

// Environment returns the variables that an instance is told: those of the fleet
// file, and a folder for what should survive a restart, such as the last known
// addresses of other services. All instances of a service share it.
func Environment(f *fleet.Fleet, s fleet.Service, facts fleet.Instance) (map[string]string, error) {
	env, err := f.Environment(s, facts)
	if err != nil {
		return nil, err
	}
	env["MUSTER_STATE_DIR"] = filepath.Join(cmp.Or(facts.Dir, f.Dir), ".muster", "state", s.Name)
	return env, nil
}

// question turns a probe of the file into one of an instance.
func question(p fleet.Probe, facts fleet.Instance) instance.Probe {
	port := facts.Port
	if p.Kind == fleet.ProbeGRPC {
		port = facts.GRPCPort
	}
	return instance.Probe{
		Target: probe.Target{
			Kind: probe.Kind(p.Kind), Address: Local(port), Path: p.Path, Assumed: p.Assumed, Timeout: p.Timeout,
		},
		Every: p.Interval, Within: p.Within, Failures: p.Failures,
	}
}

// Local returns the address of a port on this machine.
func Local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Ports returns the ports that the file fixes for services that are to start, and
// where it says so.
func Ports(f *fleet.Fleet) []ports.Fixed {
	var fixed []ports.Fixed
	for _, s := range f.Services {
		add := func(key string, port int) {
			if port != 0 && s.Replicas > 0 {
				at := s.Place(key)
				setting := fmt.Sprintf("%q of the service (%s:%d)", key, at.File, at.Line)
				fixed = append(fixed, ports.Fixed{Port: port, Who: "service " + s.Name, Setting: setting})
			}
		}
		add("port", s.Port)
		add("grpc_port", s.GRPCPort)
	}
	return fixed
}

// Summary says in one line what a new reading of the fleet changes.
func Summary(c fleet.Changes) string {
	var parts []string
	add := func(what string, names []string) {
		if len(names) > 0 {
			parts = append(parts, what+" "+strings.Join(names, ", "))
		}
	}
	add("added", c.Added)
	add("removed", c.Removed)
	var names []string
	for _, change := range c.Changed {
		names = append(names, fmt.Sprintf("%s (%s)", change.Service, strings.Join(change.Keys, ", ")))
	}
	add("changed", names)
	names = nil
	for _, sc := range c.Scaled {
		names = append(names, fmt.Sprintf("%s from %d to %d", sc.Service, sc.From, sc.To))
	}
	add("scaled", names)
	if c.Routes {
		parts = append(parts, "new routes")
	}
	if slices.Contains(c.Fleet, fleet.EdgeTCP) {
		parts = append(parts, "other ports of connections")
	}
	engines := slices.DeleteFunc([]string{"edge", "control", "broker"}, func(name string) bool { return !slices.Contains(c.Fleet, name) })
	if len(engines) > 0 {
		parts = append(parts, "the settings of "+strings.Join(engines, ", ")+" only after the next start")
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, "; ")
}
