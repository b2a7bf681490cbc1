// Package fleet reads muster.yaml: it parses and checks the file with all that it
// includes, lays the chosen environment over it, and plans what follows: the
// variables and the command of each instance, the routing table of the edge, and
// what changed between two readings.
//
// It starts nothing and writes nothing, and it reads nothing but the files
// themselves; process variables come through Options.Env. Every mistake is one
// line that says where it is, what it is and what to do:
//
//	muster.yaml:12:7: unknown key "replica"; did you mean "replicas"?
//
// Values of this package may be read by several goroutines at once, as long as
// nobody changes them.
package fleet

import (
	"slices"
	"time"

	"github.com/musterdev/muster/platform/fleet/encrypt"
	"github.com/musterdev/muster/strictyaml"
)

// Limits of what a fleet may hold.
const (
	MaxFileSize      = 1 << 20 // bytes of one muster.yaml
	MaxTotalSize     = 4 << 20 // bytes of all files of a fleet
	MaxFiles         = 100     // files of a fleet, the included ones counted
	MaxDepth         = 16      // includes within includes
	MaxServices      = 1000
	MaxOwners        = 1000
	MaxEnvironments  = 100
	MaxWires         = 4_000 // routes and topics, each
	MaxReplicas      = 64    // instances of one service
	MaxSubscriptions = 1000  // of all services
	MaxName          = 40    // characters of the name of a service, a fleet, an owner or an environment
)

// Defaults of a fleet.
const (
	DefaultEnvironment = "development"
	DefaultEdgePort    = 8080
	DefaultControlPort = 8081
	DefaultBrokerPort  = 4222 // of the NATS protocol
	DefaultBrokerHTTP  = 8082
	DefaultVersion     = "dev"
	DefaultZone        = "local"
	DefaultWeight      = 100
	DefaultStopGrace   = 10 * time.Second
)

// Error is one mistake in a muster.yaml, or in a variable that overrides it.
type Error = strictyaml.Error

// Errors are all mistakes of one Load, at most 20, sorted by place.
type Errors = strictyaml.Errors

// Place is where in a file something is said.
type Place = strictyaml.Place

// Target is the kind of place where a fleet runs.
type Target string

// The targets.
const (
	Local      Target = "local"      // processes on this machine
	Kubernetes Target = "kubernetes" // Deployments in a cluster
)

// Fleet is a muster.yaml with everything it includes and one environment laid
// over it.
type Fleet struct {
	Name            string
	EnvironmentName string // the environment laid over the file; DefaultEnvironment unless asked otherwise
	On              Target
	Dir             string    // the folder of the first file, absolute
	Files           []string  // all files read, absolute: the first one, then in order of inclusion
	Owners          []Owner   // sorted by name
	Services        []Service // sorted by name
	Publishes       []string  // topics that come from outside the fleet, sorted
	Edge            Edge
	Control         Control
	Broker          Broker
	Bus             string    // URL of an outside broker, may hold templates; empty: the fleet's own
	Telemetry       Telemetry // where telemetry goes

	places map[string]Place                 // of the fleet's own keys
	lookup func(name string) (string, bool) // process variables; may be nil
}

// Owner is a team that answers for services.
type Owner struct {
	Name      string
	Slack     string // a channel, "#checkout"
	Email     string
	PagerDuty string // a service or routing key name
	Webhook   string // an http or https URL
}

// TLS is how the gateway speaks TLS.
type TLS = encrypt.TLS

// Edge is the setting of the gateway.
type Edge struct {
	Port  int // TCP port on 127.0.0.1; 0: any free one
	Local int // where programs of this machine call services by name; 0: nowhere

	TLS *TLS // spoken at a port of its own; nil: nowhere

	// TCP are the ports on 127.0.0.1 whose connections are passed on as they are, sorted.
	TCP []TCPPort

	Filters []Filter // there to be named by Apply and by routes, in the order of the file
	Apply   []string // the filters of every route, which come before its own
	Routes  []Route  // of no service: they redirect
}

// Control is the setting of the control engine.
type Control struct {
	Port int // TCP port on 127.0.0.1; 0: any free one
	DNS  int // UDP and TCP port on 127.0.0.1 at which services are found by DNS; 0: none
}

// Broker is the setting of the platform's own broker.
type Broker struct {
	Port int // of the NATS protocol on 127.0.0.1; 0: any free one; no part of it when the fleet names an outside broker
	HTTP int // of events over HTTP on 127.0.0.1; 0: any free one
}

// Telemetry says where traces, metrics and logs go.
type Telemetry struct {
	Endpoint string // OTLP over HTTP that services send to instead of the platform, may hold templates; empty: to the platform
	Export   string // OTLP over HTTP that the platform sends all on to; empty: nowhere
	// Retention is how long the platform keeps traces and logs, by service or
	// OtherServices. Empty: its default.
	Retention map[string]time.Duration
}

// Events reports whether anything deals in events: a service publishes or subscribes,
// or the file sets the broker. Only such a fleet has one.
func (f *Fleet) Events() bool {
	_, set := f.places["broker"]
	return set || slices.ContainsFunc(f.Services, func(s Service) bool { return len(s.Publishes)+len(s.On) > 0 })
}

// Service returns the service of that name, and whether there is one.
func (f *Fleet) Service(name string) (Service, bool) {
	for _, s := range f.Services {
		if s.Name == name {
			return s, true
		}
	}
	return Service{}, false
}
