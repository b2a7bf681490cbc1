package fleet

import (
	"github.com/musterdev/muster/platform/fleet/connect"
	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/strictyaml"
)

// TCPPort is a port of the edge whose connections are passed on as they are.
type TCPPort = connect.Port

// TCPTarget is where such connections go.
type TCPTarget = connect.Target

// declareTCP reads the ports of connections that are not HTTP. Those of an environment
// take the place of all that the file has.
func (l *loader) declareTCP(n *strictyaml.Node, set func(func(*Fleet))) {
	list, uses, ok := connect.Read(n)
	for _, u := range uses {
		l.later = append(l.later, func() {
			if l.byName[u.Service] == nil {
				u.At.Errorf("unknown service %q%s", grammar.Short(u.Service), l.suggestService(u.Service))
			}
		})
	}
	if !ok {
		return
	}
	set(func(t *Fleet) {
		t.Edge.TCP = list
		for _, p := range n.Pairs {
			t.places["edge.tcp."+p.Name] = p.Place
		}
	})
}

// checkTCP finds what services that speak no HTTP at their PORT are asked for in HTTP.
func (l *loader) checkTCP(f *Fleet) {
	for _, s := range f.Services {
		if !s.TCP {
			continue
		}
		for _, r := range s.Routes {
			if !r.GRPC {
				l.errs.Add(r.Place.Errorf(`service %s speaks tcp, of which the edge knows no paths; remove this route, and name a port: "edge: {tcp: {5432: %s}}"`, s.Name, s.Name))
			}
		}
		if len(s.On) > 0 {
			l.errs.Add(s.Place("on").Errorf("service %s speaks tcp, so that no events can be posted to it; remove \"on\", or \"speaks\"", s.Name))
		}
		if s.Metrics != "" {
			l.errs.Add(s.Place("metrics").Errorf("service %s speaks tcp, so that there is no path to scrape; remove \"metrics\", or \"speaks\"", s.Name))
		}
		for key, p := range map[string]Probe{"ready": s.Ready, "live": s.Live} {
			if p.Kind == ProbeHTTP {
				l.errs.Add(s.Place(key).Errorf("service %s speaks tcp, so that no path can be asked; write tcp, grpc or none", s.Name))
			}
		}
	}
}
