package fleet

import (
	"reflect"
	"slices"
)

// Changes is what differs between two readings of a fleet.
type Changes struct {
	Added   []string // services, sorted
	Removed []string // services, sorted
	Changed []Change // sorted by service
	Scaled  []Scale  // sorted by service
	Routes  bool     // the routing table differs, or the edge's filters
	Fleet   []string // what differs of the fleet itself, sorted: "bus", "control", "edge" ...
}

// Change is a service that stays and is described otherwise.
type Change struct {
	Service string
	Keys    []string // keys of muster.yaml whose values differ, sorted; never "replicas"
	Restart bool     // a running instance does not learn of it: it must be replaced
}

// Scale is a change in the number of instances.
type Scale struct {
	Service  string
	From, To int
}

// Empty says that nothing differs.
func (c Changes) Empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Scaled)+len(c.Fleet) == 0 && !c.Routes
}

// Diff says what differs between two readings; nil is a fleet without services.
// Where in the file something stands makes no difference.
func Diff(before, after *Fleet) Changes {
	if before == nil {
		before = &Fleet{}
	}
	if after == nil {
		after = &Fleet{}
	}
	c := Changes{Routes: !slices.EqualFunc(before.Routes(), after.Routes(), Route.Same) ||
		!slices.EqualFunc(before.Edge.Filters, after.Edge.Filters, Filter.Same) || !slices.Equal(before.Edge.Apply, after.Edge.Apply)}
	c.Fleet = differing(before.settings(), after.settings())
	told := slices.ContainsFunc(c.Fleet, func(key string) bool { return slices.Contains(toldToAll, key) })
	for _, old := range before.Services {
		s, stays := after.Service(old.Name)
		if !stays {
			c.Removed = append(c.Removed, old.Name)
			continue
		}
		if old.Replicas != s.Replicas {
			c.Scaled = append(c.Scaled, Scale{s.Name, old.Replicas, s.Replicas})
		}
		keys := differing(old.settings(), s.settings())
		restart := told || slices.ContainsFunc(keys, func(key string) bool { return !slices.Contains(seenOutside, key) })
		if len(keys) > 0 || restart {
			c.Changed = append(c.Changed, Change{s.Name, keys, restart})
		}
	}
	for _, s := range after.Services {
		if _, was := before.Service(s.Name); !was {
			c.Added = append(c.Added, s.Name)
		}
	}
	return c
}

// setting is a key of muster.yaml and what it says.
type setting struct {
	key   string
	value any
}

// EdgeTCP is how Changes.Fleet names the ports of connections, which a running edge can
// change, unlike its others.
const EdgeTCP = "edge.tcp"

// toldToAll are the settings of the fleet that every instance is told.
var toldToAll = []string{"bus", "environment", "fleet", "telemetry"}

// seenOutside are the keys of a service that its process does not see.
var seenOutside = []string{"build", "calls", "live", "on", "owner", "publishes", "ready", "route", "stop_grace", "watch"}

// settings returns the fleet's own keys, in the order of their names.
func (f *Fleet) settings() []setting {
	return []setting{
		{"broker", []any{f.Events(), f.Broker}},
		{"bus", f.Bus},
		{"control", f.Control},
		{"edge", []any{f.Edge.Port, f.Edge.Local, f.Edge.TLS}},
		{EdgeTCP, f.Edge.TCP},
		{"environment", f.EnvironmentName},
		{"fleet", f.Name},
		{"on", f.On},
		{"owners", f.Owners},
		{"publishes", f.Publishes},
		{"telemetry", f.Telemetry.Endpoint},
		{"telemetry.export", f.Telemetry.Export},
		{"telemetry.retention", f.Telemetry.Retention},
	}
}

// settings returns the keys of a service but replicas, in the order of their names.
func (s Service) settings() []setting {
	routes := slices.Clone(s.Routes)
	for i := range routes {
		routes[i].Place, routes[i].Options.Places = Place{}, nil
	}
	return []setting{
		{"build", s.Build},
		{"calls", s.Calls},
		{"config", s.Config},
		{"database", s.Database},
		{"dir", s.Dir},
		{"env", s.Env},
		{"grpc_port", s.GRPCPort},
		{"live", s.Live},
		{"metrics", s.Metrics},
		{"on", s.On},
		{"owner", s.Owner},
		{"port", []any{s.Port, s.StablePort}},
		{"publishes", s.Publishes},
		{"ready", s.Ready},
		{"route", routes},
		{"run", s.Run},
		{"secrets", s.Secrets},
		{"speaks", s.TCP},
		{"stop_grace", s.StopGrace},
		{"version", s.Version},
		{"watch", s.Watch},
		{"weight", s.Weight},
		{"zone", s.Zone},
	}
}

// differing returns the keys whose values differ; both lists have the same keys.
func differing(a, b []setting) []string {
	var keys []string
	for i := range a {
		if !reflect.DeepEqual(a[i].value, b[i].value) {
			keys = append(keys, a[i].key)
		}
	}
	return keys
}
