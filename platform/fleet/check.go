package fleet

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/strictyaml"
)

// check finds what is wrong with a fleet as one environment wants it.
func (l *loader) check(f *Fleet) {
	if len(f.Services) == 0 && l.errs.Len() == 0 {
		l.errs.Add(l.files[0].at[""].Errorf(`the fleet has no services; add "services: {NAME: {run: COMMAND}}"`))
	}
	l.checkDatabases(f)
	l.checkTCP(f)
	l.checkEdge(f)
	f.Edge.TLS.Check(f.Routes(), &l.errs)
	if f.On == Local {
		l.checkPorts(f)
	}
	for _, s := range f.Services {
		if _, both := s.Env["DATABASE_URL"]; both && s.Database.Engine != "" {
			l.errs.Add(s.Place("env.DATABASE_URL").Errorf("DATABASE_URL is said by \"database\"; remove one of the two"))
		}
		for _, name := range slices.Sorted(maps.Keys(s.Calls.Limits.From)) {
			// Who calls need not be of the fleet; but one that is misspelt would go unlimited.
			near := strictyaml.Suggest(name, append(slices.Collect(maps.Keys(l.byName)), "edge"))
			if l.byName[name] == nil && name != "edge" && near != "" {
				l.errs.Add(s.Place("calls").Errorf("limits.from names an unknown service %q%s", name, near))
			}
		}
		for name := range s.Secrets {
			if _, both := s.Env[name+"_FILE"]; both {
				l.errs.Add(s.Place("env."+name+"_FILE").Errorf("%s_FILE is said by the secret %s; remove one of the two", name, name))
			}
		}
	}
}

// checkDatabases refuses SQLite in a cluster and one database for several services.
func (l *loader) checkDatabases(f *Fleet) {
	var onSQLite []string
	shared := map[Place][]string{}
	for _, s := range f.Services {
		if s.Database.Engine == SQLite {
			onSQLite = append(onSQLite, s.Name)
		}
		if url := s.Database.URL; url != "" && !strings.Contains(url, "${MUSTER_SERVICE") {
			shared[s.Place("database")] = append(shared[s.Place("database")], s.Name)
		}
	}
	if f.On == Kubernetes && len(onSQLite) > 0 {
		l.errs.Add(f.places["on"].Errorf(`sqlite refused on Kubernetes, where a pod loses its files: %s would use it; say "database: postgres" in environment %q, or for the service there`,
			strings.Join(onSQLite, ", "), f.EnvironmentName))
	}
	for place, names := range shared {
		if len(names) > 1 {
			l.errs.Add(place.Errorf("%s would share one database; put ${MUSTER_SERVICE} into the URL", strings.Join(names, ", ")))
		}
	}
}

// checkPorts refuses two listeners on one fixed port.
func (l *loader) checkPorts(f *Fleet) {
	taken := map[int]string{}
	claim := func(port int, who string, at Place) {
		if port == 0 {
			return
		}
		if other := taken[port]; other != "" {
			l.errs.Add(at.Errorf("port %d of %s is already that of %s; choose another one", port, who, other))
			return
		}
		taken[port] = who
	}
	at := func(key string) Place {
		if p, ok := f.places[key]; ok {
			return p
		}
		return f.places[""]
	}
	claim(f.Edge.Port, "the edge", at("edge"))
	claim(f.Control.Port, "the control engine", at("control"))
	claim(f.Edge.Local, "calls by name", at("edge.local"))
	if f.Edge.TLS != nil {
		claim(f.Edge.TLS.Port, "TLS", at("edge.tls"))
	}
	claim(f.Control.DNS, "DNS", at("control.dns"))
	if f.Events() {
		claim(f.Broker.HTTP, "the broker's events over HTTP", at("broker.http"))
		if f.Bus == "" {
			claim(f.Broker.Port, "the broker", at("broker.port"))
		}
	}
	for _, p := range f.Edge.TCP {
		claim(p.Port, "the edge's connections", at("edge.tcp."+strconv.Itoa(p.Port)))
	}
	for _, s := range f.Services {
		claim(s.Port, "service "+s.Name, s.Place("port"))
		claim(s.GRPCPort, "service "+s.Name, s.Place("grpc_port"))
		if (s.Port != 0 || s.GRPCPort != 0) && s.Replicas > 1 {
			key := "port"
			if s.Port == 0 {
				key = "grpc_port"
			}
			l.errs.Add(s.Place(key).Errorf("%d replicas of %s cannot share one fixed port; remove %q, or set replicas: 1", s.Replicas, s.Name, key))
		}
	}
}

// checkVariables finds the references of the chosen environment to variables that
// are not set. In a cluster they are not those of this process.
func (l *loader) checkVariables(f *Fleet) {
	if l.opts.Env == nil || f.On != Local {
		return
	}
	for _, s := range f.Services {
		given := s.givenNames()
		for _, t := range s.templates() {
			_, err := t.expand(func(name string) (string, bool) {
				if given[name] || strings.Contains(name, ".") {
					return "", true // known when an instance starts
				}
				return l.opts.Env(name)
			})
			if err != nil {
				l.errs.Add(err)
			}
		}
		if d := s.Database; d.Engine != "" && d.Engine != SQLite && d.URL == "" {
			if v, _ := l.opts.Env(s.URLVariable()); v == "" {
				l.errs.Add(s.noURL())
			}
		}
	}
}
