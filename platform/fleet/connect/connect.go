// Package connect reads which connections that are not HTTP get into a fleet, the key
// "tcp" of the edge in muster.yaml:
//
//	edge:
//	  tcp:
//	    5433: db                       # all connections to a port
//	    8443:                          # TLS, by the name that a client asks for
//	      sni: {a.example: web, "*.b.example": api.grpc}
//	      to: web                      # all others
//	      idle: 10m
package connect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/strictyaml"
)

// Bounds of what one edge may have.
const (
	MaxPorts = 100
	MaxNames = 1000 // of one port
)

// Bounds of how long a connection may be silent.
const (
	minIdle = time.Second
	maxIdle = 30 * 24 * time.Hour
)

// Target is where connections go: to the instances of a service, each at its PORT.
type Target struct {
	Service string
	GRPC    bool // at its GRPC_PORT instead
}

// String returns the target as muster.yaml writes it.
func (t Target) String() string {
	if t.GRPC {
		return t.Service + ofGRPC
	}
	return t.Service
}

// ofGRPC ends a target at GRPC_PORT, as in ${services.NAME.grpc}.
const ofGRPC = ".grpc"

// Port is a port of the edge whose connections are passed on as they are.
type Port struct {
	Port  int               // 1 to 65535
	To    Target            // of connections that no name decides; zero: they are refused
	Names map[string]Target // by DNS names that TLS clients ask for, or "*.NAME"; nil: none are read
	Idle  time.Duration     // how long a connection may be silent; 0: as long as the edge says
}

// Use is a service that a port names, and where.
type Use struct {
	Service string
	At      *strictyaml.Node
}

// Read reads the ports, sorted, and which services they name, for whoever knows which
// there are. Mistakes are recorded where they stand, and false returned.
func Read(n *strictyaml.Node) (list []Port, uses []Use, ok bool) {
	ok = n.Kind == strictyaml.Map
	if len(n.Pairs) > MaxPorts {
		n.Errorf("the edge has more than %d ports of connections; make several fleets", MaxPorts)
		return nil, nil, false
	}
	for _, p := range n.Each("ports to services, such as {5432: db}") {
		r := reader{}
		if r.port(p) {
			list = append(list, r.Port)
		} else {
			ok = false
		}
		uses = append(uses, r.uses...)
	}
	slices.SortFunc(list, func(a, b Port) int { return a.Port - b.Port })
	return list, uses, ok
}

// reader reads one port.
type reader struct {
	Port

	uses []Use
	bad  bool
}

func (r *reader) port(p strictyaml.Pair) bool {
	number, err := strconv.ParseUint(p.Name, 10, 16)
	if err != nil || number == 0 || strconv.FormatUint(number, 10) != p.Name {
		p.Errorf("%q is no port; write a number from 1 to 65535", grammar.Short(p.Name))
		r.bad = true
	}
	r.Port.Port = int(number)
	if p.Value.Kind != strictyaml.Map {
		r.To = r.target(p.Value)
		return !r.bad
	}
	read := p.Value.Fields("a port of connections", strictyaml.Fields{
		"to":   func(n *strictyaml.Node) { r.To = r.target(n) },
		"sni":  r.names,
		"idle": r.idle,
	})
	if read && !p.Value.Has("to") && !p.Value.Has("sni") {
		p.Errorf(`port %s has no service; add "to: SERVICE", or "sni: {NAME: SERVICE}" for clients that speak TLS`, grammar.Short(p.Name))
		return false
	}
	return read && !r.bad
}

// target reads the name of a service, or NAME.grpc.
func (r *reader) target(n *strictyaml.Node) Target {
	t, ok := reading.Text(n, "the name of a service", func(s string) (Target, error) {
		name, of, dotted := strings.Cut(s, ".")
		if _, err := grammar.Label(name); err != nil {
			return Target{}, err
		}
		if dotted && "."+of != ofGRPC {
			return Target{}, fmt.Errorf("%q asks for what a service has not; write %q for its PORT, or %q for its GRPC_PORT", grammar.Short(s), name, name+ofGRPC)
		}
		return Target{Service: name, GRPC: dotted}, nil
	})
	if !ok {
		r.bad = true
		return t
	}
	r.uses = append(r.uses, Use{t.Service, n})
	return t
}

// names reads where the clients go that ask for a name.
func (r *reader) names(n *strictyaml.Node) {
	if len(n.Pairs) > MaxNames {
		n.Errorf("the port has more than %d names; use a second port", MaxNames)
		r.bad = true
		return
	}
	pairs := n.Each("DNS names to services")
	if n.Kind == strictyaml.Map && len(pairs) == 0 {
		n.Errorf(`there are no names; add some, or write "to: SERVICE" alone`)
	}
	r.bad = r.bad || len(pairs) == 0
	r.Names = map[string]Target{}
	for _, p := range pairs {
		r.bad = !reading.Key(p, grammar.ServerName) || r.bad
		r.Names[p.Name] = r.target(p.Value)
	}
}

func (r *reader) idle(n *strictyaml.Node) {
	v, ok := n.Duration(minIdle, maxIdle)
	r.Idle, r.bad = v, r.bad || !ok
}
