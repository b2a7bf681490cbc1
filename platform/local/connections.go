package local

import (
	"math"
	"net"
	"strconv"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// connections turns the fleet's ports of connections into the edge's.
func connections(f *fleet.Fleet) map[string]l4.Routes {
	all := map[string]l4.Routes{}
	for _, p := range f.Edge.TCP {
		r := l4.Routes{IdleSeconds: int(math.Ceil(p.Idle.Seconds()))}
		if p.To != (fleet.TCPTarget{}) {
			r.Default = target(f, p.To)
		}
		for name, to := range p.Names {
			if r.Names == nil {
				r.Names = map[string]l4.Target{}
			}
			r.Names[name] = target(f, to)
		}
		all[net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port))] = r
	}
	return all
}

// target is the endpoint at which the instances of a service listen.
func target(f *fleet.Fleet, to fleet.TCPTarget) l4.Target {
	s, _ := f.Service(to.Service) // there is one: the file was checked
	switch {
	case to.GRPC:
		return l4.Target{Service: to.Service, Endpoint: discovery.GRPC}
	case s.TCP:
		return l4.Target{Service: to.Service, Endpoint: discovery.TCP}
	}
	return l4.Target{Service: to.Service, Endpoint: discovery.HTTP}
}
